//! Aligo: forms, a token, results by the number of the call.

use std::collections::HashMap;

use axum::extract::State;
use axum::response::Response;
use serde_json::{Value, json};

use crate::faults::json;
use crate::ledger::{BUTTON, Message, Result};
use crate::server::{ACCOUNT, SECRET, Shared};

const BATCH_MAX: usize = 500;
const TOKEN: &str = "fake-token";

type Form = axum::Form<HashMap<String, String>>;

fn failed(message: &str) -> Response {
    json(200, &json!({"code": -99, "message": message}))
}

fn is_known(shared: &Shared, form: &HashMap<String, String>) -> bool {
    let is = |name: &str, value: &str| form.get(name).is_some_and(|given| given == value);
    !shared.faults.is_unauthorized_now() && is("apikey", SECRET) && is("userid", ACCOUNT)
}

fn has_token(form: &HashMap<String, String>) -> bool {
    form.get("token").is_some_and(|token| token == TOKEN)
}

pub(crate) async fn token(State(shared): State<Shared>, axum::Form(form): Form) -> Response {
    if !is_known(&shared, &form) {
        return failed("인증오류입니다.");
    }
    json(
        200,
        &json!({"code": 0, "message": "정상적으로 생성하였습니다.", "token": TOKEN, "urlencode": TOKEN}),
    )
}

pub(crate) async fn send(State(shared): State<Shared>, axum::Form(form): Form) -> Response {
    shared.faults.take_time().await;
    if !is_known(&shared, &form) || !has_token(&form) {
        return failed("인증오류입니다.");
    }
    let text = |name: &str| form.get(name).cloned().unwrap_or_default();
    if shared.ledger.approved(&text("tpl_code")).is_none() {
        return failed("템플릿이 존재하지 않습니다.");
    }
    let mid = shared.ledger.new_call();
    let mut count = 0;
    while count <= BATCH_MAX && form.contains_key(&format!("receiver_{}", count + 1)) {
        count += 1;
        let of = |name: &str| text(&format!("{name}_{count}"));
        let buttons: Value = serde_json::from_str(&of("button")).unwrap_or_default();
        shared.ledger.add(Message {
            own_id: format!("{mid}-{count}"),
            template: text("tpl_code"),
            to: of("receiver"),
            text: of("message"),
            link: buttons["button"][0]["linkMo"].as_str().unwrap_or_default().to_owned(),
            fallback: (text("failover") == "Y").then(|| of("fmessage")),
            call_id: mid.to_string(),
            place: count,
            ..Message::taken_now()
        });
    }
    let info = json!({"type": "AT", "mid": mid, "scnt": count, "fcnt": 0});
    shared
        .faults
        .answer(json(200, &json!({"code": 0, "message": "성공적으로 전송요청 하였습니다.", "info": info})))
}

pub(crate) async fn detail(State(shared): State<Shared>, axum::Form(form): Form) -> Response {
    shared.faults.take_time().await;
    if !is_known(&shared, &form) {
        return failed("인증오류입니다.");
    }
    if shared.faults.fails_question() {
        return failed("일시적인 오류입니다.");
    }
    let of_call = shared.ledger.of_call(form.get("mid").map_or("", String::as_str));
    let item = |message: &Message| {
        let (kind, result) = match message.result() {
            Result::Pending | Result::Arrived => ("AT", "0"),
            Result::Fallback => ("LM", "0"),
            Result::NoUser => ("AT", "A"),
            Result::WrongTemplate => ("AT", "U"),
        };
        let is_pending = message.result() == Result::Pending;
        json!({
            "msgid": format!("{}{}", if is_pending { "Q" } else { "" }, message.own_id),
            "type": kind,
            "phone": message.to,
            "rslt": result,
            "rslt_message": "",
        })
    };
    let list: Vec<Value> = of_call.iter().map(item).collect();
    json(200, &json!({"code": 0, "message": "", "list": list, "currentPage": "1", "totalPage": "1"}))
}

pub(crate) async fn template(State(shared): State<Shared>, axum::Form(form): Form) -> Response {
    if !is_known(&shared, &form) {
        return failed("인증오류입니다.");
    }
    let code = form.get("tpl_code").map_or("", String::as_str);
    let Some(approved) = shared.ledger.approved(code) else {
        return json(200, &json!({"code": 0, "message": "", "list": []}));
    };
    let template = json!({
        "templtCode": code,
        "templtContent": approved,
        "status": "A",
        "inspStatus": "APR",
        "buttons": [{"ordering": "1", "name": BUTTON, "linkType": "WL", "linkMo": "#{링크}", "linkPc": "#{링크}"}],
    });
    json(200, &json!({"code": 0, "message": "", "list": [template]}))
}
