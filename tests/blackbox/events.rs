//! The event feed, and withdrawals (SPEC 15 and 16).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{
    Answer, Backing, Browser, Client, Server, Start, document, documents, eventually, member_document,
};
use crate::inbox::{newest_link, person};
use crate::workstation::Workstation;

/// What a reader has of a feed, and where it goes on.
pub(crate) struct Reader {
    pub(crate) events: Vec<Value>,
    through: u64,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { events: Vec::new(), through: 0 }
    }

    /// Reads on as far as it can; numbers follow one another.
    pub(crate) async fn read(&mut self, client: &Client) {
        loop {
            let path = format!("/v1/events?after={}&limit=1000", self.through);
            let answer = Answer::of(client.get(&path)).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            for event in answer.body["events"].as_array().unwrap() {
                assert_eq!(event["seq"], self.through + 1, "{event}");
                self.through += 1;
                self.events.push(event.clone());
            }
            assert_eq!(answer.body["through"], self.through);
            if answer.body["more"] == false {
                return;
            }
        }
    }

    /// Reads until there are `count` events.
    pub(crate) async fn until(client: &Client, count: usize) -> Vec<Value> {
        let mut reader = Self::new();
        let what = format!("there are {count} events");
        eventually(&what, async || {
            reader.read(client).await;
            (reader.events.len() >= count).then_some(())
        })
        .await;
        assert_eq!(reader.events.len(), count, "{:#?}", reader.events);
        reader.events
    }

    /// The types of the events of each document, in order.
    pub(crate) fn steps(&self) -> BTreeMap<String, Vec<String>> {
        let mut steps: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for event in &self.events {
            let id = event["document_binder_uuid"].as_str().unwrap().to_owned();
            steps.entry(id).or_default().push(event["type"].as_str().unwrap().to_owned());
        }
        steps
    }
}

fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

async fn withdraw(client: &Client, id: &str) -> Answer {
    Answer::of(client.post(&format!("/v1/documents/{id}/withdraw"), &Value::Null)).await
}

#[tokio::test]
async fn a_documents_life_is_told_step_by_step() {
    let start = Start::sandbox();
    let server = start.up();
    let city = server.institution("가상시청").await;
    let id = city.accepted(&[member_document("TAX-1")]).await.remove(0);
    city.until_notified(&id).await;
    let token = city.open_token(&id).await;
    assert_eq!(city.verify(&id, &token).await.status, 200);
    assert_eq!(city.mark_read(&id).await.status, 204);
    assert_eq!(city.mark_read(&id).await.status, 204);
    let events = Reader::until(&city, 6).await;
    let expected = ["accepted", "received", "notified", "authenticated", "token_used", "read"];
    assert_eq!(types(&events), expected.map(|step| format!("document.{step}")));
    let status = city.status(&id).await;
    for (event, time) in events.iter().zip([
        "doc_box_sent_at",
        "doc_box_received_at",
        "user_notified_at",
        "authenticated_at",
        "token_used_at",
        "doc_box_read_at",
    ]) {
        assert_eq!(event["document_binder_uuid"], id);
        assert_eq!(event["external_document_uuid"], "TAX-1");
        assert_eq!((&event["at"], &event["data"][time]), (&status[time], &status[time]), "{event}");
    }
    assert_eq!(events[0]["data"]["doc_box_status"], "SENT", "as it was after that step");
    assert_eq!(events[0]["data"].get("doc_box_received_at"), None);
    assert_eq!(events[2]["data"]["notified_by"], "messenger");
    assert_eq!(events[5]["data"]["doc_box_status"], "READ");

    let timeline = Answer::of(city.get(&format!("/v1/documents/{id}/timeline"))).await;
    assert_eq!(timeline.body["events"], Value::from(events.clone()));
    let (_, shown) = server.admin("GET", &format!("documents/{id}"), None).await;
    assert_eq!(types(shown["timeline"].as_array().unwrap()), expected.map(|step| format!("document.{step}")));

    // The deadline of another one passes while nothing runs.
    let mut short = member_document("TAX-2");
    short["read_expired_sec"] = json!(86_400);
    let expiring = city.accepted(&[short]).await.remove(0);
    city.until_notified(&expiring).await;
    city.advance(86_500).await;
    let events = Reader::until(&city, 10).await;
    let last = events.last().unwrap();
    assert_eq!(
        (&last["type"], &last["document_binder_uuid"]),
        (&json!("document.expired"), &json!(expiring))
    );
    assert_eq!(last["data"]["doc_box_status"], "EXPIRED");
    server.terminate();
    assert!(server.wait().0.success());
    let again = start.up();
    let there = city.at(&again);
    assert_eq!(Reader::until(&there, 10).await, events, "it reads the same after a restart");

    // A feed is its institution's alone.
    let bank = again.institution("나라은행").await;
    assert_eq!(Reader::until(&bank, 0).await, Vec::<Value>::new());
    let foreign = Answer::of(bank.get(&format!("/v1/documents/{id}/timeline"))).await;
    foreign.is_error(404, "NOT_FOUND");
    let refused = http_get(&there, "/v1/events", "0123456789abcdef0123456789abcdef").await;
    refused.is_error(401, "UNAUTHORIZED");
}

