//! Messenger providers end to end: the built binary with a real adapter, against a fake of its provider (SPEC 13).

use std::collections::HashMap;
use std::time::Duration;

use seoham_messenger_fakes::{
    FALLBACK_NUMBER, Fakes, REFUSED_NUMBER, SECRET, SENDER_KEY, TEMPLATE, TEMPLATE_CODE, settings,
};
use serde_json::{Value, json};

use crate::harness::{Backing, Client, Server, Start, document, documents, eventually, private_file};
use crate::inbox::person;
use crate::products::of_product;

const KINDS: [&str; 5] = ["nhn", "solapi", "sens", "aligo", "bizppurio"];

/// A server that delivers through these providers, which all are at the fakes.
pub(crate) fn start(fakes: &Fakes, kinds: &[&str], more: &str) -> Start {
    with_providers(Start::sandbox(), fakes, kinds, more)
}

fn with_providers(start: Start, fakes: &Fakes, kinds: &[&str], more: &str) -> Start {
    let secret = start.directory().join("provider.secret");
    private_file(&secret, SECRET);
    let providers: String = kinds.iter().map(|kind| section(kind, &fakes.url(), &secret, more)).collect();
    let file = start.directory().join("messengers.toml");
    std::fs::write(&file, providers).unwrap();
    start.argument("--config").argument(file.to_str().unwrap())
}

pub(crate) fn section(kind: &str, url: &str, secret: &std::path::Path, more: &str) -> String {
    let own = settings(kind);
    let secret = secret.display();
    format!(
        "[[messenger.providers]]\nname = \"{kind}\"\nkind = \"{kind}\"\nurl = \"{url}\"\nsecret_file = \"{secret}\"\n\
         sender_key = \"{SENDER_KEY}\"\n{own}\n{more}\n"
    )
}

pub(crate) fn template(kinds: &[&str], body: &str, falls_back: bool) -> Value {
    let providers: HashMap<&str, Value> =
        kinds.iter().map(|kind| (*kind, json!({ "template_code": TEMPLATE_CODE }))).collect();
    let mut template = json!({
        "body": body,
        "buttons": [{ "name": "문서확인", "url": "#{링크}" }],
        "providers": providers,
    });
    if falls_back {
        template["fallback"] = json!({ "from": "0200000000", "body": "[#{기관명}] #{제목} #{링크}" });
    }
    template
}

async fn up(fakes: &Fakes, kinds: &[&str], more: &str) -> (Server, Client) {
    let server = start(fakes, kinds, more).up();
    for kind in ["document_arrived", "login_link", "pin_changed"] {
        let template = template(kinds, TEMPLATE, true);
        assert_eq!(server.admin("PUT", &format!("templates/{kind}"), Some(template)).await.0, 204);
    }
    let city = server.institution("가상시청").await;
    (server, city)
}

/// How often each document's number got a message.
pub(crate) fn times(fakes: &Fakes) -> HashMap<String, usize> {
    let mut times = HashMap::new();
    for message in fakes.messages() {
        *times.entry(message.link).or_default() += 1;
    }
    times
}

