//! The list: unread, read and expired apart, page by page.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::Query;
use seoham_model::BinderId;
use seoham_store::boxes::Shelf;
use serde::Deserialize;

use super::words;
use crate::Inbox;
use crate::page::page;
use crate::trouble::Turn;
use crate::visit::Visit;

/// Documents on one page.
const PAGE: usize = 20;

#[derive(Template)]
#[template(path = "shelves.html")]
struct Shelves {
    korean: bool,
    csrf: String,
    shelf: &'static str,
    lines: Vec<Line>,
    /// Where the next page begins.
    next: Option<String>,
}

struct Line {
    id: String,
    institution: String,
    title: String,
    kind: &'static str,
    deadline: String,
}

#[derive(Deserialize)]
pub(crate) struct Asked {
    shelf: Option<String>,
    before: Option<String>,
}

/// `GET /documents`
pub(crate) async fn show(
    State(inbox): State<Inbox>,
    visit: Visit,
    Query(asked): Query<Asked>,
) -> Result<Response, Turn> {
    let visit = visit.member_only()?;
    let (shelf, name) = match asked.shelf.as_deref() {
        Some("read") => (Shelf::Read, "read"),
        Some("expired") => (Shelf::Expired, "expired"),
        _ => (Shelf::Unread, "unread"),
    };
    let before = asked.before.as_deref().and_then(BinderId::parse);
    let now = inbox.now();
    let mut documents = inbox.store.shelf(visit.person, shelf, before, PAGE + 1, now).await?;
    let more = documents.len() > PAGE;
    documents.truncate(PAGE);
    let next = documents.last().filter(|_| more).map(|last| last.id.to_string());
    let line = |document: &seoham_store::boxes::BoxDocument| Line {
        id: document.id.to_string(),
        institution: document.institution_name.clone(),
        title: document.content.title.clone(),
        kind: words::kind(document, visit.lang),
        deadline: words::deadline(document.deadline_at, now, visit.lang),
    };
    let lines = documents.iter().map(line).collect();
    let shelves = Shelves { korean: visit.korean(), csrf: visit.csrf(), shelf: name, lines, next };
    Ok(page(StatusCode::OK, &shelves))
}
