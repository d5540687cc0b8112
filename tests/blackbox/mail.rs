//! E-mail for people who have an address (SPEC 13): the built binary against a mail server.

use seoham_messenger_fakes::{ACCOUNT, Fakes, MailServer, REFUSED_ADDRESS, SECRET, TEMPLATE};
use serde_json::{Value, json};

use crate::harness::{Browser, Client, Server, Start, document, eventually, private_file};
use crate::messengers::{section, template, times};

/// A provider that sends by this mail server, named and weighed.
fn mail_section(mail: &MailServer, start: &Start, more: &str) -> String {
    let secret = start.directory().join("mail.secret");
    private_file(&secret, SECRET);
    format!(
        "[[messenger.providers]]\nname = \"mail\"\nkind = \"smtp\"\nurl = \"{}\"\nuser_id = \"{ACCOUNT}\"\n\
         secret_file = \"{}\"\nfrom = \"서함 <no-reply@box.example.kr>\"\n{more}\n",
        mail.url(),
        secret.display()
    )
}

async fn up(start: Start, providers: &str) -> (Server, Client) {
    let file = start.directory().join("messengers.toml");
    std::fs::write(&file, providers).unwrap();
    let server = start.argument("--config").argument(file.to_str().unwrap()).up();
    let city = server.institution("가상시청").await;
    (server, city)
}

/// Adds or updates a member; `email` is absent if it is not an address or `null`.
async fn member(city: &Client, number: &str, email: Value) {
    let mut person = json!({ "phone_number": number, "name": "김가상", "birthday": "19900101", "member": true, "pin": "135790" });
    if email != json!("") {
        person["email"] = email;
    }
    assert_eq!(city.sandbox("people", person).await.status, 201);
}

async fn notification(server: &Server, id: &str, wanted: &str) -> Value {
    eventually(&format!("{id} is {wanted}"), async || {
        let (_, shown) = server.admin("GET", &format!("documents/{id}"), None).await;
        (shown["notification"] == wanted).then_some(shown)
    })
    .await
}

#[tokio::test]
async fn a_person_with_an_address_is_told_by_mail() {
    let mail = MailServer::start().await.unwrap();
    let start = Start::sandbox().env("SEOHAM_LOG__LEVEL", "trace");
    let log = start.directory().join("data.log");
    let section = mail_section(&mail, &start, "");
    let (server, city) = up(start, &section).await;
    member(&city, "01077770001", json!("hana@example.kr")).await;
    member(&city, "01077770002", json!(REFUSED_ADDRESS)).await;
    let without = city.accepted(&[document("01000000001", "C")]).await.remove(0);
    let shown = notification(&server, &without, "given_up").await;
    assert_eq!(shown["undelivered"]["last_error"], "no_number", "{shown}");
    let sent = [document("01077770001", "A"), document("01077770002", "B")];
    let ids = city.accepted(&sent).await;
    let arrived = eventually("the mail arrived", async || mail.mails().pop()).await;
    assert_eq!(arrived.to, "hana@example.kr");
    assert!(arrived.subject.starts_with("[가상시청]"), "{arrived:?}");
    assert_eq!(arrived.id, format!("<NTF-{}@box.example.kr>", &ids[0]["BIN-".len()..]));
    // Its link signs the person in and leads to the document.
    let link = arrived.text.split_whitespace().find(|word| word.starts_with("http")).expect("a link");
    let path = link.strip_prefix(&server.url("web")).unwrap_or(link).to_owned();
    let page = Browser::at(&server.url("web")).get(&path).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.html.contains("가상시청"), "{page:?}");
    // The mail server took it, and tells nothing after that.
    assert!(city.status(&ids[0]).await["user_notified_at"].is_null());
    // The other address does not exist, and is repeated nowhere.
    let refused = notification(&server, &ids[1], "given_up").await;
    let (_, list) = server.admin("GET", "notifications/given-up", None).await;
    let said = list["notifications"][0]["provider_said"].as_str().unwrap_or_default().to_owned();
    assert!(said.contains("550") && said.contains("no such user"), "{list}");
    assert!(!format!("{list}{refused}").contains("nobody"), "{list}");
    assert_eq!(mail.mails().len(), 1);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.len() > 1_000, "there is a log to look at");
    for value in ["hana@", REFUSED_ADDRESS, SECRET, link] {
        assert!(!log.contains(value), "in the log: {value}");
    }
}

