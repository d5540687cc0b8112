//! The exact requests of clients written for the compatible service.

use serde_json::{Value, json};

use crate::harness::{Answer, Start, http, member_document};

#[tokio::test]
async fn they_work_unchanged() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let mut with_unknown = member_document("A");
    with_unknown["review_expired_sec"] = json!(3_600);
    with_unknown["property"]["extra"] = json!({ "nested": [1, 2] });
    let body = json!({ "documents": [with_unknown], "request_id": "x" }).to_string();
    let answer = Answer::of(city.bulk_request("/v1/documents/bulk", body)).await;
    let id = answer.body["documents"][0]["document_binder_uuid"].as_str().unwrap().to_owned();
    city.until(&id, "RECEIVED").await;

    // A GET with a content type and an empty query.
    let get = |path: String| {
        let request = http().get(format!("{}{path}", city.api)).bearer_auth(&city.token);
        request.header("Content-Type", "application/json;charset=utf-8")
    };
    let status = get(format!("/v1/documents/{id}/status?")).header("Contract-Uuid", &city.contract);
    assert_eq!(Answer::of(status).await.status, 200);

    // Percent-encoded segments; no Contract-Uuid on verification and on the read report.
    let token = city.open_token(&id).await;
    let encode = |text: &str| text.bytes().fold(String::new(), |all, b| format!("{all}%{b:02X}"));
    let verified = Answer::of(get(format!("/v1/{}/tokens/{}?", encode(&id), encode(&token)))).await;
    assert_eq!(verified.status, 200, "{}", verified.body);
    let token = city.open_token(&id).await;
    let verified = Answer::of(get(format!("/v1/documents/{id}/tokens/{token}"))).await;
    assert_eq!(verified.status, 200, "{}", verified.body);
    let report = http()
        .post(format!("{}/v1/documents/{id}", city.api))
        .bearer_auth(&city.token)
        .header("Content-Type", "application/json; charset=UTF-8")
        .body(r#"{"document":{"is_detail_read":true},"x":null}"#);
    let answer = Answer::of(report).await;
    assert_eq!((answer.status, answer.body), (204, Value::Null));

    // If a contract is sent anyway, it must be valid.
    let wrong = get(format!("/v1/documents/{id}/tokens/{token}")).header("Contract-Uuid", "CON-1");
    Answer::of(wrong).await.is_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn bulk_calls_work_on_the_api_listener_too() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let sent = city.post("/v1/documents/bulk", &json!({ "documents": [member_document("A")] }));
    let answer = Answer::of(sent).await;
    assert_eq!(answer.headers["content-type"], "application/json;charset=UTF-8");
    let id = answer.body["documents"][0]["document_binder_uuid"].as_str().unwrap().to_owned();
    let asked = city.post("/v1/documents/bulk/status", &json!({ "document_binder_uuids": [id] }));
    assert_eq!(Answer::of(asked).await.body["documents"][0]["document_binder_uuid"], id);
}

#[tokio::test]
async fn encoded_paths_and_http2_find_the_same_routes() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let id = city.accepted(&[member_document("A")]).await.remove(0);
    let answer = Answer::of(city.get(&format!("/v1/%64ocuments/{id}/%73tatus"))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let h2 = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let response = h2
        .get(format!("{}/v1/documents/{id}/status", city.api))
        .bearer_auth(&city.token)
        .header("Contract-Uuid", &city.contract)
        .send()
        .await
        .unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, reqwest::Version::HTTP_2));
}

#[tokio::test]
async fn the_api_describes_itself() {
    let server = Start::sandbox().up();
    let served = Answer::of(http().get(format!("{}/openapi.json", server.url("api")))).await.body;
    let committed: Value =
        serde_json::from_str(include_str!("../../docs/openapi.json")).expect("docs/openapi.json is JSON");
    assert_eq!(served, committed, "cargo run -- openapi > docs/openapi.json");
    let page = http().get(format!("{}/docs/", server.url("api"))).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.text().await.unwrap().contains("swagger"));
}
