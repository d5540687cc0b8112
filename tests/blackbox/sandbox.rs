//! The sandbox and its people (SPEC 12).

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Answer, Start, bulk, document, eventually, http, member_document};

#[tokio::test]
async fn its_people_behave_as_written() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let numbers = ["01000000001", "01000000003", "01000000004", "01000000005", "01000000006"];
    let sent: Vec<_> = numbers.iter().map(|n| document(n, n)).collect();
    let ids = city.accepted(&sent).await;
    let [member, stranger, later, silent, refused] = &ids[..] else { panic!("five") };
    let at_first = city.status(later).await;
    let waited = city.advance(0).await - at_first["doc_box_sent_at"].as_i64().unwrap();
    assert!(at_first["doc_box_status"] == "SENT" || waited >= 10, "{at_first}");

    city.until_notified(member).await;
    assert_eq!(city.until_notified(stranger).await["doc_box_status"], "SENT");
    city.until(silent, "RECEIVED").await;
    let given_up = eventually("the messenger refused the number", async || {
        let (_, found) = server.admin("GET", &format!("documents/{refused}"), None).await;
        Some(found).filter(|f| f["notification"] == "given_up")
    })
    .await;
    assert_eq!(given_up["doc_box_status"], "RECEIVED", "it lies in the box all the same");
    let listed = server.admin("GET", "notifications/given-up", None).await.1;
    assert_eq!(listed["notifications"][0]["document_binder_uuid"], refused.as_str());
    assert_eq!(listed["notifications"].as_array().unwrap().len(), 1);

    city.until_notified(later).await;
    city.advance(11).await;
    city.until(later, "RECEIVED").await;

    let silent_document = server.admin("GET", &format!("documents/{silent}"), None).await.1;
    assert_eq!(silent_document["notification"], "taken");
    assert!(city.status(silent).await.get("user_notified_at").is_none());
    assert_eq!(city.sandbox(&format!("documents/{silent}/notified"), json!({})).await.status, 204);
    assert!(city.status(silent).await["user_notified_at"].is_i64());

    city.open(stranger).await.is_error(403, "FORBIDDEN");
    let person = json!({ "phone_number": "01000000003" });
    assert_eq!(city.sandbox("people/join", person).await.status, 204);
    assert_eq!(city.status(stranger).await["doc_box_status"], "RECEIVED");
    assert_eq!(city.open(stranger).await.status, 200);

    let refuser = json!({ "phone_number": "01000000002" });
    assert_eq!(city.sandbox("people/accept", refuser).await.status, 204);
    city.accepted(&[document("01000000002", "R")]).await;
}

#[tokio::test]
async fn a_client_can_try_what_goes_wrong_between_it_and_the_platform() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let accepted = async || {
        let (_, overview) = server.admin("GET", &format!("institutions/{}", city.id), None).await;
        overview["accepted_today"].as_u64().unwrap()
    };
    let send = |number: &str, id: &str, key: Option<&str>| {
        let body = bulk(&[document("01000000001", &format!("{id}-other")), document(number, id)]);
        let request = city.bulk_request("/v1/documents/bulk", body);
        match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        }
    };
    // Rejected as a whole, once for each external id. A dry run does not count as a send.
    for (number, status, code) in
        [("01000000008", 429, "TOO_MANY_REQUESTS"), ("01000000009", 503, "INTERNAL_ERROR")]
    {
        let tried = send(number, number, None).header("Seoham-Dry-Run", "true");
        assert_eq!(Answer::of(tried).await.status, 200);
        let before = accepted().await;
        let refused = Answer::of(send(number, number, None)).await;
        assert_eq!(refused.headers["retry-after"], "1");
        refused.is_error(status, code);
        assert_eq!(accepted().await, before, "nothing of it");
        assert_eq!(Answer::of(send(number, number, None)).await.status, 200);
        assert_eq!(accepted().await, before + 2);
        let single = city.post("/v1/documents", &json!({ "document": document(number, "S") }));
        Answer::of(single).await.is_error(status, code);
    }
    // Accepted without a reply: the key replays the result.
    let before = accepted().await;
    assert!(send("01000000010", "L", Some("key")).send().await.is_err(), "no answer came");
    assert_eq!(accepted().await, before + 2);
    let again = Answer::of(send("01000000010", "L", Some("key"))).await;
    assert!(
        again.body["documents"].as_array().unwrap().iter().all(|d| d["document_binder_uuid"].is_string())
    );
    assert_eq!(accepted().await, before + 2, "once");
    let single = city.post("/v1/documents", &json!({ "document": document("01000000010", "S") }));
    assert!(single.send().await.is_err());
    assert_eq!(accepted().await, before + 3);

    let begun = Instant::now();
    assert_eq!(Answer::of(send("01000000011", "W", None)).await.status, 200);
    assert!(begun.elapsed() >= Duration::from_secs(10));
}

