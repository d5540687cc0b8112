//! The pages that a person sees instead of the institution's; each says what to do next.

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::http::header::{ALLOW, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use seoham_model::{Lang, Text};
use seoham_pages::{Brand, FormTarget, Site};

use crate::exchange::VisitId;

/// The paths of the pages' style sheet and icon; never forwarded.
pub(super) const STYLE_PATH: &str = "/.seoham/style.css";
pub(super) const ICON_PATH: &str = "/.seoham/icon";

/// The gateway's pages appear on the institution's site, whose design is not known here.
static BRAND: LazyLock<Arc<Brand>> = LazyLock::new(Arc::default);

/// Why the institution's page is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The client may be a program: a person must press a button.
    Uncertain,
    /// Neither a token nor a session.
    NotEntered,
    /// A malformed request.
    BadRequest,
    /// The token was used or has expired.
    Spent,
    /// The document has no such token.
    Unknown,
    /// A token with a method other than GET.
    Method,
    /// The application is unreachable, aborted the response or replied with an error.
    Upstream,
    /// The application timed out.
    Slow,
    /// The platform could not verify the token.
    Platform,
    /// The gateway is at capacity, or the log is not writable.
    Busy,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Page<'a> {
    site: Site,
    title: &'a str,
    what: &'a str,
    next: &'a str,
    reference: Option<&'a str>,
    /// The target of the button, on a page that has one.
    action: Option<&'a str>,
}

const REOPEN: Text = Text::fixed(
    "문서함이나 알림톡에서 문서를 다시 열어 주십시오.",
    "Please open the document again from your document box or from the message you received.",
);
const LATER: Text = Text::fixed(
    "잠시 후 이 화면을 새로 고치거나, 문서함에서 문서를 다시 열어 주십시오.",
    "Please reload this page in a moment, or open the document again from your document box.",
);

impl Problem {
    fn status(self) -> StatusCode {
        match self {
            Self::Uncertain => StatusCode::OK,
            Self::NotEntered => StatusCode::FORBIDDEN,
            Self::BadRequest | Self::Spent => StatusCode::BAD_REQUEST,
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Upstream => StatusCode::BAD_GATEWAY,
            Self::Slow => StatusCode::GATEWAY_TIMEOUT,
            Self::Platform | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn texts(self) -> (Text, Text, Text) {
        match self {
            Self::Uncertain => (
                Text::fixed("문서를 열 준비가 되었습니다", "The document is ready"),
                Text::fixed(
                    "안전을 위해 문서는 직접 누르셨을 때만 열립니다.",
                    "For your safety the document opens only when you press the button.",
                ),
                Text::fixed("아래 단추를 눌러 주십시오.", "Please press the button below."),
            ),
            Self::NotEntered => (
                Text::fixed("문서함에서 열어 주십시오", "Please open this from your document box"),
                Text::fixed(
                    "이 화면은 본인 확인을 거쳐 문서를 열었을 때만 볼 수 있습니다. 문서를 연 지 오래되었을 수도 있습니다.",
                    "This page can be seen only after you have confirmed who you are and opened the document. It may also have been open for too long.",
                ),
                REOPEN,
            ),
            Self::BadRequest | Self::Method => (
                Text::fixed("요청을 처리할 수 없습니다", "This request cannot be handled"),
                Text::fixed(
                    "주소나 요청 방식이 올바르지 않습니다.",
                    "The address or the kind of request is not right.",
                ),
                REOPEN,
            ),
            Self::Spent => (
                Text::fixed(
                    "이미 사용되었거나 만료된 주소입니다",
                    "This address was used before or has expired",
                ),
                Text::fixed(
                    "안전을 위해 문서 주소는 짧은 시간 동안 한 번만 쓸 수 있습니다.",
                    "For your safety, a document's address works once and for a short time only.",
                ),
                REOPEN,
            ),
            Self::Unknown => (
                Text::fixed("올바르지 않은 주소입니다", "This address is not right"),
                Text::fixed(
                    "이 주소로 열 수 있는 문서가 없습니다.",
                    "There is no document that this address opens.",
                ),
                REOPEN,
            ),
            Self::Upstream => (
                Text::fixed("지금은 문서를 보여 드릴 수 없습니다", "The document cannot be shown right now"),
                Text::fixed(
                    "기관의 시스템에 문제가 있습니다. 문서는 읽은 것으로 처리되지 않았습니다.",
                    "The institution's system has a problem. The document was not marked as read.",
                ),
                LATER,
            ),
            Self::Slow => (
                Text::fixed("응답이 늦어지고 있습니다", "This is taking too long"),
                Text::fixed(
                    "기관의 시스템이 제때 응답하지 않았습니다. 문서는 읽은 것으로 처리되지 않았습니다.",
                    "The institution's system did not answer in time. The document was not marked as read.",
                ),
                LATER,
            ),
            Self::Platform => (
                Text::fixed("지금은 확인할 수 없습니다", "This cannot be checked right now"),
                Text::fixed(
                    "문서를 여는 데 필요한 확인을 마치지 못했습니다. 문서는 읽은 것으로 처리되지 않았습니다.",
                    "What must be checked before the document opens could not be checked. The document was not marked as read.",
                ),
                REOPEN,
            ),
            Self::Busy => (
                Text::fixed("지금은 이용하는 사람이 많습니다", "Too many people are here right now"),
                Text::fixed("잠시 동안 요청을 받을 수 없습니다.", "Requests cannot be taken for a moment."),
                LATER,
            ),
        }
    }
}

/// The page about `problem`; the visitor can quote `visit` to the customer service.
pub(super) fn page(problem: Problem, lang: Lang, visit: Option<&VisitId>) -> Response {
    render(problem, lang, visit, None)
}

/// The page with a button that opens the document; `action` is the button's target.
pub(super) fn button(lang: Lang, action: &str) -> Response {
    render(Problem::Uncertain, lang, None, Some(action))
}

fn render(problem: Problem, lang: Lang, visit: Option<&VisitId>, action: Option<&str>) -> Response {
    let (title, what, next) = problem.texts();
    let page = Page {
        site: Site { lang, brand: Arc::clone(&BRAND), is_sandbox: false },
        title: title.in_lang(lang),
        what: what.in_lang(lang),
        next: next.in_lang(lang),
        reference: visit.map(VisitId::as_str),
        action,
    };
    let forms = if action.is_some() { FormTarget::Here } else { FormTarget::Nowhere };
    let mut response = seoham_pages::page(problem.status(), &page, forms);
    let headers = response.headers_mut();
    match problem {
        Problem::Method => headers.insert(ALLOW, HeaderValue::from_static("GET")),
        Problem::Busy | Problem::Platform => headers.insert(RETRY_AFTER, HeaderValue::from_static("5")),
        _ => None,
    };
    response
}

pub(super) async fn style() -> Response {
    seoham_pages::style(&BRAND)
}

pub(super) async fn icon() -> Response {
    seoham_pages::icon(&BRAND)
}
