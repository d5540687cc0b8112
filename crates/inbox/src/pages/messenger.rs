//! The simulated messenger, available where all people are fictitious.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use seoham_http::{Language, Query};
use seoham_model::BinderId;
use seoham_pages::{FormTarget, Site, page};
use seoham_store::deliveries::{Arrival, Receipt};
use serde::Deserialize;

use crate::page_exit::{PageExit, unknown};
use crate::{Inbox, PhoneMessage};

/// Messages on one page.
const PAGE: usize = 20;

#[derive(Template)]
#[template(path = "messenger.html")]
struct Messenger {
    site: Site,
    messages: Vec<PhoneMessage>,
    number: String,
    /// The numbers of the newer and the older page.
    newer: Option<usize>,
    older: Option<usize>,
}

#[derive(Deserialize)]
pub(crate) struct MessengerParameters {
    number: Option<String>,
    page: Option<usize>,
}

/// `GET /messenger`: all messages, or those to one number, newest first.
pub(crate) async fn show(
    State(inbox): State<Inbox>,
    Language(lang): Language,
    Query(asked): Query<MessengerParameters>,
) -> Result<Response, PageExit> {
    let mut messages = inbox.phones.as_ref().map(|phones| phones.messages()).unwrap_or_default();
    let number: String = asked.number.unwrap_or_default().chars().filter(char::is_ascii_digit).collect();
    messages.retain(|message| number.is_empty() || message.to == number);
    let page_no = asked.page.unwrap_or(0).min(messages.len() / PAGE);
    let older = (messages.len() > (page_no + 1) * PAGE).then_some(page_no + 1);
    let messages = messages.into_iter().skip(page_no * PAGE).take(PAGE).collect();
    let newer = page_no.checked_sub(1);
    let messenger = Messenger { site: inbox.site(lang), messages, number, newer, older };
    Ok(page(StatusCode::OK, &messenger, FormTarget::Here))
}

#[derive(Deserialize)]
pub(crate) struct Arrived {
    document: String,
}

/// `POST /messenger/arrived`: simulates the messenger's delivery report for a document.
pub(crate) async fn arrived(
    State(inbox): State<Inbox>,
    Form(form): Form<Arrived>,
) -> Result<Response, PageExit> {
    // Only available with the simulated messenger.
    let document = BinderId::parse(&form.document).filter(|_| inbox.phones.is_some());
    let document = document.ok_or_else(|| PageExit::from(unknown()))?;
    let now = inbox.now();
    inbox
        .store
        .record_receipts(vec![Receipt { document, arrival: Arrival::Messenger, at: now }], now)
        .await?;
    Ok(Redirect::to("/messenger").into_response())
}
