//! Bizppurio: one message a call, results by polling and confirming.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::faults::json;
use crate::ledger::{Message, Result, is_refused};
use crate::server::{ACCOUNT, SECRET, Shared};

const TOKEN: &str = "fake-token";
const PAGE: usize = 1_000;
const REFERENCE_MAX: usize = 32;

fn failed(code: i64, description: &str) -> Response {
    json(400, &json!({"code": code, "description": description}))
}

fn authorization(headers: &HeaderMap) -> &str {
    headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn has_token(shared: &Shared, headers: &HeaderMap) -> bool {
    !shared.faults.is_unauthorized_now() && authorization(headers) == format!("Bearer {TOKEN}")
}

pub(crate) async fn token(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let expected = format!("Basic {}", STANDARD.encode(format!("{ACCOUNT}:{SECRET}")));
    if shared.faults.is_unauthorized_now() || authorization(&headers) != expected {
        return failed(3001, "invalid basic authorization");
    }
    json(200, &json!({"accesstoken": TOKEN, "type": "Bearer", "expired": "20991231235959"}))
}

pub(crate) async fn send(
    State(shared): State<Shared>,
    headers: HeaderMap,
    axum::Json(body): axum::Json<Value>,
) -> Response {
    shared.faults.take_time().await;
    if !has_token(&shared, &headers) {
        return failed(3002, "invalid token");
    }
    let (to, key) = (body["to"].as_str().unwrap_or_default(), body["refkey"].as_str().unwrap_or_default());
    let content = &body["content"]["at"];
    let template = content["templatecode"].as_str().unwrap_or_default();
    let is_known = shared.ledger.approved(template).is_some() && body["account"] == ACCOUNT;
    if !is_known || is_refused(to) || key.is_empty() || key.len() > REFERENCE_MAX {
        return failed(2000, "invalid message");
    }
    let message_key = format!("{:024}", shared.ledger.new_call());
    let fallback = body["resend"]["first"].as_str().map(|kind| body["recontent"][kind]["message"].clone());
    shared.ledger.add(Message {
        own_id: key.to_owned(),
        template: template.to_owned(),
        to: to.to_owned(),
        text: content["message"].as_str().unwrap_or_default().to_owned(),
        link: content["button"][0]["url_mobile"].as_str().unwrap_or_default().to_owned(),
        fallback: fallback.map(|text| text.as_str().unwrap_or_default().to_owned()),
        call_id: message_key.clone(),
        place: 1,
        ..Message::taken_now()
    });
    let answer = json!({"code": 1000, "description": "success", "refkey": key, "messagekey": message_key});
    shared.faults.answer(json(200, &answer))
}

pub(crate) async fn results(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    shared.faults.take_time().await;
    if !has_token(&shared, &headers) {
        return failed(3002, "invalid token");
    }
    if shared.faults.fails_question() {
        return json(500, &json!({"code": 5000, "description": "internal error"}));
    }
    let messages = shared.ledger.lock();
    let open = messages.iter().filter(|message| !message.confirmed);
    let report = |message: &Message| {
        let (media, result) = match message.result() {
            Result::Pending => return None,
            Result::Arrived => ("KAT", "7000"),
            Result::Fallback => ("LMS", "6600"),
            Result::NoUser => ("KAT", "7318"),
            Result::WrongTemplate => ("KAT", "7204"),
        };
        Some(json!({
            "msgid": message.call_id,
            "phone": message.to,
            "media": media,
            "unixtime": jiff::Timestamp::now().as_second().to_string(),
            "result": result,
            "refkey": message.own_id,
        }))
    };
    let reports: Vec<Value> = open.filter_map(report).take(PAGE).collect();
    json(200, &json!({"code": "1000", "description": "success", "report": reports}))
}

pub(crate) async fn confirm(
    State(shared): State<Shared>,
    headers: HeaderMap,
    axum::Json(body): axum::Json<Value>,
) -> Response {
    if !has_token(&shared, &headers) {
        return failed(3002, "invalid token");
    }
    for id in body["msgid"].as_array().into_iter().flatten() {
        shared.ledger.confirm(id["msgid"].as_str().unwrap_or_default());
    }
    json(200, &json!({"code": 1000, "description": "Success"}))
}
