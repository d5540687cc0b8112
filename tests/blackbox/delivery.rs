//! Delivery: fairness, and people who join.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::harness::{Start, document, documents, eventually};

/// A messenger that does not answer until it gets permits, then answers slowly, and records the order of the
/// requests.
async fn slow_messenger() -> (String, Arc<Mutex<Vec<String>>>, Arc<Semaphore>) {
    let taken: Arc<Mutex<Vec<String>>> = Arc::default();
    let let_go = Arc::new(Semaphore::new(0));
    let (order, gate) = (Arc::clone(&taken), Arc::clone(&let_go));
    let take = async move |body: String| {
        let _go = gate.acquire().await.unwrap();
        let message: Value = serde_json::from_str(&body).unwrap();
        order.lock().unwrap().push(message["id"].as_str().unwrap().replace("NTF-", "BIN-"));
        tokio::time::sleep(Duration::from_millis(30)).await;
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/send", listener.local_addr().unwrap());
    let app = axum::Router::new().route("/send", axum::routing::post(take));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, taken, let_go)
}

#[tokio::test]
async fn a_backlog_of_one_institution_does_not_delay_another() {
    let (url, taken, let_go) = slow_messenger().await;
    let server = Start::sandbox()
        .env("SEOHAM_NOTIFIER__TIMEOUT_SECONDS", "60")
        .env("SEOHAM_NOTIFIER__URL", &url)
        .env("SEOHAM_NOTIFIER__SECRET", "whsec_c2VvaGFtIGJsYWNrIGJveCB0ZXN0IHNlY3JldA==")
        .up();
    let (city, bank) = (server.institution("가상시청").await, server.institution("가상은행").await);
    for _ in 0..60 {
        city.accepted(&documents(100)).await;
    }
    let small = bank.accepted(&documents(100)).await;
    assert_eq!(bank.status(&small[0]).await["doc_box_status"], "RECEIVED", "no messenger holds that up");
    let_go.add_permits(1_000);
    eventually("all of the small sender's recipients are told", async || {
        let taken = taken.lock().unwrap();
        small.iter().all(|id| taken.contains(id)).then_some(())
    })
    .await;
    // In FIFO order they would have come after the whole backlog.
    let sent = taken.lock().unwrap().len();
    assert!(sent < 3_000, "{sent} messages were sent until then");
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
        let received = |s: &Value| s["status_data"]["doc_box_status"] == "RECEIVED";
        statuses.iter().all(received).then_some(())
    })
    .await;
    let later = city.accepted(&[document("01000000003", "later")]).await.remove(0);
    city.until(&later, "RECEIVED").await;
}