/// A member is told, a person without the messenger gets the fallback, and a refused number is given up.
#[tokio::test]
async fn every_provider_delivers_and_reports() {
    for kind in KINDS {
        let fakes = Fakes::start().await.unwrap();
        let (server, city) = up(&fakes, &[kind], "").await;
        person(&city, FALLBACK_NUMBER, true).await;
        person(&city, REFUSED_NUMBER, false).await;
        let sent = [
            document("01000000001", "A"),
            document("01000000003", "B"),
            document(FALLBACK_NUMBER, "C"),
            document(REFUSED_NUMBER, "D"),
        ];
        let ids = city.accepted(&sent).await;
        for id in &ids[..3] {
            city.until_notified(id).await;
        }
        let shown = async |id: &str| server.admin("GET", &format!("documents/{id}"), None).await.1;
        assert_eq!(shown(&ids[0]).await["notification"], "delivered", "{kind}");
        assert_eq!(shown(&ids[2]).await["notification"], "fallback", "{kind}");
        let messages = fakes.messages();
        let of = |number: &str| messages.iter().filter(|message| message.to == number).collect::<Vec<_>>();
        let [first] = of("01000000001")[..] else { panic!("{kind}: {messages:?}") };
        assert!(first.text.contains("[가상시청]") && first.text.contains("제목: "), "{kind}: {}", first.text);
        assert!(first.link.contains("/n/") || first.link.starts_with("http"), "{kind}: {}", first.link);
        let fallback = of(FALLBACK_NUMBER)[0].fallback.clone().unwrap_or_default();
        assert!(fallback.contains("http"), "{kind}: {fallback}");
        if kind == "aligo" {
            // It accepts every number, and says in its results what came of it.
            continue;
        }
        let refused = eventually("it is given up", async || {
            let shown = shown(&ids[3]).await;
            (shown["notification"] == "given_up").then_some(shown)
        })
        .await;
        let said = refused["notice"]["provider_said"].as_str().or(refused["provider_said"].as_str());
        assert!(said.is_none_or(|said| !said.contains(REFUSED_NUMBER)), "{kind}: {refused}");
        let (_, list) = server.admin("GET", "notifications/given-up", None).await;
        assert!(list["notifications"][0]["provider_said"].is_string(), "{kind}: {list}");
    }
}

