//! Another institution's token sees nothing, at any endpoint.

use serde_json::{Value, json};

use crate::harness::{Answer, Start, http, member_document};

#[tokio::test]
async fn another_institution_sees_nothing() {
    let server = Start::sandbox().up();
    let (city, bank) = (server.institution("가상시청").await, server.institution("가상은행").await);
    let id = city.accepted(&[member_document("A")]).await.remove(0);
    let before = city.until_notified(&id).await;
    let token = city.open_token(&id).await;

    let nothing = format!("BIN-{}", "0".repeat(32));
    for (theirs, unknown) in [
        (
            bank.get(&format!("/v1/documents/{id}/status")),
            bank.get(&format!("/v1/documents/{nothing}/status")),
        ),
        (
            bank.get(&format!("/v1/documents/{id}/tokens/{token}")),
            bank.get(&format!("/v1/documents/{nothing}/tokens/{token}")),
        ),
        (bank.get(&format!("/v1/{id}/tokens/{token}")), bank.get(&format!("/v1/{nothing}/tokens/{token}"))),
        (read(&bank, &id), read(&bank, &nothing)),
        (sandbox(&bank, &id, "open"), sandbox(&bank, &nothing, "open")),
        (sandbox(&bank, &id, "notified"), sandbox(&bank, &nothing, "notified")),
    ] {
        let (theirs, unknown) = (Answer::of(theirs).await, Answer::of(unknown).await);
        theirs.is_error(404, "NOT_FOUND");
        assert_eq!(theirs.body, unknown.body, "indistinguishable from what does not exist");
    }
    let bulk = bank.statuses(std::slice::from_ref(&id)).await;
    assert_eq!(bulk[0]["error_code"], "NOT_FOUND");

    // Nor does the right contract help with another institution's token.
    let mixed = http().get(format!("{}/v1/documents/{id}/status", city.api)).bearer_auth(&bank.token);
    Answer::of(mixed.header("Contract-Uuid", &city.contract)).await.is_error(404, "NOT_FOUND");

    assert_eq!(city.verify(&id, &token).await.status, 200, "the token is still good for its own");
    let after = city.status(&id).await;
    assert_eq!(after["doc_box_received_at"], before["doc_box_received_at"]);
    assert!(after.get("doc_box_read_at").is_none());

    // A refusal applies to one institution only.
    let person = json!({ "phone_number": "01000000001" });
    assert_eq!(bank.sandbox("people/refuse", person).await.status, 204);
    city.accepted(&[member_document("B")]).await;
    assert_eq!(bank.send(&[member_document("C")]).await[0]["error_code"], "FORBIDDEN");
}

fn read(client: &crate::harness::Client, id: &str) -> reqwest::RequestBuilder {
    client.post(&format!("/v1/documents/{id}"), &json!({ "document": { "is_detail_read": true } }))
}

fn sandbox(client: &crate::harness::Client, id: &str, call: &str) -> reqwest::RequestBuilder {
    client.post(&format!("/sandbox/v1/documents/{id}/{call}"), &Value::Null)
}

#[tokio::test]
async fn every_call_needs_a_token() {
    let server = Start::sandbox().up();
    let id = format!("BIN-{}", "0".repeat(32));
    let api = server.url("api");
    for (method, path) in [
        ("POST", "/v1/documents/bulk".to_owned()),
        ("POST", "/v1/documents/bulk/status".to_owned()),
        ("POST", "/v1/documents".to_owned()),
        ("GET", format!("/v1/documents/{id}/status")),
        ("GET", format!("/v1/documents/{id}/tokens/x")),
        ("GET", format!("/v1/{id}/tokens/x")),
        ("POST", format!("/v1/documents/{id}")),
        ("POST", format!("/sandbox/v1/documents/{id}/open")),
        ("POST", format!("/sandbox/v1/documents/{id}/notified")),
        ("POST", "/sandbox/v1/people".to_owned()),
        ("POST", "/sandbox/v1/people/join".to_owned()),
        ("POST", "/sandbox/v1/people/refuse".to_owned()),
        ("POST", "/sandbox/v1/people/accept".to_owned()),
        ("POST", "/sandbox/v1/clock".to_owned()),
    ] {
        let request = http().request(method.parse().unwrap(), format!("{api}{path}"));
        Answer::of(request.header("Content-Type", "application/json").body("{}"))
            .await
            .is_error(401, "UNAUTHORIZED");
    }
}
