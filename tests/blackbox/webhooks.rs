//! Webhooks (SPEC 15): what an institution's receiver gets, when it takes it, fails, is slow or gone.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum_server::tls_rustls::RustlsConfig;
use secrecy::SecretString;
use seoham_vault::WebhookKey;
use serde_json::{Value, json};

use crate::events::Reader;
use crate::exposure::new_certificate;
use crate::harness::{Answer, Client, Server, Start, documents, eventually, http, member_document};

/// What the receiver got.
#[derive(Clone)]
struct Delivery {
    id: String,
    timestamp: String,
    signatures: String,
    body: Bytes,
    taken: bool,
}

impl Delivery {
    fn is_signed_with(&self, secret: &str) -> bool {
        let key = WebhookKey::new(&SecretString::from(secret)).unwrap();
        key.is_signed(self.id.as_bytes(), self.timestamp.as_bytes(), &self.body, self.signatures.as_bytes())
    }

    fn events(&self) -> Vec<Value> {
        let body: Value = serde_json::from_slice(&self.body).unwrap();
        body["events"].as_array().cloned().unwrap_or_default()
    }
}

/// An institution's receiver, with a certificate that the platform trusts.
struct Receiver {
    url: String,
    state: Arc<Behaviour>,
}

struct Behaviour {
    status: AtomicU16,
    delay_millis: AtomicU64,
    got: Mutex<Vec<Delivery>>,
}

async fn take(State(state): State<Arc<Behaviour>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let status = StatusCode::from_u16(state.status.load(Ordering::Relaxed)).unwrap();
    tokio::time::sleep(Duration::from_millis(state.delay_millis.load(Ordering::Relaxed))).await;
    state.got.lock().unwrap().push(Delivery {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signatures: header("webhook-signature"),
        body,
        taken: status.is_success(),
    });
    status
}

impl Receiver {
    async fn start(certificate: &(PathBuf, PathBuf)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("https://{}/seoham", listener.local_addr().unwrap());
        let state = Arc::new(Behaviour {
            status: AtomicU16::new(204),
            delay_millis: AtomicU64::new(0),
            got: Mutex::default(),
        });
        let router = Router::new().route("/seoham", post(take)).with_state(Arc::clone(&state));
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let tls = RustlsConfig::from_pem_file(&certificate.0, &certificate.1).await.unwrap();
        let server = axum_server::from_tcp_rustls(listener, tls).unwrap();
        tokio::spawn(server.serve(router.into_make_service()));
        Self { url, state }
    }

    fn answers(&self, status: u16) {
        self.state.status.store(status, Ordering::Relaxed);
    }

    fn got(&self) -> Vec<Delivery> {
        self.state.got.lock().unwrap().clone()
    }

    /// The numbers of the events that it took, in the order in which they came.
    fn taken(&self) -> Vec<u64> {
        let taken = self.got().into_iter().filter(|delivery| delivery.taken);
        taken.flat_map(|delivery| delivery.events()).map(|event| event["seq"].as_u64().unwrap()).collect()
    }

    /// Waits until it took the events up to `last`.
    async fn until(&self, last: u64) {
        eventually(&format!("it took everything up to {last}"), async || {
            self.taken().last().is_some_and(|taken| *taken >= last).then_some(())
        })
        .await;
    }
}

/// A server that trusts the receivers' certificate and may reach this machine.
fn start() -> (Start, (PathBuf, PathBuf)) {
    let start = Start::sandbox();
    let certificate = new_certificate(start.directory(), "receiver");
    let config = start.directory().join("webhooks.toml");
    let ca_file = certificate.0.to_str().unwrap();
    std::fs::write(
        &config,
        format!("[webhooks]\nallow_networks = [\"127.0.0.0/8\"]\nca_file = \"{ca_file}\"\n"),
    )
    .unwrap();
    (start.argument(&format!("--config={}", config.display())), certificate)
}

async fn register(city: &Client, url: &str, types: Option<Value>) -> Answer {
    let mut body = json!({ "url": url });
    if let Some(types) = types {
        body["types"] = types;
    }
    Answer::of(city.post("/v1/webhooks", &body)).await
}

async fn registered(city: &Client, receiver: &Receiver, types: Option<Value>) -> (String, String) {
    let answer = register(city, &receiver.url, types).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let text = |name: &str| answer.body[name].as_str().unwrap().to_owned();
    (text("webhook_id"), text("secret"))
}