/// Answers are lost after the messages were taken. Where the provider can be asked, everything arrives once; elsewhere
/// each such message is listed, and sent again or not as the operator chose.
#[tokio::test]
async fn lost_answers_duplicate_nothing() {
    for (kind, policy) in
        [("nhn", ""), ("solapi", ""), ("bizppurio", ""), ("sens", "at_most_once"), ("aligo", "at_least_once")]
    {
        let fakes = Fakes::start().await.unwrap();
        fakes.faults().break_one_in(3);
        let (server, city) = {
            let mut start = start(&fakes, &[kind], "");
            if !policy.is_empty() {
                start = start.env("SEOHAM_MESSENGER__UNKNOWN_DOCUMENT_ARRIVED", policy);
            }
            let server = start.up();
            let body = template(&[kind], TEMPLATE, false);
            assert_eq!(server.admin("PUT", "templates/document_arrived", Some(body)).await.0, 204);
            let city = server.institution("가상시청").await;
            (server, city)
        };
        let mut ids = Vec::new();
        for _ in 0..12 {
            ids.extend(city.accepted(&documents(8)).await);
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        let listed = async || {
            let (_, list) = server.admin("GET", "messenger/uncertain", None).await;
            list["messages"].as_array().unwrap().len()
        };
        // Everything was sent before the clock moves: what is sent later is looked up later.
        eventually(&format!("{kind}: everything was sent"), async || {
            (times(&fakes).len() == ids.len()).then_some(())
        })
        .await;
        // The look-up at Solapi waits for its list to be complete, which takes a minute.
        city.sandbox("clock", json!({ "advance_seconds": 70 })).await;
        eventually(&format!("{kind}: every document is told, or listed"), async || {
            let statuses = city.statuses(&ids).await;
            let told =
                statuses.iter().filter(|status| status["status_data"]["user_notified_at"].is_i64()).count();
            let given_up = if policy == "at_most_once" { listed().await } else { 0 };
            (told + given_up == ids.len()).then_some(())
        })
        .await;
        assert!(fakes.faults().broken() > 0, "{kind}: answers were lost");
        let twice = times(&fakes).values().filter(|times| **times > 1).count();
        match policy {
            "" => assert_eq!((twice, times(&fakes).len(), listed().await), (0, ids.len(), 0), "{kind}"),
            "at_most_once" => {
                assert_eq!((twice, times(&fakes).len()), (0, ids.len()), "{kind}: none twice");
                assert!(listed().await > 0, "{kind}: each is listed");
            }
            _ => assert!(
                listed().await >= twice && twice > 0,
                "{kind}: {twice} twice, {} listed",
                listed().await
            ),
        }
    }
}

/// A wrong secret holds everything and gives nothing up; once it is right, everything arrives.
#[tokio::test]
async fn a_misconfigured_provider_holds_and_gives_nothing_up() {
    let fakes = Fakes::start().await.unwrap();
    fakes.faults().set_unauthorized(true);
    let (server, city) = up(&fakes, &["nhn"], "").await;
    let ids = city.accepted(&documents(5)).await;
    let shown = eventually("it is held", async || {
        let (_, shown) = server.admin("GET", "messenger", None).await;
        (shown["providers"][0]["held"] == true).then_some(shown)
    })
    .await;
    let provider = &shown["providers"][0];
    assert_eq!((&provider["name"], &provider["kind"]), (&json!("nhn"), &json!("nhn")));
    assert!(provider["last_error"].as_str().unwrap().contains("-1001"), "{shown}");
    assert!(server.metrics().await.contains("seoham_messenger_held{provider=\"nhn\"} 1"));
    let (_, given_up) = server.admin("GET", "notifications/given-up", None).await;
    assert_eq!(given_up["notifications"], json!([]));
    fakes.faults().set_unauthorized(false);
    city.sandbox("clock", json!({ "advance_seconds": 40 })).await;
    for id in &ids {
        city.until_notified(id).await;
    }
    assert_eq!(fakes.count(), ids.len());
}

/// Two providers share the messages; when one stops answering, the other gets them, and nothing is lost or duplicated.
#[tokio::test]
async fn a_silent_provider_leaves_its_messages_to_the_other() {
    let (sound, silent) = (Fakes::start().await.unwrap(), Fakes::start().await.unwrap());
    let start = Start::sandbox();
    let secret = start.directory().join("provider.secret");
    private_file(&secret, SECRET);
    let more = "timeout_seconds = 2\nrate_per_second = 200.0";
    let toml = section("nhn", &sound.url(), &secret, more) + &section("solapi", &silent.url(), &secret, more);
    let file = start.directory().join("messengers.toml");
    std::fs::write(&file, toml).unwrap();
    let server = start.argument("--config").argument(file.to_str().unwrap()).up();
    let both = template(&["nhn", "solapi"], TEMPLATE, false);
    assert_eq!(server.admin("PUT", "templates/document_arrived", Some(both)).await.0, 204);
    let city = server.institution("가상시청").await;
    silent.faults().set_silent(true);
    let mut ids = Vec::new();
    for _ in 0..30 {
        ids.extend(city.accepted(&documents(10)).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    eventually("the sound one has most of them", async || (sound.count() * 2 >= ids.len()).then_some(()))
        .await;
    silent.faults().set_silent(false);
    city.sandbox("clock", json!({ "advance_seconds": 70 })).await;
    eventually("every document is told", async || {
        let statuses = city.statuses(&ids).await;
        statuses.iter().all(|status| status["status_data"]["user_notified_at"].is_i64()).then_some(())
    })
    .await;
    let mut all = times(&sound);
    for (link, count) in times(&silent) {
        *all.entry(link).or_default() += count;
    }
    assert!(all.values().all(|count| *count == 1), "none twice");
    assert_eq!(all.len(), ids.len());
}

/// The template check finds one space, a wrong code, and what cannot be asked.
#[tokio::test]
async fn a_template_one_space_away_is_found() {
    let fakes = Fakes::start().await.unwrap();
    let server = start(&fakes, &KINDS, "").up();
    let check = async |body: Value| {
        assert_eq!(server.admin("PUT", "templates/document_arrived", Some(body)).await.0, 204);
        server.admin("POST", "templates/check", Some(json!({}))).await.1
    };
    let good = check(template(&KINDS, TEMPLATE, true)).await;
    assert_eq!(good["good"], true, "{good}");
    let findings = good["templates"][0]["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["provider"] == "bizppurio"), "it cannot be asked: {good}");
    let off = check(template(&KINDS, &TEMPLATE.replace("제목: ", "제목:  "), true)).await;
    let faults: Vec<_> = off["templates"][0]["findings"].as_array().unwrap().iter().collect();
    let of = |kind: &str| faults.iter().any(|one| one["provider"] == kind && one["fault"] == true);
    assert!(off["good"] == false && ["nhn", "solapi", "sens", "aligo"].into_iter().all(of), "{off}");
    let mut wrong = template(&KINDS, TEMPLATE, true);
    wrong["providers"]["nhn"]["template_code"] = json!("OTHER");
    let wrong = check(wrong).await;
    assert!(wrong.to_string().contains("-3003"), "in the provider's words: {wrong}");
}

/// An operator tries the providers, and sees what they say.
#[tokio::test]
async fn an_operator_tries_the_providers() {
    let fakes = Fakes::start().await.unwrap();
    let (server, _) = up(&fakes, &["nhn", "sens"], "").await;
    let test = async |body: Value| server.admin("POST", "messenger/test", Some(body)).await;
    let (status, both) = test(json!({ "phone_number": "01000000001" })).await;
    assert_eq!(status, 200);
    let results = both["results"].as_array().unwrap();
    assert!(results.len() == 2 && results.iter().all(|one| one["outcome"] == "taken"), "{both}");
    assert_eq!(fakes.count(), 2);
    let (_, refused) = test(json!({ "phone_number": REFUSED_NUMBER, "provider": "nhn" })).await;
    assert_eq!(refused["results"][0]["outcome"], "refused");
    assert!(!refused.to_string().contains(REFUSED_NUMBER));
    assert_eq!(test(json!({ "phone_number": "01000000001", "provider": "none" })).await.0, 400);
}

/// Reports that NHN pushes, twice and out of order, are taken by their signature alone.
#[tokio::test]
async fn pushed_reports_are_taken_once() {
    let fakes = Fakes::start().await.unwrap();
    let start = Start::sandbox();
    let secret = start.directory().join("provider.secret");
    private_file(&secret, SECRET);
    let more = format!("push_secret_file = \"{}\"", secret.display());
    let file = start.directory().join("messengers.toml");
    std::fs::write(&file, section("nhn", &fakes.url(), &secret, &more)).unwrap();
    let server = start.argument("--config").argument(file.to_str().unwrap()).up();
    let body = template(&["nhn"], TEMPLATE, false);
    assert_eq!(server.admin("PUT", "templates/document_arrived", Some(body)).await.0, 204);
    let city = server.institution("가상시청").await;
    let url = format!("{}/provider/v1/nhn/reports", city.api);
    fakes.push_to(&url);
    let ids = city.accepted(&documents(20)).await;
    for id in &ids {
        city.until_notified(id).await;
    }
    let forged = crate::harness::http().post(&url).header("x-toast-webhook-signature", "wrong").body("{}");
    assert_eq!(forged.send().await.unwrap().status(), 401);
    let unknown = crate::harness::http().post(format!("{}/provider/v1/x/reports", city.api)).body("{}");
    assert_eq!(unknown.send().await.unwrap().status(), 404);
}

/// kill -9 at any moment around a call, again and again: everybody is told exactly once.
#[tokio::test]
async fn fifty_kills_tell_everybody_once() {
    const KILLS: usize = 50;
    let fakes = Fakes::start().await.unwrap();
    fakes.faults().set_latency(Duration::from_millis(40));
    let start = start(&fakes, &["nhn"], "timeout_seconds = 2").env("SEOHAM_DELIVERY__LEASE_SECONDS", "4");
    let mut server = start.up();
    let body = template(&["nhn"], TEMPLATE, false);
    assert_eq!(server.admin("PUT", "templates/document_arrived", Some(body)).await.0, 204);
    let mut city = server.institution("가상시청").await;
    let mut ids = Vec::new();
    for kill in 0..KILLS {
        ids.extend(city.accepted(&documents(20)).await);
        // A different moment each time: before the call, within it, and while its outcome is recorded.
        tokio::time::sleep(Duration::from_millis((kill as u64 * 7) % 130)).await;
        drop(server);
        server = start.up();
        city = city.at(&server);
    }
    eventually("everybody is told", async || {
        let statuses = city.statuses(&ids).await;
        statuses.iter().all(|status| status["status_data"]["user_notified_at"].is_i64()).then_some(())
    })
    .await;
    let times = times(&fakes);
    assert!(times.values().all(|times| *times == 1), "nobody twice");
    assert_eq!(times.len(), ids.len());
}

/// The same with three workers at three providers, which break connections too: whoever is killed, another finds out what
/// became of its messages.
#[tokio::test]
async fn fifty_kills_of_several_workers_tell_everybody_once() {
    const KILLS: usize = 50;
    const KINDS: [&str; 3] = ["nhn", "solapi", "bizppurio"];
    let fakes = Fakes::start().await.unwrap();
    fakes.faults().set_latency(Duration::from_millis(40));
    fakes.faults().break_one_in(11);
    let deployment = Start::on(Backing::postgres());
    let start = with_providers(deployment, &fakes, &KINDS, "timeout_seconds = 2")
        .env("SEOHAM_DELIVERY__LEASE_SECONDS", "4");
    let node = |role: &str, name: &str| start.node(name).argument(&format!("--role={role}")).up();
    let gateway = node("gateway", "gateway");
    let body = template(&KINDS, TEMPLATE, false);
    assert_eq!(gateway.admin("PUT", "templates/document_arrived", Some(body)).await.0, 204);
    let city = gateway.institution("가상시청").await;
    let names = ["first", "second", "third"];
    let mut workers: Vec<Server> = names.iter().map(|name| node("delivery", name)).collect();
    let mut ids = Vec::new();
    for kill in 0..KILLS {
        ids.extend(city.accepted(&documents(20)).await);
        tokio::time::sleep(Duration::from_millis((kill as u64 * 7) % 130)).await;
        let place = kill % workers.len();
        drop(workers.remove(place));
        workers.insert(place, node("delivery", names[place]));
    }
    // The providers' lists and results are complete after some minutes, at Bizppurio after ten.
    for part in 1..=3 {
        let most = ids.len() * part / 3;
        eventually(&format!("{most} were sent"), async || {
            city.advance(60).await;
            (times(&fakes).len() >= most).then_some(())
        })
        .await;
    }
    eventually("everybody is told", async || {
        city.advance(60).await;
        let statuses = city.statuses(&ids).await;
        statuses.iter().all(|status| status["status_data"]["user_notified_at"].is_i64()).then_some(())
    })
    .await;
    assert!(fakes.faults().broken() > 0, "connections were broken");
    let times = times(&fakes);
    assert!(times.values().all(|times| *times == 1), "nobody twice");
    assert_eq!(times.len(), ids.len());
}

/// Every product that notifies, every category, members and non-members, through the adapters: from the send to the
/// read.
#[tokio::test]
async fn every_product_that_notifies_is_delivered_and_read() {
    let fakes = Fakes::start().await.unwrap();
    let (server, _) = up(&fakes, &KINDS, "").await;
    let mut sent = Vec::new();
    let (mut number, mut product) = (0, 0);
    for authentication in ["pin", "certificate", "none"] {
        for certified in [false, true] {
            for notice in ["platform", "institution"] {
                let terms =
                    json!({ "authentication": authentication, "certified": certified, "notice": notice });
                let city = server.institution_with("가상시청", terms).await;
                // An institution's own channel is at one provider; the platform's at all of them.
                let own = template(&[KINDS[product % KINDS.len()]], TEMPLATE, false);
                let path = format!("institutions/{}/templates/document_arrived", city.id);
                assert_eq!(server.admin("PUT", &path, Some(own)).await.0, 204);
                product += 1;
                for category in ["Default", "BILL", "BILL_PAY", "NOTICE", "CONTRACT", "REPORT"] {
                    for member in [true, false] {
                        number += 1;
                        let phone = format!("0107979{number:04}");
                        person(&city, &phone, member).await;
                        let id = city.accepted(&[of_product(&phone, "A", category)]).await.remove(0);
                        sent.push((city.clone(), phone, id, member, authentication));
                    }
                }
            }
        }
    }
    for (city, phone, id, member, authentication) in &sent {
        city.until_notified(id).await;
        if !member {
            assert_eq!(city.status(id).await["doc_box_status"], "SENT", "{phone}");
            assert_eq!(city.sandbox("people/join", json!({ "phone_number": phone })).await.status, 204);
        }
        city.until(id, "RECEIVED").await;
        let token = city.open_token(id).await;
        assert_eq!(city.verify(id, &token).await.status, 200, "{phone}");
        assert_eq!(city.mark_read(id).await.status, 204, "{phone}");
        let status = city.status(id).await;
        assert_eq!(status["doc_box_status"], "READ", "{phone}");
        assert_eq!(status["authenticated_at"].is_i64(), *authentication != "none", "{phone}: {status}");
    }
    assert_eq!(fakes.count(), sent.len(), "everybody once");
    assert!(times(&fakes).values().all(|times| *times == 1));
}
