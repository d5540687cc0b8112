//! Naver Cloud SENS: finished texts, results by polling alone.

use std::collections::HashMap;

use aws_lc_rs::hmac;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::faults::json;
use crate::ledger::{BUTTON, Message, Result, is_refused};
use crate::server::{ACCOUNT, SECRET, Shared};

const BATCH_MAX: usize = 100;

fn unauthorized() -> Response {
    json(401, &json!({"error": {"errorCode": "200", "message": "Authentication Failed", "details": ""}}))
}

fn is_signed(shared: &Shared, headers: &HeaderMap, method: &Method, uri: &Uri) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let timestamp = header("x-ncp-apigw-timestamp");
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let text = format!("{method} {path}\n{timestamp}\n{ACCOUNT}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let Ok(signature) = STANDARD.decode(header("x-ncp-apigw-signature-v2")) else { return false };
    let age = timestamp.parse::<i64>().map_or(i64::MAX, |at| jiff::Timestamp::now().as_millisecond() - at);
    !shared.faults.is_unauthorized_now()
        && header("x-ncp-iam-access-key") == ACCOUNT
        && age.abs() < 300_000
        && hmac::verify(&key, text.as_bytes(), &signature).is_ok()
}

pub(crate) async fn send(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    axum::Json(body): axum::Json<Value>,
) -> Response {
    shared.faults.take_time().await;
    if !is_signed(&shared, &headers, &method, &uri) {
        return unauthorized();
    }
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    let template = body["templateCode"].as_str().unwrap_or_default();
    if shared.ledger.approved(template).is_none() || messages.len() > BATCH_MAX || messages.is_empty() {
        return json(400, &json!({"error": {"errorCode": "400", "message": "Bad Request", "details": ""}}));
    }
    let request = format!("RPMSMM{:012}", shared.ledger.new_call());
    let mut results = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let to = message["to"].as_str().unwrap_or_default();
        let id = format!("{request}-{index}");
        let is_refused = is_refused(to);
        results.push(json!({
            "messageId": id,
            "to": to,
            "requestStatusCode": if is_refused { "A001" } else { "A000" },
            "requestStatusName": if is_refused { "fail" } else { "success" },
            "requestStatusDesc": if is_refused { "잘못된 번호" } else { "성공" },
        }));
        if !is_refused {
            let fallback = message["useSmsFailover"] == true;
            let content = &message["failoverConfig"]["content"];
            shared.ledger.add(Message {
                own_id: id.clone(),
                template: template.to_owned(),
                to: to.to_owned(),
                text: message["content"].as_str().unwrap_or_default().to_owned(),
                link: message["buttons"][0]["linkMobile"].as_str().unwrap_or_default().to_owned(),
                fallback: fallback.then(|| content.as_str().unwrap_or_default().to_owned()),
                call_id: id,
                place: index + 1,
                ..Message::taken_now()
            });
        }
    }
    let answer =
        json!({"requestId": request, "statusCode": "202", "statusName": "success", "messages": results});
    shared.faults.answer(json(202, &answer))
}

pub(crate) async fn one(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Path((_, id)): Path<(String, String)>,
) -> Response {
    shared.faults.take_time().await;
    if !is_signed(&shared, &headers, &method, &uri) {
        return unauthorized();
    }
    if shared.faults.fails_question() {
        return json(500, &json!({"error": {"errorCode": "900", "message": "Unexpected error"}}));
    }
    let messages = shared.ledger.of_call(&id);
    let Some(message) = messages.first() else {
        return json(404, &json!({}));
    };
    let mut found = json!({
        "messageId": id,
        "to": message.to,
        "requestStatusCode": "A000",
        "useSmsFailover": message.fallback.is_some(),
        "completeTime": jiff::Timestamp::now().to_string(),
    });
    match message.result() {
        Result::Pending => found["messageStatusName"] = "processing".into(),
        Result::Arrived => {
            (found["messageStatusCode"], found["messageStatusName"]) = ("0000".into(), "success".into());
        }
        Result::NoUser => {
            (found["messageStatusCode"], found["messageStatusName"]) = ("3019".into(), "fail".into());
        }
        Result::WrongTemplate => {
            (found["messageStatusCode"], found["messageStatusName"]) = ("3016".into(), "fail".into());
        }
        Result::Fallback => {
            (found["messageStatusCode"], found["messageStatusName"]) = ("3019".into(), "fail".into());
            found["failover"] = json!({"messageStatusCode": "0", "messageStatusName": "success"});
        }
    }
    json(200, &found)
}

pub(crate) async fn template(
    State(shared): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if !is_signed(&shared, &headers, &method, &uri) {
        return unauthorized();
    }
    let mut found = Vec::new();
    let code = query.get("templateCode").map_or("", String::as_str);
    if let Some(approved) = shared.ledger.approved(code) {
        found.push(json!({
            "templateCode": code,
            "content": approved,
            "templateInspectionStatus": "COMPLETE",
            "templateStatus": "ACTIVE",
            "buttons": [{"order": 1, "type": "WL", "name": BUTTON, "linkMobile": "#{링크}", "linkPc": "#{링크}"}],
        }));
    }
    json(200, &Value::Array(found))
}
