//! The simulated messenger, where all people are invented.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use seoham_http::{Language, Query};
use seoham_model::{BinderId, Lang};
use seoham_store::deliveries::Receipt;
use serde::Deserialize;

use crate::page::page;
use crate::trouble::{Turn, unknown};
use crate::{Inbox, PhoneMessage};

#[derive(Template)]
#[template(path = "messenger.html")]
struct Messenger {
    korean: bool,
    messages: Vec<PhoneMessage>,
    number: String,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    number: Option<String>,
}

/// `GET /messenger`: all messages, or those that one number received.
pub(crate) async fn show(
    State(inbox): State<Inbox>,
    Language(lang): Language,
    Query(asked): Query<Asked>,
) -> Result<Response, Turn> {
    let mut messages = inbox.phones.as_ref().map(|phones| phones.messages()).unwrap_or_default();
    let number: String = asked.number.unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    messages.retain(|message| number.is_empty() || message.to == number);
    Ok(page(StatusCode::OK, &Messenger { korean: lang == Lang::Ko, messages, number }))
}

#[derive(Deserialize)]
pub(crate) struct Arrived {
    document: String,
}

/// `POST /messenger/arrived`: the messenger's report on a document arrives now.
pub(crate) async fn arrived(State(inbox): State<Inbox>, Form(form): Form<Arrived>) -> Result<Response, Turn> {
    // Where a real messenger reports, nobody else does.
    let document = BinderId::parse(&form.document).filter(|_| inbox.phones.is_some());
    let document = document.ok_or_else(|| Turn::from(unknown()))?;
    let now = inbox.now();
    inbox.store.record_receipts(vec![Receipt { document, delivered: true, at: now }], now).await?;
    Ok(Redirect::to("/messenger").into_response())
}
