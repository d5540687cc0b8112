//! One document, before it is opened; and refusing who sent it.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use seoham_http::Path;
use seoham_model::BinderId;
use seoham_model::clock::seoul_minutes;
use seoham_model::status::Opening;
use seoham_store::boxes::BoxDocument;
use serde::Deserialize;

use super::words;
use crate::Inbox;
use crate::page::page;
use crate::trouble::{Turn, unknown};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "document.html")]
struct Shown {
    korean: bool,
    csrf: String,
    id: String,
    institution: String,
    title: String,
    message: Option<String>,
    kind: &'static str,
    deadline: String,
    received: Option<String>,
    read: Option<String>,
    cs_name: String,
    cs_number: String,
    /// It can no longer be opened.
    closed: bool,
    refused: bool,
    button: &'static str,
}

/// The document of a path in the visitor's box; anything else does not exist for them.
pub(crate) async fn own(inbox: &Inbox, visit: &Visit, binder: &str) -> Result<BoxDocument, Turn> {
    let id = BinderId::parse(binder).ok_or_else(|| Turn::from(unknown().then_documents()))?;
    let found = inbox.store.box_document(visit.person, id).await?;
    found.ok_or_else(|| unknown().then_documents().into())
}

/// `GET /documents/{binder}`
pub(crate) async fn show(
    State(inbox): State<Inbox>,
    visit: Visit,
    Path(binder): Path<String>,
) -> Result<Response, Turn> {
    let visit = visit.member_only()?;
    let document = own(&inbox, &visit, &binder).await?;
    let now = inbox.now();
    let shown = Shown {
        korean: visit.korean(),
        csrf: visit.csrf(),
        id: document.id.to_string(),
        institution: document.institution_name.clone(),
        title: document.content.title.clone(),
        message: document.content.message.clone(),
        kind: words::kind(&document, visit.lang),
        deadline: words::deadline(document.deadline_at, now, visit.lang),
        received: document.times.received_at.map(seoul_minutes),
        read: document.times.read_at.map(seoul_minutes),
        cs_name: document.content.cs_name.clone(),
        cs_number: document.content.cs_number.clone(),
        closed: document.times.opening(document.deadline_at, now) == Opening::TooLate,
        refused: document.refused,
        button: words::button(&document, visit.lang),
    };
    Ok(page(StatusCode::OK, &shown))
}

#[derive(Deserialize)]
pub(crate) struct Confirmed {
    csrf: String,
}

/// `POST /documents/{binder}/refuse`
pub(crate) async fn refuse(
    State(inbox): State<Inbox>,
    visit: Visit,
    Path(binder): Path<String>,
    Form(form): Form<Confirmed>,
) -> Result<Response, Turn> {
    set_refusal(&inbox, visit, &binder, &form, true).await
}

/// `POST /documents/{binder}/accept`
pub(crate) async fn accept(
    State(inbox): State<Inbox>,
    visit: Visit,
    Path(binder): Path<String>,
    Form(form): Form<Confirmed>,
) -> Result<Response, Turn> {
    set_refusal(&inbox, visit, &binder, &form, false).await
}

async fn set_refusal(
    inbox: &Inbox,
    visit: Visit,
    binder: &str,
    form: &Confirmed,
    refused: bool,
) -> Result<Response, Turn> {
    visit.check(&form.csrf)?;
    let visit = visit.member_only()?;
    let document = own(inbox, &visit, binder).await?;
    inbox.store.set_refusal(visit.person, document.institution, refused).await?;
    Ok(Redirect::to(&format!("/documents/{}", document.id)).into_response())
}
