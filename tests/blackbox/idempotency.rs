//! Sends with an `Idempotency-Key` (SPEC 10): no duplicates, and the first verdict stands.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Client, DOCUMENTS, Server, Start, bulk, document, documents, member_document};

struct Sent {
    status: u16,
    additions: Option<String>,
    text: String,
}

impl Sent {
    fn results(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text);
        let body: Value = serde_json::from_str(&self.text).unwrap();
        body["documents"].as_array().unwrap().clone()
    }
}

async fn send(city: &Client, key: &str, documents: &[Value]) -> Sent {
    let request = city.bulk_request("/v1/documents/bulk", bulk(documents)).header("Idempotency-Key", key);
    let answer = request.send().await.unwrap();
    let additions = answer.headers().get("seoham-additions").map(|v| v.to_str().unwrap().to_owned());
    Sent { status: answer.status().as_u16(), additions, text: answer.text().await.unwrap() }
}

async fn accepted_today(server: &Server, city: &Client) -> i64 {
    let overview = server.admin("GET", &format!("institutions/{}", city.id), None).await.1;
    overview["accepted_today"].as_i64().unwrap()
}

/// One of each verdict.
fn mixed() -> Vec<Value> {
    let mut broken = member_document("broken");
    broken["title"] = json!("");
    vec![
        member_document("A"),
        document("01000000002", "refused"),
        document("01099990000", "unknown"),
        broken,
        document("01000000007", "breaks"),
        json!({ "no": "id" }),
        document("01000000003", "B"),
    ]
}

