//! Status queries and the life cycle of a document.

use serde_json::{Value, json};

use crate::harness::{Answer, Start, document, member_document};

#[tokio::test]
async fn bulk_status_keeps_order_and_answers_everything() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let ids = city.accepted(&[member_document("A"), member_document("B")]).await;
    let asked = [
        ids[1].clone(),
        "x".into(),
        ids[0].clone(),
        format!("BIN-{}", "0".repeat(32)),
        ids[1].clone(),
        "가".into(),
    ];
    let answers = city.statuses(&asked).await;
    assert_eq!(answers.len(), asked.len());
    for (asked, answer) in asked.iter().zip(&answers) {
        assert_eq!(answer["document_binder_uuid"], *asked);
        if ids.contains(asked) {
            assert!(answer["status_data"]["doc_box_sent_at"].is_i64(), "{answer}");
            assert_eq!(answer.as_object().unwrap().len(), 2);
        } else {
            assert_eq!(answer["error_code"], "NOT_FOUND");
            assert_eq!(answer.as_object().unwrap().len(), 3);
        }
    }
    let ask = |body: Value| Answer::of(city.bulk_request("/v1/documents/bulk/status", body.to_string()));
    ask(json!({ "document_binder_uuids": [] })).await.is_error(400, "INVALID_VALUE");
    ask(json!({ "document_binder_uuids": vec![&ids[0]; 101] })).await.is_error(400, "INVALID_VALUE");
    ask(json!({ "document_binder_uuids": [ids[0], 7] })).await.is_error(400, "INVALID_VALUE");
    ask(json!({})).await.is_error(400, "INVALID_VALUE");
    let all = ask(json!({ "document_binder_uuids": vec![&ids[0]; 100] })).await;
    assert_eq!(all.body["documents"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_document_lives_from_sent_to_read_and_no_time_changes() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let id = city.accepted(&[member_document("A")]).await.remove(0);
    let received = city.until(&id, "RECEIVED").await;
    assert!(received["doc_box_received_at"].as_i64() >= received["doc_box_sent_at"].as_i64());
    assert_eq!(received["payload"], "amount=120000");
    for absent in ["authenticated_at", "token_used_at", "doc_box_read_at"] {
        assert!(received.get(absent).is_none(), "{received}");
    }
    let notified = city.until_notified(&id).await;
    let token = city.open_token(&id).await;
    assert_eq!(city.verify(&id, &token).await.status, 200);
    assert_eq!(city.mark_read(&id).await.status, 204);
    let read = city.status(&id).await;
    assert_eq!(read["doc_box_status"], "READ");
    city.advance(500).await;
    assert_eq!(city.open(&id).await.status, 200);
    let token = city.open_token(&id).await;
    assert_eq!(city.verify(&id, &token).await.status, 200);
    assert_eq!(city.mark_read(&id).await.status, 204);
    city.sandbox(&format!("documents/{id}/notified"), json!({})).await;
    assert_eq!(city.status(&id).await, read, "nothing changes any more");
    assert_eq!(read["user_notified_at"], notified["user_notified_at"]);
    let member = |name: &str| read[name].as_i64().unwrap();
    assert!(member("doc_box_sent_at") <= member("authenticated_at"));
    assert!(member("authenticated_at") <= member("token_used_at"));
    assert!(member("token_used_at") <= member("doc_box_read_at"));
    assert!(member("doc_box_sent_at").to_string().len() == 10, "seconds");
}

#[tokio::test]
async fn unread_documents_expire_with_the_second_and_do_not_open() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let mut short = member_document("A");
    short["read_expired_sec"] = json!(100);
    let mut read_late = short.clone();
    read_late["property"]["external_document_uuid"] = json!("B");
    let mut waiting = document("01000000003", "C");
    waiting["read_expired_sec"] = json!(100);
    let ids = city.accepted(&[short, read_late, waiting]).await;
    city.until(&ids[1], "RECEIVED").await;
    let token = city.open_token(&ids[1]).await;
    assert_eq!(city.verify(&ids[1], &token).await.status, 200);
    city.advance(101).await;
    for id in &ids {
        assert_eq!(city.status(id).await["doc_box_status"], "EXPIRED");
        city.open(id).await.is_error(403, "FORBIDDEN");
    }
    assert_eq!(city.mark_read(&ids[1]).await.status, 204, "its token was verified in time");
    assert_eq!(city.status(&ids[1]).await["doc_box_status"], "READ");
    city.mark_read(&ids[0]).await.is_error(403, "FORBIDDEN");
    assert_eq!(city.sandbox("people/join", json!({ "phone_number": "01000000003" })).await.status, 204);
    assert!(city.status(&ids[2]).await.get("doc_box_received_at").is_none());
}