async fn call(city: &Client, path: &str, body: &Value) -> Answer {
    Answer::of(city.post(&format!("/v1/webhooks/{path}"), body)).await
}

async fn view(city: &Client, id: &str) -> Value {
    let list = Answer::of(city.get("/v1/webhooks")).await.body;
    let webhooks = list["webhooks"].as_array().unwrap();
    webhooks.iter().find(|webhook| webhook["webhook_id"] == id).unwrap().clone()
}

/// The number of the last event, when nothing more is under way.
async fn last_seq(city: &Client, events: usize) -> u64 {
    let mut reader = Reader::new();
    eventually("the events are numbered", async || {
        reader.read(city).await;
        (reader.events.len() >= events).then_some(())
    })
    .await;
    reader.events.len() as u64
}

#[tokio::test]
async fn a_receiver_gets_everything_in_order_and_signed() {
    let (start, certificate) = start();
    let server = start.up();
    let city = server.institution("가상시청").await;
    let receiver = Receiver::start(&certificate).await;
    city.accepted(&[member_document("BEFORE")]).await;
    last_seq(&city, 3).await;
    let (id, secret) = registered(&city, &receiver, None).await;
    let ping = receiver.got().remove(0);
    assert!(ping.is_signed_with(&secret) && ping.id == format!("{id}-ping"));
    let body: Value = serde_json::from_slice(&ping.body).unwrap();
    assert_eq!(body, json!({ "type": "ping", "webhook_id": id }));

    for _ in 0..3 {
        city.accepted(&documents(100)).await;
    }
    let last = last_seq(&city, 903).await;
    receiver.until(last).await;
    assert_eq!(receiver.taken(), (4..=last).collect::<Vec<_>>(), "once each, from the registration on");
    let mut reader = Reader::new();
    reader.read(&city).await;
    let deliveries: Vec<Delivery> = receiver.got().into_iter().skip(1).collect();
    for delivery in &deliveries {
        let events = delivery.events();
        assert!(delivery.is_signed_with(&secret) && (1..=100).contains(&events.len()));
        let (first, last) = (&events[0]["seq"], &events[events.len() - 1]["seq"]);
        assert_eq!(delivery.id, format!("{id}-{first}-{last}"));
        for event in events {
            let seq = usize::try_from(event["seq"].as_u64().unwrap()).unwrap();
            assert_eq!(event["type"], reader.events[seq - 1]["type"], "as in the feed");
        }
    }
    let webhook = view(&city, &id).await;
    assert_eq!((&webhook["state"], &webhook["through"]), (&json!("active"), &json!(last)));
    let attempts = Answer::of(city.get(&format!("/v1/webhooks/{id}/attempts"))).await.body;
    let newest = &attempts["attempts"][0];
    assert_eq!(
        (&newest["result"], &newest["status"], &newest["last"]),
        (&json!("taken"), &json!(204), &json!(last))
    );

    // Another institution knows nothing of it.
    let bank = server.institution("나라은행").await;
    for (path, body) in [("enable", Value::Null), ("secret", Value::Null), ("replay", json!({ "after": 0 }))]
    {
        call(&bank, &format!("{id}/{path}"), &body).await.is_error(404, "NOT_FOUND");
    }
    assert_eq!(call(&city, &format!("{id}/replay"), &json!({ "after": last - 2 })).await.status, 204);
    eventually("the last two come again", async || (receiver.taken().len() == 902).then_some(())).await;
    let request = http().delete(format!("{}/v1/webhooks/{id}", city.api)).bearer_auth(&city.token);
    assert_eq!(Answer::of(request).await.status, 204);
    assert_eq!(Answer::of(city.get("/v1/webhooks")).await.body, json!({ "webhooks": [] }));
}