#[tokio::test]
async fn a_replay_is_the_first_answer_byte_for_byte() {
    let start = Start::sandbox();
    let server = start.up();
    let city = server.institution("가상시청").await;
    let first = send(&city, "job-1", &mixed()).await;
    assert_eq!(first.additions.as_deref(), Some("idempotency-key, dry-run"));
    let codes: Vec<_> =
        first.results().iter().map(|r| r["error_code"].as_str().unwrap_or("").to_owned()).collect();
    let [value, missing, refused, internal] =
        ["INVALID_VALUE", "NOT_FOUND", "FORBIDDEN", "INTERNAL_ERROR"].map(str::to_owned);
    let none = String::new();
    assert_eq!(codes, [none.clone(), refused, missing, value.clone(), internal, value, none]);

    // A verdict that would be different now stays as it was decided first.
    let person =
        json!({ "phone_number": "01099990000", "name": "서함시험", "birthday": "19900101", "member": true });
    let added = Answer::of(city.post("/sandbox/v1/people", &person)).await;
    assert_eq!(added.status, 201);
    let accept =
        Answer::of(city.post("/sandbox/v1/people/accept", &json!({ "phone_number": "01000000002" }))).await;
    assert_eq!(accept.status, 204);
    let again = send(&city, "job-1", &mixed()).await;
    assert_eq!((again.status, &again.text), (200, &first.text));
    // Also after a restart.
    server.kill();
    let server = start.up();
    let city = Client { api: server.url("api"), bulk: server.url("bulk"), ..city };
    let after = send(&city, "job-1", &mixed()).await;
    assert_eq!(after.text, first.text);
    assert_eq!(accepted_today(&server, &city).await, 2);

    // Under another key, everything is new.
    let other = send(&city, "job-2", &mixed()).await;
    assert_ne!(other.text, first.text);
    assert!(other.results()[2]["document_binder_uuid"].is_string(), "the person is known by now");
    let metrics = server.metrics().await;
    assert!(metrics.contains(r#"{send="replayed",verdict="accepted"} 2"#), "{metrics}");
}

#[tokio::test]
async fn an_item_that_changed_is_refused_alone_and_a_new_one_is_processed() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let mut items = documents(5);
    let first = send(&city, "k", &items).await.results();
    items[1]["property"]["payload"] = json!("amount=1");
    items[3]["title"] = json!("");
    items.push(member_document("NEW"));
    items.swap(0, 4);
    let second = send(&city, "k", &items).await.results();
    for (now, before) in [(4, 0), (2, 2), (0, 4)] {
        assert_eq!(second[now], first[before]);
    }
    for changed in [1, 3] {
        assert_eq!(second[changed]["error_code"], "INVALID_VALUE");
        let message = second[changed]["error_message"].as_str().unwrap();
        assert!(
            message.contains(&format!("documents[{changed}].property.external_document_uuid")),
            "{message}"
        );
        assert!(message.contains("Idempotency-Key"), "{message}");
    }
    assert!(second[5]["document_binder_uuid"].is_string());
    assert_eq!(accepted_today(&server, &city).await, 6);
    // The new one is known from now on, also in another spelling.
    let mut written = serde_json::to_string_pretty(&json!({ "documents": [items[5]] })).unwrap();
    written = written.replace("\"title\"", "\"a member nobody knows\": [1], \"title\"");
    let request = city.bulk_request("/v1/documents/bulk", written).header("Idempotency-Key", "k");
    assert_eq!(Answer::of(request).await.body["documents"][0], second[5]);
    // The same key of another institution is a different key.
    let bank = server.institution("가상은행").await;
    assert_ne!(send(&bank, "k", &documents(5)).await.results()[0], first[0]);
    assert_eq!(accepted_today(&server, &city).await, 6);
}

#[tokio::test]
async fn identical_requests_at_the_same_instant_create_the_documents_once() {
    let start = Start::sandbox();
    let server = start.up();
    let city = server.institution("가상시청").await;
    for round in 0..5 {
        let key = format!("round-{round}");
        let items = documents(100);
        let answers = join_all((0..8).map(|_| send(&city, &key, &items))).await;
        for answer in &answers {
            assert_eq!((answer.status, &answer.text), (200, &answers[0].text));
        }
        assert_eq!(accepted_today(&server, &city).await, (round + 1) * 100);
    }
    server.terminate();
    assert!(server.wait().0.success());
    assert_eq!(start.backing().count(DOCUMENTS), 500);
}

#[tokio::test]
async fn different_requests_at_the_same_instant_share_a_key() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let requests: Vec<Vec<Value>> =
        (0..6).map(|r| (0..20).map(|i| member_document(&format!("R{r}-{i}"))).collect()).collect();
    // Concurrent sends without a key are not delayed by it.
    let plain = async { city.send(&documents(50)).await.len() };
    let (answers, plain) =
        futures_util::join!(join_all(requests.iter().map(|items| send(&city, "job", items))), plain);
    assert_eq!(plain, 50);
    for answer in &answers {
        assert!(answer.results().iter().all(|result| result["document_binder_uuid"].is_string()));
    }
    assert_eq!(accepted_today(&server, &city).await, 170);
    let all: Vec<Value> = requests.concat();
    let again = send(&city, "job", &all[..100]).await.results();
    assert_eq!(again[..20], answers[0].results());
    assert_eq!(accepted_today(&server, &city).await, 170);
}

#[tokio::test]
async fn single_sends_have_the_same_keys() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let send = |key: &'static str, document: Value| {
        let request = city.post("/v1/documents", &json!({ "document": document }));
        Answer::of(request.header("Idempotency-Key", key))
    };
    let first = send("k", member_document("A")).await;
    assert_eq!(
        (first.status, first.headers["seoham-additions"].to_str().unwrap()),
        (200, "idempotency-key, dry-run")
    );
    assert_eq!(send("k", member_document("A")).await.body, first.body);
    let mut changed = member_document("A");
    changed["title"] = json!("다른 제목");
    send("k", changed).await.is_error(400, "INVALID_VALUE");
    assert_ne!(send("k", member_document("B")).await.body, first.body);

    let unknown = send("k", document("01099990000", "C")).await;
    unknown.is_error(400, "UNIDENTIFIED_USER");
    let again = send("k", document("01099990000", "C")).await;
    assert_eq!((again.status, &again.body), (400, &unknown.body));
    send("k", document("01000000002", "D")).await.is_error(403, "FORBIDDEN");
    send("k", document("01000000002", "D")).await.is_error(403, "FORBIDDEN");
    // Without an external id, a key can have only one document.
    let mut anonymous = member_document("A");
    anonymous["property"].as_object_mut().unwrap().remove("external_document_uuid");
    let once = send("n", anonymous.clone()).await;
    assert_eq!(send("n", anonymous).await.body, once.body);
    assert_eq!(accepted_today(&server, &city).await, 3);
}

