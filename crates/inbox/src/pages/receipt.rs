//! A certificate of receipt and reading, for printing or saving: what the box has recorded about a document.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::Path;
use seoham_model::clock::seoul_seconds;
use seoham_pages::{FormTarget, Site, page};

use super::document::own;
use crate::Inbox;
use crate::page_exit::PageExit;
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "receipt.html")]
struct Receipt {
    site: Site,
    csrf: String,
    id: String,
    institution: String,
    title: String,
    /// The events, and their times to the second.
    steps: Vec<(&'static str, String)>,
    hash: Option<String>,
    is_read: bool,
    issued: String,
}

/// `GET /documents/{binder}/receipt`
pub(crate) async fn show(
    State(inbox): State<Inbox>,
    visit: Visit,
    Path(binder): Path<String>,
) -> Result<Response, PageExit> {
    let visit = visit.member_only()?;
    let document = own(&inbox, &visit, &binder).await?;
    let (times, site) = (document.times, visit.site.clone());
    let steps = [
        (site.t("발송 일시", "Sent by the institution"), Some(times.sent_at)),
        (site.t("수신 일시", "Received in the box"), times.received_at),
        (site.t("알림 도착 일시", "Notification delivered"), times.notified_at),
        (site.t("본인 인증 일시", "Authenticated"), times.authenticated_at),
        (site.t("기관 페이지 접속 일시", "Opened on the institution's page"), times.token_used_at),
        (site.t("열람 일시", "Read"), times.read_at),
        (site.t("열람기한", "Deadline"), Some(document.deadline_at)),
    ];
    let receipt = Receipt {
        csrf: visit.csrf(),
        id: document.id.to_string(),
        institution: document.institution_name,
        title: document.content.title,
        steps: steps.into_iter().filter_map(|(name, at)| Some((name, seoul_seconds(at?)))).collect(),
        hash: document.hash,
        is_read: times.read_at.is_some(),
        issued: seoul_seconds(inbox.now()),
        site,
    };
    Ok(page(StatusCode::OK, &receipt, FormTarget::Here))
}
