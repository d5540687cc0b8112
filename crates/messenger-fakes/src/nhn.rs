//! NHN Cloud: it fills in the template, and remembers an idempotency key for ten minutes.

use std::collections::HashMap;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};

use crate::faults::json;
use crate::ledger::{BUTTON, Message, Result, fill, is_refused};
use crate::server::{SECRET, Shared};

const BATCH_MAX: usize = 1_000;

fn failed(code: i64, message: &str) -> Response {
    json(200, &json!({"header": {"resultCode": code, "resultMessage": message, "isSuccessful": false}}))
}

fn good() -> Value {
    json!({"resultCode": 0, "resultMessage": "SUCCESS", "isSuccessful": true})
}

fn is_known(shared: &Shared, headers: &HeaderMap) -> bool {
    !shared.faults.is_unauthorized_now() && headers.get("x-secret-key").is_some_and(|key| key == SECRET)
}

pub(crate) async fn send(
    State(shared): State<Shared>,
    headers: HeaderMap,
    axum::Json(body): axum::Json<Value>,
) -> Response {
    shared.faults.take_time().await;
    if !is_known(&shared, &headers) {
        return failed(-1001, "Invalid secret key.");
    }
    let template = body["templateCode"].as_str().unwrap_or_default();
    let Some(approved) = shared.ledger.approved(template) else {
        return failed(-3003, "Template not exists.");
    };
    let recipients = body["recipientList"].as_array().map_or(&[][..], Vec::as_slice);
    if recipients.len() > BATCH_MAX || recipients.is_empty() {
        return failed(-2004, "Invalid recipient count.");
    }
    let key = headers.get("x-nc-api-idempotency-key").and_then(|key| key.to_str().ok());
    if key.is_some_and(|key| !shared.ledger.is_new(key, Duration::from_mins(10))) {
        return failed(-1005, "Duplicated request.");
    }
    let request = format!("REQ{:012}", shared.ledger.new_call());
    let mut results = Vec::new();
    for (index, recipient) in recipients.iter().enumerate() {
        let to = recipient["recipientNo"].as_str().unwrap_or_default();
        let value = |name: &str| recipient["templateParameter"][name].as_str().map(str::to_owned);
        let text = fill(&approved, value);
        let code = match &text {
            _ if is_refused(to) => -4019,
            None => -3004,
            Some(_) => 0,
        };
        let own_id = recipient["recipientGroupingKey"].as_str().unwrap_or_default();
        results.push(json!({
            "recipientSeq": index + 1,
            "recipientNo": to,
            "resultCode": code,
            "resultMessage": if code == 0 { "SUCCESS" } else { "Invalid recipient." },
            "recipientGroupingKey": own_id,
        }));
        if let Some(text) = text.filter(|_| code == 0) {
            let resend = &recipient["resendParameter"];
            let fallback = resend["isResend"] == true;
            shared.ledger.add(Message {
                own_id: own_id.to_owned(),
                template: template.to_owned(),
                to: to.to_owned(),
                text,
                link: value("링크").unwrap_or_default(),
                fallback: fallback.then(|| resend["resendContent"].as_str().unwrap_or_default().to_owned()),
                call_id: request.clone(),
                place: index + 1,
                ..Message::taken_now()
            });
        }
    }
    let answer = json!({"header": good(), "message": {"requestId": request, "sendResults": results}});
    shared.faults.answer(json(200, &answer))
}

/// What became of a message, as the lists show it.
pub(crate) fn outcome(message: &Message, with_key: bool) -> Value {
    let (status, code, resend) = match message.result() {
        Result::Pending => ("READY", Value::Null, "RSC01"),
        Result::Arrived => ("COMPLETED", "MRC01".into(), "RSC01"),
        Result::Fallback => ("FAILED", "3019".into(), "RSC04"),
        Result::NoUser => ("FAILED", "3019".into(), "RSC01"),
        Result::WrongTemplate => ("FAILED", "3016".into(), "RSC01"),
    };
    let mut outcome = json!({
        "requestId": message.call_id,
        "recipientSeq": message.place,
        "recipientNo": message.to,
        "messageStatus": status,
        "resendStatus": resend,
        "receiveDate": jiff::Timestamp::now().to_string(),
        "resultCodeName": "",
    });
    if !code.is_null() {
        outcome["resultCode"] = code;
    }
    if with_key {
        outcome["recipientGroupingKey"] = message.own_id.clone().into();
    }
    outcome
}