async fn http_get(client: &Client, path: &str, token: &str) -> Answer {
    Answer::of(crate::harness::http().get(format!("{}{path}", client.api)).bearer_auth(token)).await
}

#[tokio::test]
async fn a_reader_asks_for_what_it_needs() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let ids = city.accepted(&documents(60)).await;
    for id in &ids {
        city.until_notified(id).await;
    }
    Reader::until(&city, 180).await;
    let get = async |query: &str| Answer::of(city.get(&format!("/v1/events{query}"))).await;
    let page = get("?after=10&limit=7").await.body;
    let numbers: Vec<u64> =
        page["events"].as_array().unwrap().iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (11..18).collect::<Vec<_>>());
    assert_eq!((&page["through"], &page["more"], &page["epoch"]), (&json!(17), &json!(true), &json!(1)));
    assert_eq!(get("").await.body["events"].as_array().unwrap().len(), 100, "by default");
    let none = get("?types=document.read,document.expired").await.body;
    assert_eq!((&none["events"], &none["through"], &none["more"]), (&json!([]), &json!(180), &json!(false)));
    let ahead = get("?after=100000").await.body;
    assert_eq!((&ahead["events"], &ahead["through"]), (&json!([]), &json!(100_000)));
    for (query, name) in [
        ("?after=-1", "after"),
        ("?after=x", "after"),
        ("?limit=0", "limit"),
        ("?limit=1001", "limit"),
        ("?wait=31", "wait"),
        ("?types=document.unread", "types"),
    ] {
        let answer = get(query).await;
        answer.is_error(400, "INVALID_VALUE");
        assert!(answer.message().starts_with(&format!("{name}: ")), "{query}: {}", answer.message());
    }
    get("?from=1").await.is_error(400, "INVALID_VALUE");
}

#[tokio::test]
async fn a_reader_waits_for_the_next_event() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let wait = async |after: u64, seconds: u64| {
        let begun = Instant::now();
        let path = format!("/v1/events?after={after}&wait={seconds}");
        (Answer::of(city.get(&path)).await, begun.elapsed())
    };
    let ((answer, waited), ()) = tokio::join!(wait(0, 30), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        city.accepted(&[member_document("TAX-1")]).await;
    });
    assert_eq!(types(answer.body["events"].as_array().unwrap())[0], "document.accepted");
    assert!(waited < Duration::from_secs(20), "it is told as soon as it happens: {waited:?}");
    // One that nobody answers ends by itself, and a server that ends keeps nobody.
    let (answer, waited) = wait(1_000, 1).await;
    assert_eq!((answer.status, &answer.body["events"]), (200, &json!([])));
    assert!(waited >= Duration::from_secs(1));
    let ((answer, waited), ()) = tokio::join!(wait(1_000, 30), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.terminate();
    });
    assert_eq!(answer.status, 200);
    assert!(waited < Duration::from_secs(20), "{waited:?}");
}

#[tokio::test]
async fn what_was_accepted_is_told_although_the_answer_was_lost() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let mut lost: Vec<Value> = (0..20).map(|n| member_document(&format!("LOST-{n}"))).collect();
    lost.push(document("01000000010", "LOST-20"));
    let body = json!({ "documents": lost }).to_string();
    let answer = city.bulk_request("/v1/documents/bulk", body).send().await;
    assert!(answer.is_err() || answer.unwrap().status() != 200, "the answer was lost");
    let mut reader = Reader::new();
    let accepted = eventually("all are in the feed", async || {
        reader.read(&city).await;
        let accepted = reader.events.iter().filter(|event| event["type"] == "document.accepted");
        let ids: BTreeSet<String> =
            accepted.map(|event| event["external_document_uuid"].as_str().unwrap().to_owned()).collect();
        (ids.len() == 21).then_some(ids)
    });
    assert_eq!(accepted.await, (0..21).map(|n| format!("LOST-{n}")).collect());
}