#[tokio::test]
async fn a_receiver_gets_what_it_asks_for_and_a_new_secret_signs_beside_the_former() {
    let (start, certificate) = start();
    let server = start.up();
    let city = server.institution("가상시청").await;
    let receiver = Receiver::start(&certificate).await;
    let (id, former) = registered(&city, &receiver, Some(json!(["document.read"]))).await;
    let read = async || {
        let id = city.accepted(&[member_document("A")]).await.remove(0);
        city.until_notified(&id).await;
        let token = city.open_token(&id).await;
        city.verify(&id, &token).await;
        city.mark_read(&id).await;
    };
    read().await;
    receiver.until(6).await;
    assert_eq!(receiver.taken(), [6]);
    let renewed = call(&city, &format!("{id}/secret"), &Value::Null).await;
    let secret = renewed.body["secret"].as_str().unwrap().to_owned();
    read().await;
    receiver.until(12).await;
    let delivery = receiver.got().pop().unwrap();
    assert!(delivery.is_signed_with(&former) && delivery.is_signed_with(&secret));
    city.advance(25 * 60 * 60).await;
    read().await;
    eventually("the next one comes", async || (receiver.taken().len() == 3).then_some(())).await;
    let delivery = receiver.got().pop().unwrap();
    assert!(!delivery.is_signed_with(&former) && delivery.is_signed_with(&secret));
    eventually("it is as far as the feed", async || {
        let webhook = view(&city, &id).await;
        (webhook["through"] == webhook["last_seq"]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_receiver_that_is_down_for_six_days_loses_nothing() {
    let (start, certificate) = start();
    let server = start.up();
    let city = server.institution("가상시청").await;
    let receiver = Receiver::start(&certificate).await;
    let (id, _) = registered(&city, &receiver, None).await;
    receiver.answers(500);
    city.accepted(&documents(100)).await;
    city.accepted(&documents(30)).await;
    let last = last_seq(&city, 390).await;
    let mut next_attempt_at = Value::Null;
    loop {
        // When an attempt was recorded, not when the receiver got it: the time must not advance between the two.
        let webhook = eventually("an attempt is recorded", async || {
            let webhook = view(&city, &id).await;
            let is_recorded = webhook["state"] == "failing" && webhook["next_attempt_at"] != next_attempt_at;
            (is_recorded || webhook["state"] == "disabled").then_some(webhook)
        })
        .await;
        if webhook["state"] == "disabled" {
            break;
        }
        next_attempt_at = webhook["next_attempt_at"].clone();
        // Longer than the longest pause.
        city.advance(11 * 60 * 60).await;
    }
    let webhook = view(&city, &id).await;
    assert_eq!((&webhook["state"], &webhook["disabled_because"]), (&json!("disabled"), &json!("failing")));
    let days =
        (webhook["disabled_at"].as_i64().unwrap() - webhook["failing_since"].as_i64().unwrap()) / 86_400;
    assert_eq!(days, 5);
    let tries: BTreeMap<String, usize> =
        receiver.got().iter().skip(1).fold(BTreeMap::new(), |mut tries, delivery| {
            *tries.entry(delivery.id.clone()).or_default() += 1;
            tries
        });
    assert_eq!(tries.len(), 1, "the next delivery waits: {tries:?}");
    city.advance(24 * 60 * 60).await;
    receiver.answers(204);
    assert_eq!(call(&city, &format!("{id}/enable"), &Value::Null).await.status, 204);
    // What happened meanwhile as well.
    let all = eventually("it is as far as the feed", async || {
        let webhook = view(&city, &id).await;
        (webhook["through"] == webhook["last_seq"]).then(|| webhook["last_seq"].as_u64().unwrap())
    })
    .await;
    assert!(all >= last);
    assert_eq!(receiver.taken(), (1..=all).collect::<Vec<_>>(), "in order, once");
    let taken: Vec<String> =
        receiver.got().iter().filter(|delivery| delivery.taken).map(|delivery| delivery.id.clone()).collect();
    let mut once = taken.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), taken.len(), "once by their ids");
    assert!(taken.contains(tries.keys().next().unwrap()), "a retry is the same delivery");
}

#[tokio::test]
async fn a_slow_receiver_delays_nobody_and_one_that_is_gone_is_left_alone() {
    let (start, certificate) = start();
    let server = start.up();
    let city = server.institution("가상시청").await;
    let (slow, quick, gone) = (
        Receiver::start(&certificate).await,
        Receiver::start(&certificate).await,
        Receiver::start(&certificate).await,
    );
    for receiver in [&slow, &quick] {
        registered(&city, receiver, None).await;
    }
    let (of_gone, _) = registered(&city, &gone, None).await;
    slow.state.delay_millis.store(8_000, Ordering::Relaxed);
    gone.answers(410);
    for _ in 0..3 {
        city.accepted(&documents(100)).await;
    }
    let last = last_seq(&city, 900).await;
    quick.until(last).await;
    assert!(slow.got().len() < 6, "it is not waited for: at most this many of nine");
    eventually("it is disabled at once", async || {
        let webhook = view(&city, &of_gone).await;
        (webhook["disabled_because"] == "gone").then_some(())
    })
    .await;
    assert_eq!(gone.got().len(), 2, "the ping and one attempt");
}

#[tokio::test]
async fn a_server_that_is_killed_delivers_the_rest() {
    let (start, certificate) = start();
    let mut server = start.up();
    let city = server.institution("가상시청").await;
    let receiver = Receiver::start(&certificate).await;
    registered(&city, &receiver, None).await;
    receiver.state.delay_millis.store(30, Ordering::Relaxed);
    for _ in 0..5 {
        city.accepted(&documents(100)).await;
    }
    // On PostgreSQL the lease of a killed process must end before another one serves the webhook.
    let kills = if start.backing().is_embedded() { 3 } else { 1 };
    for n in 1..=kills {
        eventually("some are delivered", async || (receiver.got().len() > n * 2).then_some(())).await;
        server.kill();
        server = start.up();
    }
    let city = city.at(&server);
    // Every acceptance and receipt. The notifications that the killed process claimed come when their leases end.
    let last = last_seq(&city, 1_000).await;
    eventually("everything is delivered", async || {
        let taken: std::collections::BTreeSet<u64> = receiver.taken().into_iter().collect();
        taken.into_iter().filter(|number| *number <= last).eq(1..=last).then_some(())
    })
    .await;
    let mut of_ids: BTreeMap<String, Bytes> = BTreeMap::new();
    for delivery in receiver.got().into_iter().skip(1) {
        let first = of_ids.entry(delivery.id.clone()).or_insert_with(|| delivery.body.clone());
        let numbers = |body: &Bytes| {
            let body: Value = serde_json::from_slice(body).unwrap();
            body["events"].as_array().unwrap().iter().map(|event| event["seq"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(first), numbers(&delivery.body), "an id is one delivery");
    }
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    for (url, says) in [
        ("https://127.0.0.1:9/", "public Internet"),
        ("https://[::ffff:10.0.0.1]/", "public Internet"),
        ("https://169.254.169.254/latest/meta-data", "public Internet"),
        ("https://localhost/", "public Internet"),
        ("http://hooks.example.kr/", "not an https URL"),
        ("hooks.example.kr", "not an absolute URL"),
        ("https://user:secret@hooks.example.kr/", "without user information"),
    ] {
        let request = city.post("/v1/webhooks", &json!({ "url": url })).header("accept-language", "en");
        let answer = Answer::of(request).await;
        answer.is_error(400, "INVALID_VALUE");
        assert!(
            answer.message().starts_with("url: ") && answer.message().contains(says),
            "{}",
            answer.message()
        );
    }
    let request = city.post("/v1/webhooks", &json!({ "url": "https://x.kr/", "types": ["x"] }));
    assert!(Answer::of(request).await.message().contains("types"));
    // A receiver that does not take the ping is not registered.
    let (start, certificate) = start();
    let server: Server = start.up();
    let city = server.institution("가상시청").await;
    let receiver = Receiver::start(&certificate).await;
    receiver.answers(302);
    let answer = register(&city, &receiver.url, None).await;
    assert!(answer.status == 400 && answer.message().contains("302"), "{}", answer.message());
    assert_eq!(receiver.got().len(), 1);
    assert_eq!(Answer::of(city.get("/v1/webhooks")).await.body, json!({ "webhooks": [] }));
}

#[tokio::test]
async fn an_administrator_removes_what_nobody_looks_after() {
    let (start, certificate) = start();
    let server = start.up();
    let (city, bank) = (server.institution("가상시청").await, server.institution("나라은행").await);
    let receiver = Receiver::start(&certificate).await;
    let (id, _) = registered(&city, &receiver, None).await;
    let remove = async |institution: &str| {
        server.admin("DELETE", &format!("institutions/{institution}/webhooks/{id}"), None).await.0
    };
    assert_eq!(remove(&bank.id).await, 404, "another institution's");
    assert_eq!(remove(&city.id).await, 204);
    assert_eq!(remove(&city.id).await, 404);
    assert_eq!(Answer::of(city.get("/v1/webhooks")).await.body, json!({ "webhooks": [] }));
    let log = server.admin("GET", &format!("institutions/{}/log", city.id), None).await.1;
    assert!(log.to_string().contains(&id), "the institution's agency sees who did: {log}");
}
