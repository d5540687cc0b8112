//! One document, before it is opened.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::{Path, Query};
use seoham_model::BinderId;
use seoham_model::status::Opening;
use seoham_pages::{FormTarget, Mark, Site, page};
use seoham_store::accounts::Authentication;
use seoham_store::boxes::BoxDocument;

use super::list::mark;
use super::notice::{self, Done};
use super::words;
use crate::Inbox;
use crate::page_exit::{PageExit, unknown};
use crate::visit::Visit;

#[derive(Template)]
#[template(path = "document.html")]
struct DocumentPage {
    site: Site,
    csrf: String,
    id: String,
    mark: Mark,
    institution: String,
    title: String,
    message: Option<String>,
    /// The text under a contract that notifies nobody.
    bridge: Option<String>,
    kind: &'static str,
    deadline: String,
    left: words::Left,
    amount: Option<String>,
    due: Option<String>,
    received: Option<String>,
    read: Option<String>,
    cs_name: String,
    cs_number: String,
    /// It can no longer be opened.
    closed: bool,
    /// When the sender withdrew it. Of such a document only its title is shown: it may have come by mistake.
    withdrawn: Option<String>,
    /// It opens without authentication.
    opens_at_once: bool,
    proof: &'static str,
    refused: bool,
    button: &'static str,
    done: Option<&'static str>,
    /// The address that undoes the last action with one tap.
    undo: Option<String>,
}

/// The document of a path in the visitor's box; any other document does not exist for them.
pub(crate) async fn own(inbox: &Inbox, visit: &Visit, binder: &str) -> Result<BoxDocument, PageExit> {
    let id = BinderId::parse(binder).ok_or_else(|| PageExit::from(unknown().then_documents()))?;
    let found = inbox.store.box_document(visit.person, id).await?;
    found.ok_or_else(|| unknown().then_documents().into())
}

/// `GET /documents/{binder}`
pub(crate) async fn show(
    State(inbox): State<Inbox>,
    visit: Visit,
    Path(binder): Path<String>,
    Query(asked): Query<notice::NoticeParameters>,
) -> Result<Response, PageExit> {
    let visit = visit.member_only()?;
    let document = own(&inbox, &visit, &binder).await?;
    let now = inbox.now();
    let (site, lang) = (visit.site.clone(), visit.lang());
    let opens_at_once = document.authentication == Authentication::None;
    // Shows the confirmation from the address only if it is true.
    let done = asked.done().filter(|done| match done {
        Done::Refused => document.refused,
        Done::Accepted => !document.refused,
        _ => true,
    });
    let shown = DocumentPage {
        csrf: visit.csrf(),
        id: document.id.to_string(),
        mark: mark(&document),
        institution: document.institution_name.clone(),
        title: document.content.title.clone(),
        message: document.content.message.clone(),
        bridge: document.content.bridge.clone(),
        kind: words::kind(&document, lang),
        deadline: words::moment(document.deadline_at, lang),
        left: words::Left::of(document.deadline_at, now, lang),
        amount: document.shown.amount_won.map(|amount| words::won(amount, lang)),
        due: document.shown.due.map(|due| words::day(due, lang)),
        received: document.times.received_at.map(|at| words::moment(at, lang)),
        read: document.times.read_at.map(|at| words::moment(at, lang)),
        cs_name: document.content.cs_name.clone(),
        cs_number: document.content.cs_number.clone(),
        closed: document.times.opening(document.deadline_at, now) == Opening::TooLate,
        withdrawn: document.times.withdrawn_at.map(|at| words::moment(at, lang)),
        opens_at_once,
        proof: match document.authentication {
            Authentication::Pin => {
                site.t("PIN 6자리를 입력하면 열립니다.", "It opens with your six-digit PIN.")
            }
            Authentication::Certificate => {
                site.t("인증서 비밀번호를 입력하면 열립니다.", "It opens with your certificate password.")
            }
            Authentication::None => {
                site.t("추가 인증 없이 바로 열립니다.", "It opens at once, without another proof.")
            }
        },
        refused: document.refused,
        button: words::button(&document, lang),
        done: done.map(|done| done.text(&site)),
        undo: (done == Some(Done::Refused)).then(|| format!("/documents/{}/accept", document.id)),
        site,
    };
    let forms = if opens_at_once { FormTarget::Beyond } else { FormTarget::Here };
    Ok(page(StatusCode::OK, &shown, forms))
}
