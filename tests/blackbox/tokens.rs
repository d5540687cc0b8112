//! Tokens and read reports.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::harness::{Answer, Start, member_document};

#[tokio::test]
async fn two_hundred_simultaneous_verifications_give_one_success() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let id = city.accepted(&[member_document("A")]).await.remove(0);
    city.until(&id, "RECEIVED").await;
    let token = city.open_token(&id).await;
    let answers = join_all((0..200).map(|_| city.verify(&id, &token))).await;
    let won: Vec<&Answer> = answers.iter().filter(|a| a.status == 200).collect();
    assert_eq!(won.len(), 1);
    for lost in answers.iter().filter(|a| a.status != 200) {
        lost.is_error(400, "INVALID_VALUE");
    }
    let body = &won[0].body;
    assert_eq!(body["token_status"], "USED");
    assert_eq!(body["payload"], "amount=120000");
    let member = |name: &str| body[name].as_i64().unwrap_or_else(|| panic!("{name} in {body}"));
    assert_eq!(member("token_expires_at") - member("authenticated_at"), 300);
    assert!(member("token_used_at") >= member("doc_box_received_at"));
    assert!(member("doc_box_received_at") >= member("doc_box_sent_at"));
    assert!(body.get("token_used_at").is_some() && body.get("doc_box_read_at").is_none());
}

#[tokio::test]
async fn tokens_are_for_one_document_and_five_minutes() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let ids = city.accepted(&[member_document("A"), member_document("B")]).await;
    for id in &ids {
        city.until(id, "RECEIVED").await;
    }
    let token = city.open_token(&ids[0]).await;
    assert!(token.len() <= 50);
    let head = crate::harness::http().head(format!("{}/v1/documents/{}/tokens/{token}", city.api, ids[0]));
    assert_eq!(head.bearer_auth(&city.token).send().await.unwrap().status(), 405);
    assert!(city.status(&ids[0]).await.get("token_used_at").is_none(), "looking at it does not use it");
    city.verify(&ids[1], &token).await.is_error(404, "NOT_FOUND");
    city.verify(&ids[0], "unknown").await.is_error(404, "NOT_FOUND");
    city.verify(&ids[0], &"a".repeat(51)).await.is_error(404, "NOT_FOUND");
    city.verify("BIN-1", &token).await.is_error(404, "NOT_FOUND");
    city.advance(301).await;
    let expired = city.verify(&ids[0], &token).await;
    expired.is_error(400, "INVALID_VALUE");
    assert!(expired.message().contains("유효 시간"), "{}", expired.message());

    let token = city.open_token(&ids[0]).await;
    assert_eq!(city.verify(&ids[0], &token).await.status, 200);
    let used = city.verify(&ids[0], &token).await;
    used.is_error(400, "INVALID_VALUE");
    assert!(used.message().contains("이미 사용"), "{}", used.message());
}

#[tokio::test]
async fn reads_are_reported_after_a_verified_token_alone() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let id = city.accepted(&[member_document("A")]).await.remove(0);
    city.until(&id, "RECEIVED").await;
    city.mark_read(&id).await.is_error(403, "FORBIDDEN");
    let token = city.open_token(&id).await;
    city.mark_read(&id).await.is_error(403, "FORBIDDEN");
    city.verify(&id, &token).await;
    let report = |body: Value| Answer::of(city.post(&format!("/v1/documents/{id}"), &body));
    for bad in [
        json!({}),
        json!({ "document": {} }),
        json!({ "document": { "is_detail_read": false } }),
        json!({ "document": { "is_detail_read": "true" } }),
        json!({ "document": { "is_detail_read": 1 } }),
        json!([]),
    ] {
        report(bad).await.is_error(400, "INVALID_VALUE");
    }
    assert_eq!(city.status(&id).await["doc_box_status"], "RECEIVED");
    for _ in 0..3 {
        let answer = city.mark_read(&id).await;
        assert_eq!((answer.status, answer.body), (204, Value::Null));
    }
    city.mark_read(&format!("BIN-{}", "0".repeat(32))).await.is_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn the_redirect_keeps_the_institutions_own_address() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let id = city.accepted(&[member_document("번호 1&2")]).await.remove(0);
    city.until(&id, "RECEIVED").await;
    let answer = city.open(&id).await;
    let url = answer.body["redirect_url"].as_str().unwrap();
    assert!(url.starts_with("https://tax.example.kr/notice?year=2026&token="), "{url}");
    assert!(url.ends_with("#top"), "{url}");
    let parsed = reqwest::Url::parse(url).unwrap();
    let of = |name: &str| parsed.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
    assert_eq!(of("document_binder_uuid"), id);
    assert_eq!(of("external_document_uuid"), "번호 1&2");
}