#[tokio::test]
async fn people_can_be_added_refuse_and_accept() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let person = json!({
        "phone_number": "01055556666", "name": "김가상", "birthday": "19770707", "member": true, "pin": "112233"
    });
    assert_eq!(city.sandbox("people", person.clone()).await.status, 201);
    let mut to_them = member_document("A");
    to_them["receiver"] = json!({
        "phone_number": "01055556666", "name": "김가상", "birthday": "19770707", "is_required_verify_name": true
    });
    let id = city.accepted(std::slice::from_ref(&to_them)).await.remove(0);
    city.until(&id, "RECEIVED").await;
    to_them["receiver"]["name"] = json!("이가상");
    assert_eq!(city.send(std::slice::from_ref(&to_them)).await[0]["error_code"], "NOT_FOUND");
    to_them["receiver"]["name"] = json!("김가상");

    let number = json!({ "phone_number": "01055556666" });
    assert_eq!(city.sandbox("people/refuse", number.clone()).await.status, 204);
    assert_eq!(city.send(std::slice::from_ref(&to_them)).await[0]["error_code"], "FORBIDDEN");
    assert_eq!(city.status(&id).await["doc_box_status"], "RECEIVED", "what lies in the box stays");
    assert_eq!(city.sandbox("people/accept", number).await.status, 204);
    city.accepted(&[to_them]).await;

    let mut taken = person;
    taken["birthday"] = json!("19880808");
    city.sandbox("people", taken).await.is_error(400, "INVALID_VALUE");
    let bad = city.sandbox("people", json!({ "phone_number": "1", "member": true })).await;
    bad.is_error(400, "INVALID_VALUE");
    assert!(
        bad.message().contains("phone_number") && bad.message().contains("birthday"),
        "{}",
        bad.message()
    );
    for call in ["join", "refuse", "accept"] {
        let path = format!("people/{call}");
        city.sandbox(&path, json!({ "phone_number": "01099999999" })).await.is_error(404, "NOT_FOUND");
        city.sandbox(&path, json!({})).await.is_error(400, "INVALID_VALUE");
    }
    city.sandbox("clock", json!({ "advance_seconds": -1 })).await.is_error(400, "INVALID_VALUE");
}

#[tokio::test]
async fn the_people_that_are_always_there_cannot_be_changed() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let by_number =
        json!({ "phone_number": "01000000001", "name": "김가상", "birthday": "19900101", "member": true });
    let mut by_ci = by_number.clone();
    by_ci["phone_number"] = json!("01055557777");
    by_ci["ci"] = json!("SANDBOX-CI-3");
    for person in [&by_number, &by_ci] {
        let refused = city.sandbox("people", person.clone()).await;
        refused.is_error(400, "INVALID_VALUE");
        assert!(refused.message().contains("샌드박스"), "{}", refused.message());
    }
    let report = server.import(format!("{by_number}\n{by_ci}")).await;
    assert_eq!(report["imported"], 0);
    let rejected: Vec<_> = report["rejected"].as_array().unwrap().iter().map(|r| &r["line"]).collect();
    assert_eq!(rejected, [1, 2]);
    let mut notice = member_document("A");
    notice["receiver"]["is_required_verify_name"] = json!(true);
    city.accepted(&[notice]).await;
}

#[tokio::test]
async fn it_is_not_there_for_live_people() {
    let server = Start::live().up();
    let city = server.institution("가상시청").await;
    city.sandbox("clock", json!({ "advance_seconds": 1 })).await.is_error(404, "NOT_FOUND");
    assert_eq!(city.send(&[member_document("A")]).await[0]["error_code"], "NOT_FOUND", "no invented people");
    let page = http().get(format!("{}/messenger", server.url("web"))).send().await.unwrap();
    assert_eq!(page.status(), 404);
}

#[tokio::test]
async fn the_simulated_messenger_shows_what_was_said() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let id = city.accepted(&[member_document("A")]).await.remove(0);
    city.until_notified(&id).await;
    let page = http().get(format!("{}/messenger", server.url("web"))).send().await.unwrap();
    assert!(page.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    let html = page.text().await.unwrap();
    for said in [
        "가상시청",
        "2026년 자동차세 고지서",
        "기한 안에 납부해 주십시오.",
        "열람기한",
        "문서확인후 납부",
        &id,
    ] {
        assert!(html.contains(said), "{said}");
    }
    let front = http().get(server.url("web")).send().await.unwrap();
    assert_eq!(front.status(), 200);
    let missing = http().get(format!("{}/nothing", server.url("web"))).send().await.unwrap();
    assert_eq!(missing.status(), 404);
    assert!(missing.text().await.unwrap().contains("찾으시는 페이지가 없습니다"));
    Answer::of(http().get(format!("{}/messenger", server.url("api")))).await.is_error(404, "NOT_FOUND");
}
