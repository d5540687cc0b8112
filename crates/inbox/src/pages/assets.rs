//! The style, the icon, institutions' pictures, and the operator's texts.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use seoham_http::{Language, Path};
use seoham_model::InstitutionId;
use seoham_pages::{FormTarget, Site, page};

use crate::Inbox;
use crate::page_exit::{PageExit, unknown};

/// `GET /style.css`
pub(crate) async fn style(State(inbox): State<Inbox>) -> Response {
    seoham_pages::style(&inbox.brand)
}

/// `GET /icon`
pub(crate) async fn icon(State(inbox): State<Inbox>) -> Response {
    seoham_pages::icon(&inbox.brand)
}

/// `GET /manifest`
pub(crate) async fn manifest(State(inbox): State<Inbox>, Language(lang): Language) -> Response {
    seoham_pages::manifest(&inbox.site(lang))
}

/// `GET /institutions/{institution}/mark`: its picture.
pub(crate) async fn mark(
    State(inbox): State<Inbox>,
    Path(institution): Path<String>,
) -> Result<Response, PageExit> {
    let id = InstitutionId::parse(&institution).ok_or_else(|| PageExit::from(unknown()))?;
    let picture = inbox.store.mark(id).await?.ok_or_else(|| PageExit::from(unknown()))?;
    Ok(([(CONTENT_TYPE, "image/png"), (CACHE_CONTROL, "public, max-age=3600")], picture).into_response())
}

#[derive(Template)]
#[template(path = "text.html")]
struct TextPage<'a> {
    site: Site,
    title: &'static str,
    text: &'a str,
}

/// `GET /terms`: the terms that a person agrees to when joining.
pub(crate) async fn terms(
    State(inbox): State<Inbox>,
    Language(lang): Language,
) -> Result<Response, PageExit> {
    let site = inbox.site(lang);
    let title = site.t("이용약관", "Terms of use");
    text(site, title, inbox.brand.terms.as_deref())
}

/// `GET /privacy`: how the data of a person who joins is used.
pub(crate) async fn privacy(
    State(inbox): State<Inbox>,
    Language(lang): Language,
) -> Result<Response, PageExit> {
    let site = inbox.site(lang);
    let title = site.t("개인정보 처리방침", "Privacy notice");
    text(site, title, inbox.brand.privacy.as_deref())
}

fn text(site: Site, title: &'static str, text: Option<&str>) -> Result<Response, PageExit> {
    let text = text.ok_or_else(|| PageExit::from(unknown()))?;
    Ok(page(StatusCode::OK, &TextPage { site, title, text }, FormTarget::Nowhere))
}
