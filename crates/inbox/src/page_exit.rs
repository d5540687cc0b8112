//! Early return of a handler, with an error page or a redirect. Every error page says what to do next, in the
//! reader's language.

use askama::Template;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use seoham_http::Language;
use seoham_model::Text;
use seoham_pages::{FormTarget, Site, guard, page};
use seoham_store::StoreError;

use crate::Inbox;

/// What went wrong, and what to do.
#[derive(Clone, Debug)]
pub(crate) struct ErrorPage {
    status: StatusCode,
    title: Text,
    advice: Text,
    /// The link to continue with: address and name.
    next: (String, Text),
    /// The `Retry-After` value, if the page has one.
    retry_after_seconds: Option<u64>,
}

/// How a handler ends without rendering its own page.
pub(crate) enum PageExit {
    /// An error page.
    Error(Box<ErrorPage>),
    /// A redirect to another page, which must be visited first.
    Redirect(String),
}

impl ErrorPage {
    pub(crate) fn new(status: StatusCode, title: Text, advice: Text) -> Self {
        Self {
            status,
            title,
            advice,
            next: ("/".to_owned(), Text::fixed("처음으로", "Back to the start")),
            retry_after_seconds: None,
        }
    }

    /// Replaces the link to continue with.
    pub(crate) fn then(mut self, address: &str, name: Text) -> Self {
        self.next = (address.to_owned(), name);
        self
    }

    /// Adds `Retry-After`, for programs, to match the page's advice.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }

    /// Continues with the document list.
    pub(crate) fn then_documents(self) -> Self {
        self.then("/documents", Text::fixed("문서 목록으로", "To my documents"))
    }
}

impl From<ErrorPage> for PageExit {
    fn from(page: ErrorPage) -> Self {
        Self::Error(Box::new(page))
    }
}

impl From<StoreError> for PageExit {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "a page's store");
        ErrorPage::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Text::fixed("지금은 처리할 수 없습니다", "This cannot be done just now"),
            Text::fixed(
                "잠시 뒤에 다시 시도해 주십시오. 이미 하신 일은 그대로 남아 있습니다.",
                "Please try again in a moment. What you did before is kept.",
            ),
        )
        .into()
    }
}

impl IntoResponse for PageExit {
    fn into_response(self) -> Response {
        match self {
            Self::Redirect(address) => Redirect::to(&address).into_response(),
            Self::Error(page) => {
                let mut response = page.status.into_response();
                response.extensions_mut().insert(*page);
                response
            }
        }
    }
}

#[derive(Template)]
#[template(path = "error_page.html")]
struct ErrorTemplate<'a> {
    site: Site,
    title: &'a str,
    advice: &'a str,
    next: &'a str,
    next_name: &'a str,
}

/// Renders errors as pages, including those that the framework returns itself.
pub(crate) async fn show(State(inbox): State<Inbox>, request: Request, next: Next) -> Response {
    let Language(lang) = Language::of(request.headers());
    let mut response = next.run(request).await;
    let status = response.status();
    let error_page = response.extensions().get::<ErrorPage>().cloned();
    let content = response.headers().get(CONTENT_TYPE);
    let is_page = content.is_some_and(|t| t.as_bytes().starts_with(b"text/html"));
    if let Some(error_page) = error_page {
        response = error_page.page(inbox.site(lang));
    } else if status.is_client_error() && !is_page {
        response = unreadable(status).page(inbox.site(lang));
    } else if status.is_server_error() && !is_page {
        response = ours(status).page(inbox.site(lang));
    }
    guard(response.headers_mut());
    response
}

fn ours(status: StatusCode) -> ErrorPage {
    ErrorPage::new(
        status,
        Text::fixed("처리하지 못했습니다", "Something went wrong here"),
        Text::fixed("잠시 뒤에 다시 시도해 주십시오.", "Please try again in a moment."),
    )
}

fn unreadable(status: StatusCode) -> ErrorPage {
    ErrorPage::new(
        status,
        Text::fixed("요청을 읽을 수 없습니다", "The request cannot be read"),
        Text::fixed("뒤로 돌아가 다시 입력해 주십시오.", "Please go back and enter it again."),
    )
}

impl ErrorPage {
    fn page(&self, site: Site) -> Response {
        let lang = site.lang;
        let template = ErrorTemplate {
            site,
            title: self.title.in_lang(lang),
            advice: self.advice.in_lang(lang),
            next: &self.next.0,
            next_name: self.next.1.in_lang(lang),
        };
        let mut response = page(self.status, &template, FormTarget::Nowhere);
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

pub(crate) async fn no_such_page() -> PageExit {
    unknown().into()
}

/// The same error for a document that does not exist and for one that belongs to another person.
pub(crate) fn unknown() -> ErrorPage {
    ErrorPage::new(
        StatusCode::NOT_FOUND,
        Text::fixed("찾으시는 페이지가 없습니다", "There is no such page"),
        Text::fixed(
            "주소가 바뀌었거나 잘못 입력되었을 수 있습니다.",
            "The address may have changed, or may not have been entered correctly.",
        ),
    )
}
