//! Delivery: fairness, and people who join.

use serde_json::json;

use crate::harness::{Start, document, documents, eventually, member_document};

#[tokio::test]
async fn a_backlog_of_one_institution_does_not_delay_another() {
    let server = Start::sandbox().up();
    let (city, bank) = (server.institution("가상시청").await, server.institution("가상은행").await);
    let sending = async {
        for _ in 0..30 {
            city.accepted(&documents(100)).await;
        }
    };
    let other = async {
        let id = bank.accepted(&[member_document("A")]).await.remove(0);
        bank.until(&id, "RECEIVED").await;
    };
    tokio::join!(sending, other);
}

#[tokio::test]
async fn joining_brings_everything_that_waits() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let mut ids = Vec::new();
    for batch in 0..7 {
        let sent: Vec<_> = (0..100).map(|i| document("01000000003", &format!("{batch}-{i}"))).collect();
        ids.extend(city.accepted(&sent).await);
    }
    city.until_notified(ids.last().unwrap()).await;
    let person = json!({ "phone_number": "01000000003" });
    assert_eq!(city.sandbox("people/join", person).await.status, 204);
    eventually("all are in the box", async || {
        let statuses = city.statuses(&ids).await;
        let received = |s: &serde_json::Value| s["status_data"]["doc_box_status"] == "RECEIVED";
        statuses.iter().all(received).then_some(())
    })
    .await;
    let later = city.accepted(&[document("01000000003", "later")]).await.remove(0);
    city.until(&later, "RECEIVED").await;
}
