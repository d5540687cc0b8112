//! Solapi: it fills in the template, and keeps custom fields.

use std::collections::{BTreeMap, HashMap};

use aws_lc_rs::hmac;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use crate::faults::json;
use crate::ledger::{BUTTON, Message, Result, fill, is_refused};
use crate::server::{SECRET, Shared};

const BATCH_MAX: usize = 10_000;

fn refused(code: &str, message: &str) -> Response {
    json(400, &json!({"errorCode": code, "errorMessage": message}))
}

/// Whether a call is signed; every salt is used once.
fn is_signed(shared: &Shared, headers: &HeaderMap) -> bool {
    let header = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(parts) = header.strip_prefix("HMAC-SHA256 ") else { return false };
    let parts: HashMap<&str, &str> = parts.split(", ").filter_map(|part| part.split_once('=')).collect();
    let (Some(date), Some(salt), Some(signature)) =
        (parts.get("date"), parts.get("salt"), parts.get("signature"))
    else {
        return false;
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let Ok(signature) = hex::decode(signature) else { return false };
    !shared.faults.is_unauthorized_now()
        && (12..=64).contains(&salt.len())
        && date.parse::<jiff::Timestamp>().is_ok()
        && hmac::verify(&key, format!("{date}{salt}").as_bytes(), &signature).is_ok()
        && shared.ledger.is_new(&format!("salt {salt}"), std::time::Duration::from_mins(15))
}

pub(crate) async fn send(
    State(shared): State<Shared>,
    headers: HeaderMap,
    axum::Json(body): axum::Json<Value>,
) -> Response {
    shared.faults.take_time().await;
    if !is_signed(&shared, &headers) {
        return json(403, &json!({"errorCode": "SignatureDoesNotMatch", "errorMessage": "signature"}));
    }
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    if messages.len() > BATCH_MAX || messages.is_empty() {
        return refused("ValidationError", "messages");
    }
    let group = format!("G4V{:012}", shared.ledger.new_call());
    let (mut failed, mut taken) = (Vec::new(), Vec::new());
    for (index, message) in messages.iter().enumerate() {
        let to = message["to"].as_str().unwrap_or_default();
        let options = &message["kakaoOptions"];
        let value = |name: &str| options["variables"][format!("#{{{name}}}")].as_str().map(str::to_owned);
        let template = options["templateId"].as_str().unwrap_or_default();
        let approved = shared.ledger.approved(template);
        let text = approved.as_deref().and_then(|approved| fill(approved, value));
        let code = match &text {
            _ if is_refused(to) => "3010",
            _ if approved.is_none() => "1042",
            None => "1043",
            Some(_) => "2000",
        };
        let id = format!("M4V{group}{index:06}");
        let item = json!({
            "messageId": id,
            "to": to,
            "statusCode": code,
            "statusMessage": if code == "2000" { "정상 접수" } else { "접수 실패" },
            "customFields": message["customFields"],
        });
        if let Some(text) = text.filter(|_| code == "2000") {
            taken.push(item);
            let fallback = options["disableSms"] == false;
            shared.ledger.add(Message {
                own_id: message["customFields"]["seoham"].as_str().unwrap_or_default().to_owned(),
                template: template.to_owned(),
                to: to.to_owned(),
                text,
                link: value("링크").unwrap_or_default(),
                fallback: fallback.then(|| message["text"].as_str().unwrap_or_default().to_owned()),
                call_id: id,
                place: index + 1,
                ..Message::taken_now()
            });
        } else {
            failed.push(item);
        }
    }
    let answer = json!({"groupInfo": {"groupId": group}, "failedMessageList": failed, "messageList": taken});
    shared.faults.answer(json(200, &answer))
}

pub(crate) async fn list(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    shared.faults.take_time().await;
    if !is_signed(&shared, &headers) {
        return json(403, &json!({"errorCode": "SignatureDoesNotMatch", "errorMessage": "signature"}));
    }
    if shared.faults.fails_question() {
        return json(500, &json!({"errorCode": "InternalError", "errorMessage": "internal"}));
    }
    let limit: usize = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(20).min(500);
    let start: usize = query.get("startKey").and_then(|key| key.parse().ok()).unwrap_or(0);
    let (found, count) = if let Some(ids) = query.get("messageIds") {
        let all: Vec<Message> = ids.split(',').flat_map(|id| shared.ledger.of_call(id)).collect();
        (all.iter().skip(start).take(limit).cloned().collect::<Vec<_>>(), all.len())
    } else {
        let all = shared.ledger.lock();
        (all.iter().skip(start).take(limit).cloned().collect(), all.len())
    };
    let item = |message: &Message| {
        let (code, kind) = match message.result() {
            Result::Pending => ("3000", "ATA"),
            Result::Arrived => ("4000", "ATA"),
            Result::Fallback => ("4000", "LMS"),
            Result::NoUser => ("3104", "ATA"),
            Result::WrongTemplate => ("3103", "ATA"),
        };
        let item = json!({
            "messageId": message.call_id,
            "type": kind,
            "statusCode": code,
            "customFields": {"seoham": message.own_id},
            "dateReceived": jiff::Timestamp::now().to_string(),
        });
        (message.call_id.clone(), item)
    };
    let found: BTreeMap<String, Value> = found.iter().map(item).collect();
    let next = (start + limit < count).then(|| (start + limit).to_string());
    json(200, &json!({"startKey": start.to_string(), "nextKey": next, "limit": limit, "messageList": found}))
}

pub(crate) async fn template(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path(code): Path<String>,
) -> Response {
    if !is_signed(&shared, &headers) {
        return json(403, &json!({"errorCode": "SignatureDoesNotMatch", "errorMessage": "signature"}));
    }
    let Some(approved) = shared.ledger.approved(&code) else {
        return json(404, &json!({"errorCode": "ResourceNotFound", "errorMessage": "template"}));
    };
    let template = json!({
        "templateId": code,
        "content": approved,
        "status": "APPROVED",
        "buttons": [{"buttonName": BUTTON, "buttonType": "WL", "linkMo": "#{링크}", "linkPc": "#{링크}"}],
    });
    json(200, &template)
}