fn page<T>(all: impl Iterator<Item = T>, query: &HashMap<String, String>) -> impl Iterator<Item = T> {
    let number = |name: &str, default: usize| query.get(name).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (number, size) = (number("pageNum", 1), number("pageSize", 15).min(1_000));
    all.skip((number - 1) * size).take(size)
}

pub(crate) async fn list(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    shared.faults.take_time().await;
    if !is_known(&shared, &headers) {
        return failed(-1001, "Invalid secret key.");
    }
    if shared.faults.fails_question() {
        return failed(-9999, "System error.");
    }
    // The key of the sender is not kept here: everything is found, and the reader looks for its own.
    let messages = shared.ledger.lock();
    let found: Vec<Value> = page(messages.iter(), &query).map(|message| outcome(message, true)).collect();
    let count = messages.len();
    json(
        200,
        &json!({"header": good(), "messageSearchResultResponse": {"messages": found, "totalCount": count}}),
    )
}

pub(crate) async fn results(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    shared.faults.take_time().await;
    if !is_known(&shared, &headers) {
        return failed(-1001, "Invalid secret key.");
    }
    if shared.faults.fails_question() {
        return failed(-9999, "System error.");
    }
    let start = query.get("startUpdateDate").and_then(|date| seconds_ago(date)).unwrap_or(u64::MAX);
    let messages = shared.ledger.lock();
    let is_done = |message: &&Message| {
        message.result() != Result::Pending && message.taken_at.elapsed().as_secs() <= start
    };
    let done = page(messages.iter().filter(is_done), &query);
    let found: Vec<Value> = done.map(|message| outcome(message, false)).collect();
    json(200, &json!({"header": good(), "messages": found}))
}

/// How long ago a time in Seoul is, in seconds.
fn seconds_ago(date: &str) -> Option<u64> {
    let civil: jiff::civil::DateTime = date.replace(' ', "T").parse().ok()?;
    let seoul = jiff::tz::TimeZone::fixed(jiff::tz::Offset::constant(9));
    let at = civil.to_zoned(seoul).ok()?.timestamp().as_second();
    u64::try_from(jiff::Timestamp::now().as_second() - at).ok()
}

pub(crate) async fn one(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path((_, request, seq)): Path<(String, String, usize)>,
) -> Response {
    shared.faults.take_time().await;
    if !is_known(&shared, &headers) {
        return failed(-1001, "Invalid secret key.");
    }
    if shared.faults.fails_question() {
        return failed(-9999, "System error.");
    }
    let messages = shared.ledger.of_call(&request);
    match messages.iter().find(|message| message.place == seq) {
        Some(message) => json(200, &json!({"header": good(), "message": outcome(message, true)})),
        None => failed(-1016, "Not found."),
    }
}

pub(crate) async fn template(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Path((_, _, code)): Path<(String, String, String)>,
) -> Response {
    if !is_known(&shared, &headers) {
        return failed(-1001, "Invalid secret key.");
    }
    let Some(approved) = shared.ledger.approved(&code) else {
        return failed(-3003, "Template not exists.");
    };
    let template = json!({
        "templateCode": code,
        "templateContent": approved,
        "status": "TSC03",
        "statusName": "승인",
        "block": false,
        "buttons": [{"ordering": 1, "type": "WL", "name": BUTTON, "linkMo": "#{링크}", "linkPc": "#{링크}"}],
    });
    json(200, &json!({"header": good(), "templates": template}))
}
