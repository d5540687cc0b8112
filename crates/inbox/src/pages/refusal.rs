//! Refusing an institution, after a page that states the consequences, and accepting its documents again
//! (SPEC 8.6).

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use seoham_http::Path;
use seoham_pages::{FormTarget, Site, page};
use serde::Deserialize;

use super::document::own;
use crate::Inbox;
use crate::page_exit::PageExit;
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "refuse.html")]
struct Confirm {
    site: Site,
    csrf: String,
    id: String,
    institution: String,
}

/// `GET /documents/{binder}/refuse`
pub(crate) async fn confirm(
    State(inbox): State<Inbox>,
    visit: Visit,
    Path(binder): Path<String>,
) -> Result<Response, PageExit> {
    let visit = visit.member_only()?;
    let document = own(&inbox, &visit, &binder).await?;
    let confirm = Confirm {
        csrf: visit.csrf(),
        site: visit.site,
        id: document.id.to_string(),
        institution: document.institution_name,
    };
    Ok(page(StatusCode::OK, &confirm, FormTarget::Here))
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
) -> Result<Response, PageExit> {
    set(&inbox, visit, &binder, &form, true).await
}

/// `POST /documents/{binder}/accept`
pub(crate) async fn accept(
    State(inbox): State<Inbox>,
    visit: Visit,
    Path(binder): Path<String>,
    Form(form): Form<Confirmed>,
) -> Result<Response, PageExit> {
    set(&inbox, visit, &binder, &form, false).await
}

async fn set(
    inbox: &Inbox,
    visit: Visit,
    binder: &str,
    form: &Confirmed,
    refused: bool,
) -> Result<Response, PageExit> {
    visit.check(&form.csrf)?;
    let visit = visit.member_only()?;
    let document = own(inbox, &visit, binder).await?;
    inbox.store.set_refusal(visit.person, document.institution, refused, inbox.now()).await?;
    let done = if refused { "refused" } else { "accepted" };
    Ok(Redirect::to(&format!("/documents/{}?done={done}", document.id)).into_response())
}