/// Of two providers, each tells those whom it reaches: everybody once, whatever its weight.
#[tokio::test]
async fn who_has_no_address_is_told_by_number() {
    let (mail, fakes) = (MailServer::start().await.unwrap(), Fakes::start().await.unwrap());
    let start = Start::sandbox();
    let secret = start.directory().join("provider.secret");
    private_file(&secret, SECRET);
    let toml = mail_section(&mail, &start, "weight = 50.0") + &section("nhn", &fakes.url(), &secret, "");
    let (server, city) = up(start, &toml).await;
    let body = template(&["nhn"], TEMPLATE, false);
    assert_eq!(server.admin("PUT", "templates/document_arrived", Some(body)).await.0, 204);
    let mut sent = Vec::new();
    for n in 0..20 {
        let number = format!("0107777{n:04}");
        let email = if n % 2 == 0 { json!(format!("person{n}@example.kr")) } else { json!("") };
        member(&city, &number, email).await;
        sent.push(document(&number, &format!("EXT-{n}")));
    }
    // A batch is claimed for either of them: again, until both were tried.
    let mut ids = Vec::new();
    while mail.mails().is_empty() {
        assert!(ids.len() < 200, "the other is chosen once in fifty times");
        ids.extend(city.accepted(&sent).await);
        let told = || mail.mails().len() + fakes.count();
        eventually("all are told", async || (told() >= ids.len()).then_some(())).await;
    }
    for id in ids.iter().skip(1).step_by(2) {
        city.until_notified(id).await;
    }
    let of_mail = mail.mails();
    assert_eq!(of_mail.len() + times(&fakes).len(), ids.len(), "everybody once");
    assert!(of_mail.iter().all(|mail| mail.to.starts_with("person")));
    assert!(fakes.count() >= ids.len() / 2, "those without an address");
    // A removed address is not used again.
    for n in 0..20 {
        member(&city, &format!("0107777{n:04}"), Value::Null).await;
    }
    let again = city.accepted(&sent).await;
    for id in &again {
        city.until_notified(id).await;
    }
    assert_eq!(mail.mails(), of_mail);
}

/// Replies are lost after the mail was taken: nobody can be asked, so each is listed, and sent again or not as the operator
/// chose.
#[tokio::test]
async fn a_lost_reply_is_listed_and_handled_as_the_operator_chose() {
    for policy in ["at_most_once", "at_least_once"] {
        let mail = MailServer::start().await.unwrap();
        mail.faults().break_one_in(4);
        let start = Start::sandbox().env("SEOHAM_MESSENGER__UNKNOWN_DOCUMENT_ARRIVED", policy);
        let section = mail_section(&mail, &start, "concurrent_calls = 1");
        let (server, city) = up(start, &section).await;
        member(&city, "01077770001", json!("hana@example.kr")).await;
        let sent: Vec<Value> = (0..20).map(|n| document("01077770001", &format!("EXT-{n}"))).collect();
        city.accepted(&sent).await;
        let told = || {
            let mut told = std::collections::HashMap::<String, usize>::new();
            for mail in mail.mails() {
                *told.entry(mail.id).or_default() += 1;
            }
            told
        };
        let listed = async || {
            let (_, list) = server.admin("GET", "messenger/uncertain", None).await;
            list["messages"].as_array().unwrap().len()
        };
        eventually("everybody is told, and each loss is listed", async || {
            let broken = usize::try_from(mail.faults().broken()).unwrap();
            let twice = told().values().filter(|times| **times > 1).count();
            // Whoever is told again may be lost again, and is listed once.
            let (again, is_listed) = match policy {
                "at_least_once" => (broken, twice > 0 && listed().await == twice),
                _ => (0, listed().await == broken),
            };
            let is_sent = told().len() == 20 && mail.mails().len() == 20 + again;
            (is_sent && broken > 0 && is_listed).then_some(())
        })
        .await;
    }
}

/// An operator tries an address; a wrong password holds the provider and gives nothing up.
#[tokio::test]
async fn an_operator_tries_an_address() {
    let mail = MailServer::start().await.unwrap();
    let start = Start::sandbox();
    let section = mail_section(&mail, &start, "");
    let (server, city) = up(start, &section).await;
    let test =
        async |to: Value| server.admin("POST", "messenger/test", Some(to)).await.1["results"][0].clone();
    assert_eq!(test(json!({ "email": "hana@example.kr" })).await["outcome"], "taken");
    assert!(mail.mails()[0].subject.contains("발송 시험"), "{:?}", mail.mails());
    assert_eq!(test(json!({ "phone_number": "01000000001" })).await["outcome"], "not_reached");
    let refused = test(json!({ "email": REFUSED_ADDRESS })).await;
    assert_eq!(refused["outcome"], "refused");
    assert!(!refused.to_string().contains("nobody"), "{refused}");
    let (status, wrong) = server.admin("POST", "messenger/test", Some(json!({ "email": "hana" }))).await;
    assert_eq!((status, wrong["error_code"].as_str()), (400, Some("INVALID_VALUE")));

    mail.faults().set_unauthorized(true);
    for _ in 0..2 {
        let refused = test(json!({ "email": "hana@example.kr" })).await;
        assert_eq!(refused["outcome"], "misconfigured", "{refused}");
    }
    member(&city, "01077770001", json!("hana@example.kr")).await;
    let id = city.accepted(&[document("01077770001", "A")]).await.remove(0);
    eventually("it is held", async || {
        let (_, shown) = server.admin("GET", "messenger", None).await;
        (shown["providers"][0]["held"] == true).then_some(())
    })
    .await;
    assert_eq!(server.admin("GET", "notifications/given-up", None).await.1["notifications"], json!([]));
    mail.faults().set_unauthorized(false);
    eventually("it is sent after all", async || (mail.mails().len() == 2).then_some(())).await;
    notification(&server, &id, "taken").await;
}
