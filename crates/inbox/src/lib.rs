//! The web listener: pages for people, rendered on the server.
//!
//! So far the front page and, where all people are invented, the simulated messenger. No API and
//! no SQL; what a page shows is handed in through the ports defined here.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use seoham_http::{ApiError, Language, Listener, dress, normalized};
use seoham_model::Lang;

/// A message of the simulated messenger, as a phone shows it.
pub struct PhoneMessage {
    /// The telephone number.
    pub to: String,
    /// What it says.
    pub text: String,
    /// When it came, in Seoul's civil time.
    pub at: String,
    /// The document it is about.
    pub document: String,
}

/// The simulated messenger's messages, newest first. Only there in a sandbox.
pub trait Phones: Send + Sync {
    /// The last messages.
    fn messages(&self) -> Vec<PhoneMessage>;
}

/// What the pages need.
#[derive(Clone)]
pub struct Inbox {
    /// The simulated messenger, in a sandbox.
    pub phones: Option<Arc<dyn Phones>>,
}

/// The web listener.
pub fn web_router(inbox: &Inbox) -> Router {
    let mut router = Router::new().route("/", get(front)).route("/style.css", get(style));
    if inbox.phones.is_some() {
        router = router.route("/messenger", get(messenger));
    }
    let router = router.fallback(not_found).with_state(inbox.clone());
    normalized(dress(router, Listener("web")))
}

#[derive(Template)]
#[template(path = "front.html")]
struct Front {
    korean: bool,
    sandbox: bool,
}

#[derive(Template)]
#[template(path = "messenger.html")]
struct Messenger {
    korean: bool,
    messages: Vec<PhoneMessage>,
}

#[derive(Template)]
#[template(path = "not_found.html")]
struct NotFound {
    korean: bool,
}

async fn front(State(inbox): State<Inbox>, Language(lang): Language) -> Result<Response, ApiError> {
    page(StatusCode::OK, &Front { korean: lang == Lang::Ko, sandbox: inbox.phones.is_some() })
}

async fn messenger(State(inbox): State<Inbox>, Language(lang): Language) -> Result<Response, ApiError> {
    let messages = inbox.phones.map(|phones| phones.messages()).unwrap_or_default();
    page(StatusCode::OK, &Messenger { korean: lang == Lang::Ko, messages })
}

async fn not_found(Language(lang): Language) -> Result<Response, ApiError> {
    page(StatusCode::NOT_FOUND, &NotFound { korean: lang == Lang::Ko })
}

async fn style() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=3600")],
        include_str!("style.css"),
    )
}

fn page<T: Template>(status: StatusCode, template: &T) -> Result<Response, ApiError> {
    let html = template.render().map_err(|error| {
        tracing::error!(%error, "a page could not be rendered");
        ApiError::internal()
    })?;
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        (HeaderName::from_static("referrer-policy"), "no-referrer"),
    ];
    Ok((status, headers, html).into_response())
}
