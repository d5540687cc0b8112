//! The web listener: the recipient's document box, rendered on the server (SPEC 8).
//!
//! It works without JavaScript. No SQL and no API; anything that pages need beyond the store comes through
//! the ports defined here. URLs contain no personal data except a link's own token.

mod destination;
mod limits;
mod page_exit;
mod pages;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use secrecy::SecretString;
use seoham_http::{Listener, normalized, with_layers};
use seoham_model::{BinderId, Lang, UnixSeconds};
use seoham_pages::{Brand, SessionCookie, Site};
use seoham_store::{InboxStore, Mode};

use limits::Limits;

/// The maximum form size; a phone number and a PIN need a few dozen bytes.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// A message of the simulated messenger, as a phone displays it.
pub struct PhoneMessage {
    /// The telephone number.
    pub to: String,
    /// The text.
    pub text: String,
    /// When it arrived, in Seoul's civil time.
    pub at: String,
    /// The target of its link.
    pub link: String,
    /// The document, if it is about one.
    pub document: Option<BinderId>,
}

/// The simulated messenger's messages, newest first. Only available in a sandbox.
pub trait Phones: Send + Sync {
    /// The last messages.
    fn messages(&self) -> Vec<PhoneMessage>;
}

/// A message to a person that they requested or that follows from their own action.
pub enum Message {
    /// A sign-in link.
    SignIn {
        /// The link's path in the box. It signs its bearer in, so it is a secret.
        path: SecretString,
    },
    /// A link to set a new PIN.
    NewPin {
        /// The link's path in the box.
        path: SecretString,
    },
    /// The PIN was changed.
    PinChanged,
}

/// Sends messages that are not about a document.
pub trait Messages: Send + Sync {
    /// Hands a message to the messenger asynchronously and on a best-effort basis; returns immediately.
    fn send(&self, phone_number: SecretString, message: Message);
}

/// The configuration of the pages.
pub struct InboxOptions {
    /// The store.
    pub store: Arc<dyn InboxStore>,
    /// The simulated messenger, in a sandbox.
    pub phones: Option<Arc<dyn Phones>>,
    /// Sends messages that are not about a document.
    pub messages: Arc<dyn Messages>,
    /// The operator's brand.
    pub brand: Arc<Brand>,
    /// People reach the pages over TLS: cookies are `Secure`.
    pub secure: bool,
    /// A trusted proxy is in front, and sets `X-Forwarded-For`.
    pub behind_proxy: bool,
}

/// The pages. Clones share all state.
#[derive(Clone)]
pub struct Inbox {
    store: Arc<dyn InboxStore>,
    phones: Option<Arc<dyn Phones>>,
    messages: Arc<dyn Messages>,
    brand: Arc<Brand>,
    cookie: SessionCookie,
    behind_proxy: bool,
    limits: Arc<Limits>,
}

impl Inbox {
    /// Creates the pages over a store.
    pub fn new(options: InboxOptions) -> Self {
        let InboxOptions { store, phones, messages, brand, secure, behind_proxy } = options;
        let cookie = SessionCookie::new("seoham-session", "__Host-seoham-session", secure);
        Self { store, phones, messages, brand, cookie, behind_proxy, limits: Arc::default() }
    }

    fn now(&self) -> UnixSeconds {
        self.store.clock().now()
    }

    fn is_sandbox(&self) -> bool {
        self.store.mode() == Mode::Sandbox
    }

    /// The frame of a page in `lang`.
    fn site(&self, lang: Lang) -> Site {
        Site { lang, brand: Arc::clone(&self.brand), is_sandbox: self.is_sandbox() }
    }
}

/// The web listener.
pub fn web_router(inbox: &Inbox) -> Router {
    let mut router = Router::new()
        .route("/", get(pages::sign_in::front))
        .route("/login", post(pages::sign_in::ask))
        .route("/l/{token}", get(pages::link::follow).post(pages::link::enter))
        .route("/l/{token}/again", post(pages::link::again))
        .route("/l/{token}/pin", post(pages::new_pin::renew))
        .route("/join", get(pages::join::show).post(pages::join::join))
        .route("/documents", get(pages::list::show))
        .route("/documents/{binder}", get(pages::document::show))
        .route("/documents/{binder}/open", get(pages::open::ask).post(pages::open::open))
        .route("/documents/{binder}/certificate", post(pages::open::set_certificate))
        .route("/documents/{binder}/receipt", get(pages::receipt::show))
        .route("/documents/{binder}/refuse", get(pages::refusal::confirm).post(pages::refusal::refuse))
        .route("/documents/{binder}/accept", post(pages::refusal::accept))
        .route("/institutions/{institution}/mark", get(pages::assets::mark))
        .route("/pin", get(pages::new_pin::ask).post(pages::new_pin::send))
        .route("/settings", get(pages::settings::show))
        .route("/settings/pin", post(pages::settings::change_pin))
        .route("/settings/certificate", post(pages::settings::change_certificate))
        .route("/settings/accept", post(pages::settings::accept))
        .route("/signout", post(pages::settings::sign_out))
        .route("/signout/everywhere", post(pages::settings::sign_out_everywhere))
        .route("/terms", get(pages::assets::terms))
        .route("/privacy", get(pages::assets::privacy))
        .route("/style.css", get(pages::assets::style))
        .route("/icon", get(pages::assets::icon))
        .route("/favicon.ico", get(pages::assets::icon))
        .route("/manifest", get(pages::assets::manifest));
    if inbox.is_sandbox() {
        router = router
            .route("/messenger", get(pages::messenger::show))
            .route("/messenger/arrived", post(pages::messenger::arrived));
    }
    let router = router
        .fallback(page_exit::no_such_page)
        .method_not_allowed_fallback(page_exit::no_such_page)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn_with_state(inbox.clone(), refuse_unless_healthy))
        .layer(from_fn_with_state(inbox.clone(), page_exit::show))
        .with_state(inbox.clone());
    normalized(with_layers(router, Listener("web")))
}

/// Rejects every request while the process is unhealthy, because it could store wrong data.
async fn refuse_unless_healthy(
    State(inbox): State<Inbox>,
    request: Request,
    next: Next,
) -> Result<Response, page_exit::PageExit> {
    inbox.store.health().check()?;
    Ok(next.run(request).await)
}