#[tokio::test]
async fn a_key_lasts_a_week_and_its_documents_outlast_their_deadline() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let now = Answer::of(city.post("/sandbox/v1/clock", &json!({ "advance_seconds": 0 }))).await;
    let mut item = member_document("A");
    item.as_object_mut().unwrap().remove("read_expired_sec");
    item["read_expired_at"] = json!(now.body["now"].as_i64().unwrap() + 3600);
    let items = [item];
    let first = send(&city, "k", &items).await;
    assert!(first.results()[0]["document_binder_uuid"].is_string());
    let advance = |seconds: u32| city.post("/sandbox/v1/clock", &json!({ "advance_seconds": seconds }));
    Answer::of(advance(7 * 86_400 - 60)).await;
    assert_eq!(send(&city, "k", &items).await.text, first.text, "its deadline is over, its verdict is not");
    Answer::of(advance(120)).await;
    let after = send(&city, "k", &items).await.results();
    assert_eq!(after[0]["error_code"], "INVALID_VALUE", "forgotten, and judged by what holds now");
}

#[tokio::test]
async fn keys_are_checked_and_nothing_is_said_to_who_does_not_ask() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let long = "k".repeat(65);
    for key in [long.as_str(), "a\tb"] {
        let answer = send(&city, key, &documents(1)).await;
        assert_eq!(answer.status, 400, "{key:?}: {}", answer.text);
    }
    let twice = city.bulk_request("/v1/documents/bulk", bulk(&documents(1)));
    let twice = twice.header("Idempotency-Key", "a").header("Idempotency-Key", "b");
    Answer::of(twice).await.is_error(400, "INVALID_VALUE");
    let plain = Answer::of(city.bulk_request("/v1/documents/bulk", bulk(&documents(1)))).await;
    assert!(!plain.headers.contains_key("seoham-additions"));

    // A dry run stores nothing under its key.
    let dry = city.bulk_request("/v1/documents/bulk", bulk(&documents(2)));
    let dry = Answer::of(dry.header("Idempotency-Key", "d").header("Seoham-Dry-Run", "true")).await;
    assert_eq!(dry.body["documents"][0], json!({ "external_document_uuid": "EXT-0" }));
    assert!(send(&city, "d", &documents(2)).await.results()[0]["document_binder_uuid"].is_string());
    assert_eq!(accepted_today(&server, &city).await, 3);

    // Items that cannot be distinguished are rejected and not stored.
    let same = [member_document("S"), member_document("S")];
    assert_eq!(send(&city, "s", &same).await.results()[1]["error_code"], "INVALID_VALUE");
    assert!(send(&city, "s", &same[..1]).await.results()[0]["document_binder_uuid"].is_string());
}

#[tokio::test]
async fn a_key_holds_ten_thousand_documents() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let item = |i: usize| document("01099990000", &format!("E{i}"));
    for request in 0..100 {
        let items: Vec<Value> = (0..100).map(|i| item(request * 100 + i)).collect();
        assert_eq!(send(&city, "big", &items).await.results()[99]["error_code"], "NOT_FOUND");
    }
    let more = send(&city, "big", &[item(1), item(10_000)]).await;
    assert_eq!(more.status, 400, "{}", more.text);
    assert!(more.text.contains("10000"), "{}", more.text);
    assert_eq!(send(&city, "big", &[item(9_999)]).await.results()[0]["error_code"], "NOT_FOUND");
}