#[tokio::test]
async fn a_withdrawn_document_is_closed_to_everybody() {
    let server = Start::sandbox().up();
    let (city, bank) = (server.institution("가상시청").await, server.institution("나라은행").await);
    let number = "01077778001";
    person(&city, number, true).await;
    let ids = city.accepted(&[document(number, "A"), document(number, "B")]).await;
    let (withdrawn, opened) = (&ids[0], &ids[1]);
    let link = newest_link(&server, number, &[]).await;
    let mut browser = Browser::at(&server.url("web"));
    browser.get(&link).await;
    city.open_token(opened).await;
    withdraw(&bank, withdrawn).await.is_error(404, "NOT_FOUND");
    withdraw(&city, "BIN-00000000000000000000000000000000").await.is_error(404, "NOT_FOUND");
    withdraw(&city, opened).await.is_error(403, "FORBIDDEN");
    for _ in 0..2 {
        assert_eq!(withdraw(&city, withdrawn).await.status, 204);
    }
    assert_eq!(city.status(withdrawn).await["doc_box_status"], "EXPIRED");
    city.open(withdrawn).await.is_error(403, "FORBIDDEN");
    let page = browser.get(&format!("/documents/{withdrawn}")).await;
    page.shows(200, "이 문서를 회수하여 열 수 없습니다");
    assert!(!page.html.contains("/open\""), "nothing is left to open: {}", page.html);
    browser.get(&format!("/documents/{withdrawn}/open")).await.shows(410, "보낸 기관이 회수한 문서입니다");
    browser.get("/documents?shelf=expired").await.shows(200, "발송 기관이 회수함");
    let list = browser.get("/documents").await;
    assert!(!list.html.contains(withdrawn.as_str()), "it is no longer among the unread");
    let mut reader = Reader::new();
    let steps = eventually("the withdrawal is told", async || {
        reader.read(&city).await;
        let steps = reader.steps();
        steps[withdrawn].contains(&"document.withdrawn".to_owned()).then_some(steps)
    });
    let steps = steps.await;
    assert_eq!(steps[withdrawn].iter().filter(|step| *step == "document.withdrawn").count(), 1);
    assert!(!steps[opened].contains(&"document.withdrawn".to_owned()));
}

#[tokio::test]
async fn of_a_withdrawal_and_an_opening_one_succeeds_and_the_feed_says_which() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let mut won = BTreeMap::new();
    for _ in 0..3 {
        for id in city.accepted(&documents(100)).await {
            let (opened, withdrawn) = tokio::join!(city.open(&id), withdraw(&city, &id));
            let step = match (opened.status, withdrawn.status) {
                (200, 403) => "document.authenticated",
                (403, 204) => "document.withdrawn",
                both => panic!("{id}: {both:?}"),
            };
            won.insert(id, step);
        }
    }
    let mut reader = Reader::new();
    eventually("every race is told", async || {
        reader.read(&city).await;
        let told = reader.events.iter().filter(|event| won.values().any(|step| event["type"] == *step));
        (told.count() >= won.len()).then_some(())
    })
    .await;
    for (id, steps) in reader.steps() {
        let of_race = |step: &&String| *step == "document.authenticated" || *step == "document.withdrawn";
        assert_eq!(steps.iter().filter(of_race).collect::<Vec<_>>(), [won[&id]], "{id}");
    }
}

/// Gateways are killed while they send, and the one that numbers too: every acknowledged document is told once, and a
/// reader that polls meanwhile sees dense numbers.
#[tokio::test]
async fn nodes_that_are_killed_leave_no_gap() {
    let deployment = Start::on(Backing::postgres());
    let node = |role: &str, n: usize| -> Server {
        deployment.node(&format!("{role}-{n}")).argument(&format!("--role={role}")).up()
    };
    let stays = node("gateway", 0);
    let city = stays.institution("가상시청").await;
    let _worker = node("delivery", 0);
    let mut reader = Reader::new();
    let mut acknowledged: Vec<String> = Vec::new();
    for n in 1..=4 {
        let victim = node("gateway", n);
        let there = city.at(&victim);
        let requests = std::sync::atomic::AtomicUsize::new(0);
        let reading = async {
            // As soon as a few requests are answered, in the middle of others.
            while requests.load(std::sync::atomic::Ordering::Relaxed) < 3 {
                reader.read(&city).await;
            }
            victim.kill();
        };
        let (sent, ()) = tokio::join!(there.send_until_gone(&requests), reading);
        acknowledged.extend(sent);
        acknowledged.extend(city.accepted(&documents(10)).await);
    }
    for id in &acknowledged {
        city.until_notified(id).await;
    }
    eventually("everything is told", async || {
        reader.read(&city).await;
        let steps = reader.steps();
        let is_told =
            |id: &String| steps.get(id).is_some_and(|steps| steps.contains(&"document.notified".to_owned()));
        acknowledged.iter().all(is_told).then_some(())
    })
    .await;
    for (id, steps) in reader.steps() {
        let once: BTreeSet<&String> = steps.iter().collect();
        assert_eq!(once.len(), steps.len(), "{id}: {steps:?}");
        assert_eq!(&steps[..2], ["document.accepted", "document.received"], "{id}");
    }
}

