//! The web listener: the recipient's document box, rendered on the server (SPEC 8).
//!
//! Works without a script. No SQL and no API; what a page needs beyond the store is handed in
//! through the ports defined here. Nothing personal stands in a URL but a link's own token.

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

/// The largest form; a phone number and a PIN need a few dozen bytes.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// A message of the simulated messenger, as a phone shows it.
pub struct PhoneMessage {
    /// The telephone number.
    pub to: String,
    /// What it says.
    pub text: String,
    /// When it came, in Seoul's civil time.
    pub at: String,
    /// Where its link leads.
    pub link: String,
    /// The document it is about, if it is about one.
    pub document: Option<BinderId>,
}

/// The simulated messenger's messages, newest first. Only there in a sandbox.
pub trait Phones: Send + Sync {
    /// The last messages.
    fn messages(&self) -> Vec<PhoneMessage>;
}

/// What a person is told by the messenger at their own request, or because of something they did.
pub enum Message {
    /// A link to sign in by.
    SignIn {
        /// The link's path in the box. It lets its bearer in, so it is a secret.
        path: SecretString,
    },
    /// A link to set a new PIN by.
    NewPin {
        /// The link's path in the box.
        path: SecretString,
    },
    /// The PIN was changed.
    PinChanged,
}

/// Tells people what is not about a document.
pub trait Messages: Send + Sync {
    /// Hands a message over to the messenger, soon and as far as it goes: returns at once.
    fn send(&self, phone_number: SecretString, message: Message);
}

/// How the pages are served.
pub struct InboxOptions {
    /// The store.
    pub store: Arc<dyn InboxStore>,
    /// The simulated messenger, in a sandbox.
    pub phones: Option<Arc<dyn Phones>>,
    /// Who tells people what is not about a document.
    pub messages: Arc<dyn Messages>,
    /// Whose pages these are.
    pub brand: Arc<Brand>,
    /// People reach the pages over TLS: cookies are sent over nothing else.
    pub secure: bool,
    /// A proxy is in front and tells whom it speaks for in `X-Forwarded-For`.
    pub behind_proxy: bool,
}

/// The pages. Clones share everything.
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
    /// Pages over a store.
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

    /// The frame of a page in a language.
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

/// Refuses everything while something keeps the process from serving: what it would write down could be wrong.
async fn refuse_unless_healthy(
    State(inbox): State<Inbox>,
    request: Request,
    next: Next,
) -> Result<Response, page_exit::PageExit> {
    inbox.store.health().check()?;
    Ok(next.run(request).await)
}
