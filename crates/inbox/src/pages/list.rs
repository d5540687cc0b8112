//! The list: unread, read and expired documents on separate, paginated shelves. Search, filter and sorting by
//! deadline apply to a whole shelf.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::Query;
use seoham_model::{BinderId, UnixSeconds};
use seoham_pages::{FormTarget, Mark, Site, page};
use seoham_store::boxes::{BoxDocument, BoxQuery, BoxView, Shelf};
use serde::Deserialize;

use super::{notice, words};
use crate::Inbox;
use crate::page_exit::PageExit;
use crate::visit::Visit;

/// Documents on one page.
const PAGE: usize = 20;
/// How many documents of a shelf a search, a filter or a sort examines, newest first.
const LOOKED_AT_MAX: usize = 500;
/// The maximum number of search results.
const FOUND_MAX: usize = 100;
/// Unread documents are counted up to this number.
const COUNTED_MAX: usize = 99;
/// The maximum length of a search.
const SEARCH_CHARACTERS_MAX: usize = 40;

#[derive(Template)]
#[template(path = "list.html")]
struct List {
    site: Site,
    csrf: String,
    shelf: &'static str,
    unread: String,
    search: String,
    /// Kinds to choose from: name in the address, display name, whether selected.
    kinds: Vec<(&'static str, &'static str, bool)>,
    by_deadline: bool,
    is_arranged: bool,
    /// Not all documents were examined.
    is_partial: bool,
    entries: Vec<Entry>,
    /// The address of the next page.
    next: Option<String>,
    done: Option<&'static str>,
}

struct Entry {
    id: String,
    mark: Mark,
    institution: String,
    title: String,
    kind: &'static str,
    deadline: String,
    left: words::Left,
    /// It can no longer be opened.
    is_over: bool,
    is_withdrawn: bool,
    read: Option<String>,
    amount: Option<String>,
    due: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ListParameters {
    shelf: Option<String>,
    before: Option<String>,
    q: Option<String>,
    kind: Option<String>,
    sort: Option<String>,
    #[serde(flatten)]
    notice: notice::NoticeParameters,
}

/// The filters and the order of a shelf.
#[derive(Debug, Default, PartialEq, Eq)]
struct Arrangement {
    /// The search text in lower case, matched against the institution and the title.
    search: String,
    kind: Option<&'static str>,
    by_deadline: bool,
}

impl Arrangement {
    fn of(asked: &ListParameters) -> Self {
        let search = asked.q.as_deref().unwrap_or("").trim();
        let kind = asked.kind.as_deref();
        Self {
            search: search.to_lowercase().chars().take(SEARCH_CHARACTERS_MAX).collect(),
            kind: words::KINDS.iter().map(|(name, ..)| *name).find(|name| Some(*name) == kind),
            by_deadline: asked.sort.as_deref() == Some("deadline"),
        }
    }

    /// Filters and sorts `documents`, which are newest first.
    fn arrange(&self, documents: &mut Vec<BoxDocument>, now: UnixSeconds) {
        documents.retain(|document| {
            let holds = |text: &str| text.to_lowercase().contains(&self.search);
            let found = holds(&document.institution_name) || holds(&document.content.title);
            found && self.kind.is_none_or(|kind| words::kinds(document.content.categories).contains(&kind))
        });
        if self.by_deadline {
            // Documents that can still be opened come first.
            documents.sort_by_key(|document| (document.deadline_at <= now, document.deadline_at));
        }
    }
}

/// `GET /documents`
pub(crate) async fn show(
    State(inbox): State<Inbox>,
    visit: Visit,
    Query(asked): Query<ListParameters>,
) -> Result<Response, PageExit> {
    let visit = visit.member_only()?;
    let (shelf, name) = match asked.shelf.as_deref() {
        Some("read") => (Shelf::Read, "read"),
        Some("expired") => (Shelf::Expired, "expired"),
        _ => (Shelf::Unread, "unread"),
    };
    let arrangement = Arrangement::of(&asked);
    let done = asked.notice.done();
    let is_arranged = arrangement != Arrangement::default();
    let now = inbox.now();
    let before = asked.before.as_deref().and_then(BinderId::parse).filter(|_| !is_arranged);
    let limit = if is_arranged { LOOKED_AT_MAX } else { PAGE } + 1;
    let query = BoxQuery { shelf, before, limit, unread_max: COUNTED_MAX + 1 };
    let BoxView { mut documents, unread } = inbox.store.box_view(visit.person, query, now).await?;
    let (next, is_partial) = if is_arranged {
        let is_whole = documents.len() <= LOOKED_AT_MAX;
        documents.truncate(LOOKED_AT_MAX);
        arrangement.arrange(&mut documents, now);
        let all_shown = documents.len() <= FOUND_MAX;
        documents.truncate(FOUND_MAX);
        (None, !(is_whole && all_shown))
    } else {
        let more = documents.len() > PAGE;
        documents.truncate(PAGE);
        let next = documents.last().filter(|_| more).map(|last| last.id.to_string());
        (next, false)
    };
    let site = visit.site.clone();
    let list = List {
        csrf: visit.csrf(),
        shelf: name,
        unread: if unread > COUNTED_MAX { format!("{COUNTED_MAX}+") } else { unread.to_string() },
        search: asked.q.unwrap_or_default().chars().take(SEARCH_CHARACTERS_MAX).collect(),
        kinds: words::KINDS
            .iter()
            .map(|(key, ko, en)| (*key, site.t(ko, en), Some(*key) == arrangement.kind))
            .collect(),
        by_deadline: arrangement.by_deadline,
        is_arranged,
        is_partial,
        entries: documents.iter().map(|document| Entry::of(document, &site, now)).collect(),
        next,
        done: done.map(|done| done.text(&site)),
        site,
    };
    Ok(page(StatusCode::OK, &list, FormTarget::Here))
}

impl Entry {
    fn of(document: &BoxDocument, site: &Site, now: UnixSeconds) -> Self {
        let lang = site.lang;
        // Of a withdrawn document only the title is shown: it may have come by mistake.
        let shown = document.times.withdrawn_at.is_none().then_some(&document.shown);
        Self {
            id: document.id.to_string(),
            mark: mark(document),
            institution: document.institution_name.clone(),
            title: document.content.title.clone(),
            kind: words::kind(document, lang),
            deadline: words::moment(document.deadline_at, lang),
            left: words::Left::of(document.deadline_at, now, lang),
            is_over: document.deadline_at <= now,
            is_withdrawn: document.times.withdrawn_at.is_some(),
            read: document.times.read_at.map(|at| words::moment(at, lang)),
            amount: shown.and_then(|shown| shown.amount_won).map(|amount| words::won(amount, lang)),
            due: shown.and_then(|shown| shown.due).map(|due| words::day(due, lang)),
        }
    }
}

/// The mark of a document's sender.
pub(super) fn mark(document: &BoxDocument) -> Mark {
    let picture = document.has_mark.then(|| format!("/institutions/{}/mark", document.institution));
    Mark::of(&document.institution_name, picture)
}