#[tokio::test]
async fn a_clerk_withdraws_a_list_and_follows_the_feed() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let workstation = Workstation::of(&city, &server.url("api"));
    let ids = city.accepted(&documents(3)).await;
    for id in &ids {
        city.until_notified(id).await;
    }
    city.open_token(&ids[2]).await;
    workstation.write("sent.result.csv", format!("document_binder_uuid\n{}\n", ids.join("\n")));
    let refused = workstation.run(workstation.on_platform(&["withdraw", "sent.result.csv"])).await.ended(64);
    assert!(refused.err.contains("--yes"), "{}", refused.err);
    let said =
        workstation.run(workstation.on_platform(&["withdraw", "sent.result.csv", "--yes"])).await.ended(1);
    assert!(said.out.contains(&ids[2]) && !said.out.contains(&ids[0]), "{}", said.out);
    assert!(said.err.contains("2 withdrawn, 1 opened before, 0 unknown, 0 left"), "{}", said.err);
    Reader::until(&city, 12).await;
    let first = workstation
        .run(workstation.on_platform(&["events", "--json", "--position", "position"]))
        .await
        .ended(0);
    let told: Vec<Value> = first.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(types(&told).iter().filter(|step| **step == "document.withdrawn").count(), 2);
    let second =
        workstation.run(workstation.on_platform(&["events", "--position", "position"])).await.ended(0);
    assert_eq!(second.out, "", "it goes on where it stopped");
    city.accepted(&[member_document("TAX-NEXT")]).await;
    eventually("the next is told", async || {
        let said =
            workstation.run(workstation.on_platform(&["events", "--position", "position"])).await.ended(0);
        said.out.contains("accepted").then(|| assert!(said.out.contains("TAX-NEXT"), "{}", said.out))
    })
    .await;
    workstation.run(workstation.on_platform(&["events", "--types", "document.unread"])).await.ended(64);
}

/// Events from before what is kept: the answer says where to begin, and a reader that never read begins there.
#[tokio::test]
async fn old_events_are_gone_and_a_reader_is_told() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let workstation = Workstation::of(&city, &server.url("api"));
    let events = |arguments: &[&str]| {
        let mut all = vec!["events"];
        all.extend(arguments);
        workstation.run(workstation.on_platform(&all))
    };
    city.accepted(&[member_document("OLD")]).await;
    Reader::until(&city, 3).await;
    events(&["--position", "position"]).await.ended(0);
    city.accepted(&[member_document("OLD-2")]).await;
    Reader::until(&city, 6).await;
    city.advance(91 * 24 * 60 * 60).await;
    let young = city.accepted(&[member_document("YOUNG")]).await.remove(0);
    let gone = eventually("they are forgotten", async || {
        let answer = Answer::of(city.get("/v1/events?after=3")).await;
        (answer.status == 410).then_some(answer)
    })
    .await;
    assert_eq!((gone.status, gone.code()), (410, "GONE"));
    let oldest = gone.body["oldest"].as_u64().unwrap();
    assert!(oldest > 6 && gone.body["epoch"] == 1, "{}", gone.body);
    let first = Answer::of(city.get(&format!("/v1/events?after={}", oldest - 1))).await;
    assert_eq!(first.body["events"][0]["seq"], oldest);
    let stopped = events(&["--position", "position"]).await.ended(2);
    assert!(stopped.err.contains(&format!("--after {}", oldest - 1)), "{}", stopped.err);
    let begun = events(&["--position", "another", "--json"]).await.ended(0);
    assert!(begun.err.contains(&format!("before number {oldest}")), "{}", begun.err);
    let accepted: Vec<&str> = begun.out.lines().filter(|line| line.contains("document.accepted")).collect();
    assert!(accepted.len() == 1 && accepted[0].contains(&young), "{}", begun.out);
}

/// What nobody took comes again.
#[tokio::test]
async fn a_position_is_not_kept_for_what_was_not_written() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let workstation = Workstation::of(&city, &server.url("api"));
    city.accepted(&documents(100)).await;
    Reader::until(&city, 300).await;
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = workstation.on_platform(&["events", "--json", "--position", "position"]);
    command.stdout(full);
    let said = workstation.run(command).await;
    assert_eq!(said.code, 2, "{}", said.err);
    assert!(!workstation.path("position").exists());
    let again = workstation.on_platform(&["events", "--json", "--position", "position"]);
    assert_eq!(workstation.run(again).await.ended(0).out.lines().count(), 300);
}
