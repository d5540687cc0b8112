//! A messenger provider that fails, is slow, and repeats and reorders its reports.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use rand::RngExt;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::deployment::Gateways;
use crate::harness::http;

pub(crate) const SECRET: &str = "whsec_c2VvaGFtIGJsYWNrIGJveCB0ZXN0IHNlY3JldA==";

/// Its current behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Availability {
    Up,
    Down,
    Slow,
}

#[derive(Clone)]
pub(crate) struct Messenger {
    pub(crate) url: String,
    state: Arc<Inner>,
}

#[derive(Default)]
struct Inner {
    availability: AtomicU8,
    /// Every accepted id, how often it was accepted, and for whom.
    taken: Mutex<BTreeMap<String, (u32, String)>>,
    to_report: Mutex<Vec<Value>>,
}

impl Messenger {
    pub(crate) async fn start() -> Self {
        let state: Arc<Inner> = Arc::default();
        let app = Router::new().route("/send", post(take)).with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/send", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, state }
    }

    pub(crate) fn set_availability(&self, availability: Availability) {
        self.state.availability.store(availability as u8, Ordering::Relaxed);
    }

    /// The number of distinct notifications it accepted.
    pub(crate) fn notifications(&self) -> usize {
        self.state.taken.lock().unwrap().len()
    }

    /// The total number of times it accepted one.
    pub(crate) fn times_taken(&self) -> u32 {
        self.state.taken.lock().unwrap().values().map(|(times, _)| times).sum()
    }

    /// How often it accepted the notification of a document.
    pub(crate) fn times_of(&self, document: &str) -> u32 {
        let id = document.replace("BIN-", "NTF-");
        self.state.taken.lock().unwrap().get(&id).map_or(0, |(times, _)| *times)
    }

    /// Reports to any gateway that is up, some reports twice and all in random order, until it is aborted.
    pub(crate) async fn report(self, gateways: Gateways) {
        loop {
            let mut reports = std::mem::take(&mut *self.state.to_report.lock().unwrap());
            if !reports.is_empty() {
                let again = reports.len().div_ceil(3);
                reports.extend_from_within(..again);
                reports.shuffle(&mut rand::rng());
                for reports in reports.chunks(500) {
                    deliver(&gateways, reports).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

async fn take(State(this): State<Arc<Inner>>, body: String) -> StatusCode {
    let availability = this.availability.load(Ordering::Relaxed);
    if availability == Availability::Down as u8 {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    if availability == Availability::Slow as u8 {
        let pause = rand::rng().random_range(50..900);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    let message: Value = serde_json::from_str(&body).unwrap();
    let text = |name: &str| message[name].as_str().unwrap().to_owned();
    {
        let mut taken = this.taken.lock().unwrap();
        let entry = taken.entry(text("id")).or_insert((0, text("to")));
        assert_eq!(entry.1, text("to"), "an id stands for one notification");
        entry.0 += 1;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let status = if rand::rng().random_bool(0.1) { "failed" } else { "delivered" };
    let mut to_report = this.to_report.lock().unwrap();
    to_report.push(json!({ "id": text("id"), "status": status, "at": now }));
    // A success follows a failure report, as if the number had been busy.
    to_report.push(json!({ "id": text("id"), "status": "delivered", "at": now }));
    StatusCode::OK
}

async fn deliver(gateways: &Gateways, reports: &[Value]) {
    let body = Value::from(reports).to_string();
    for n in 0.. {
        let timestamp = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let webhook = Webhook::new(SECRET).unwrap();
        let signature = webhook.sign("msg_1", timestamp.try_into().unwrap(), body.as_bytes()).unwrap();
        if let Some((api, _)) = gateways.pick(n) {
            let request = http()
                .post(format!("{api}/provider/v1/receipts"))
                .header("content-type", "application/json")
                .header("webhook-id", "msg_1")
                .header("webhook-timestamp", timestamp.to_string())
                .header("webhook-signature", signature)
                .timeout(Duration::from_secs(20))
                .body(body.clone());
            if request.send().await.is_ok_and(|answer| answer.status() == 204) {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
