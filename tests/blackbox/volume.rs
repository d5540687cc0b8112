//! Announced and actual volumes, and the alert when more arrives (SPEC 9).

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use seoham_model::SeoulDay;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::harness::{Start, documents, eventually};

const SECRET: &str = "whsec_c2VvaGFtIGJsYWNrIGJveCB0ZXN0IHNlY3JldA==";

/// The operator's receiver of alerts, which fails the first time.
#[derive(Clone, Default)]
struct Receiver(Arc<Mutex<Vec<(String, Value)>>>);

impl Receiver {
    async fn start(&self) -> String {
        let receive = async |State(this): State<Receiver>, headers: HeaderMap, body: String| {
            Webhook::new(SECRET).unwrap().verify(body.as_bytes(), &headers).expect("signed as prescribed");
            let id = headers["webhook-id"].to_str().unwrap().to_owned();
            let mut taken = this.0.lock().unwrap();
            taken.push((id, serde_json::from_str(&body).unwrap()));
            if taken.len() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
        };
        let app = Router::new().route("/alerts", post(receive)).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        format!("http://{address}/alerts")
    }
}

fn plan(from: SeoulDay, to: SeoulDay, documents_per_day: u64) -> Value {
    json!({
        "name": "12월 정기분", "from": from.to_string(), "to": to.to_string(), "documents_per_day": documents_per_day,
        "expected_tps": 20, "purpose": "자동차세 고지서",
    })
}

#[tokio::test]
async fn more_than_was_announced_is_told_and_never_refused() {
    let receiver = Receiver::default();
    let server = Start::sandbox()
        .env("SEOHAM_VOLUME__DOCUMENTS_PER_DAY", "50")
        .env("SEOHAM_VOLUME__WEBHOOK_URL", &receiver.start().await)
        .env("SEOHAM_VOLUME__WEBHOOK_SECRET", SECRET)
        .up();
    let (city, bank) = (server.institution("가상시청").await, server.institution("가상은행").await);
    let path = |id: &str, rest: &str| format!("institutions/{id}/volume-plans{rest}");
    let today = SeoulDay::of(seoham_model::UnixSeconds(city.advance(0).await));

    // The bank's plan is approved, the city's only announced.
    for client in [&city, &bank] {
        let (status, made) = server.admin("POST", &path(&client.id, ""), Some(plan(today, today, 120))).await;
        assert_eq!((status, &made["state"]), (201, &json!("announced")), "{made}");
    }
    let waiting = server.admin("GET", "volume-plans", None).await.1;
    assert_eq!(waiting["volume_plans"].as_array().unwrap().len(), 2);
    let of_bank = &waiting["volume_plans"][1];
    assert_eq!(of_bank["institution_id"], json!(bank.id));
    let of_bank = of_bank["volume_plan_id"].as_str().unwrap().to_owned();
    let foreign = path(&city.id, &format!("/{of_bank}/approve"));
    assert_eq!(server.admin("POST", &foreign, None).await.0, 404, "another institution's plan");
    let (status, approved) =
        server.admin("POST", &path(&bank.id, &format!("/{of_bank}/approve")), None).await;
    assert_eq!((status, &approved["state"]), (200, &json!("approved")), "{approved}");

    city.accepted(&documents(49)).await;
    bank.accepted(&documents(100)).await;
    city.accepted(&documents(1)).await;
    let shown = eventually("the city's day is told", async || {
        let shown = server.admin("GET", &path(&city.id, ""), None).await.1;
        shown["days"][0]["alerted_at"].is_i64().then_some(shown)
    })
    .await;
    assert_eq!(shown["days"][0]["day"], json!(today.to_string()));
    assert_eq!((&shown["days"][0]["accepted"], &shown["days"][0]["planned"]), (&json!(50), &json!(0)));
    assert_eq!(shown["today"]["accepted"], 50);
    assert!(shown["today"]["forecast"].as_u64().unwrap() >= 50);
    city.accepted(&documents(100)).await;

    let received = eventually("the receiver has taken it", async || {
        let received = receiver.0.lock().unwrap().clone();
        (received.len() >= 2).then_some(received)
    })
    .await;
    assert_eq!(received[0], received[1], "the same id and the same body until it is taken");
    assert_eq!(received[0].0, format!("{}-{today}", city.id));
    assert_eq!(received[0].1["type"], "volume.unannounced");
    let data = &received[0].1["data"];
    assert_eq!((&data["accepted"], &data["expected"]), (&json!(50), &json!(50)));
    assert_eq!(data["institution_name"], "가상시청");

    // The bank has sent the approved volume; one document more is too much.
    let of_bank = server.admin("GET", &path(&bank.id, ""), None).await.1;
    assert!(of_bank["days"][0]["alerted_at"].is_null(), "{of_bank}");
    assert_eq!(of_bank["days"][0]["planned"], 120);
    bank.accepted(&documents(21)).await;
    eventually("the bank's day is told", async || {
        let shown = server.admin("GET", &path(&bank.id, ""), None).await.1;
        shown["days"][0]["alerted_at"].is_i64().then_some(())
    })
    .await;
    let metrics = server.metrics().await;
    let of_city = format!("seoham_volume_alerts_total{{institution=\"{}\"}} 1", city.id);
    assert!(metrics.contains(&of_city), "{metrics}");
    let log = std::fs::read_to_string(server.data().with_extension("log")).unwrap();
    assert_eq!(log.matches("more documents than were announced and approved").count(), 2, "{log}");
}

#[tokio::test]
async fn a_plan_is_read_with_care() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let path = format!("institutions/{}/volume-plans", city.id);
    let today = SeoulDay::of(seoham_model::UnixSeconds(city.advance(0).await));
    let good = plan(today, today.plus_days(365), 1_000_000);
    assert_eq!(server.admin("POST", &path, Some(good.clone())).await.0, 201);
    for (member, value) in [
        ("name", json!(" ")),
        ("from", json!("20261201")),
        ("from", json!("2026-02-30")),
        ("to", json!(today.plus_days(366).to_string())),
        ("to", json!(today.plus_days(-1).to_string())),
        ("documents_per_day", json!(0)),
        ("documents_per_day", json!("많이")),
        ("expected_tps", Value::Null),
        ("purpose", json!("가".repeat(501))),
    ] {
        let mut bad = good.clone();
        bad[member] = value;
        let (status, answer) = server.admin("POST", &path, Some(bad)).await;
        assert_eq!(status, 400, "{member}: {answer}");
        assert!(answer["error_message"].as_str().unwrap().contains(member), "{member}: {answer}");
    }
    let nobody = format!("institutions/INS-{}/volume-plans", "0".repeat(32));
    assert_eq!(server.admin("POST", &nobody, Some(good)).await.0, 404);
    assert_eq!(server.admin("GET", &nobody, None).await.0, 404);
    for query in ["?from=2026-01-01&to=2027-01-02", "?from=2026-01-02&to=2026-01-01", "?to=tomorrow"] {
        assert_eq!(server.admin("GET", &format!("{path}{query}"), None).await.0, 400, "{query}");
    }
    let year = server.admin("GET", &format!("{path}?from=2026-01-01&to=2027-01-01"), None).await;
    assert_eq!(year.0, 200, "{}", year.1);
}
