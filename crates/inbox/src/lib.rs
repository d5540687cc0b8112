//! The web listener: the recipient's document box, rendered on the server (SPEC 8).
//!
//! Works without a script. No SQL and no API; what a page needs beyond the store is handed in
//! through the ports defined here. Nothing personal stands in a URL but a link's own token.

mod limits;
mod page;
mod pages;
mod trouble;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use secrecy::SecretString;
use seoham_http::{Listener, dress, normalized};
use seoham_model::{BinderId, UnixSeconds};
use seoham_store::{Mode, Store};

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

/// Sends people a link to sign in by.
pub trait LoginLinks: Send + Sync {
    /// Hands a link over to the messenger, soon and as far as it goes: returns at once.
    fn send(&self, phone_number: SecretString, token: SecretString);
}

/// How the pages are served.
pub struct InboxOptions {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The simulated messenger, in a sandbox.
    pub phones: Option<Arc<dyn Phones>>,
    /// Who sends links to sign in by.
    pub login_links: Arc<dyn LoginLinks>,
    /// People reach the pages over TLS: cookies are sent over nothing else.
    pub secure: bool,
    /// A proxy is in front and tells whom it speaks for in `X-Forwarded-For`.
    pub behind_proxy: bool,
}

/// The pages. Clones share everything.
#[derive(Clone)]
pub struct Inbox {
    store: Arc<dyn Store>,
    phones: Option<Arc<dyn Phones>>,
    login_links: Arc<dyn LoginLinks>,
    secure: bool,
    behind_proxy: bool,
    limits: Arc<Limits>,
}

impl Inbox {
    /// Pages over a store.
    pub fn new(options: InboxOptions) -> Self {
        let InboxOptions { store, phones, login_links, secure, behind_proxy } = options;
        Self { store, phones, login_links, secure, behind_proxy, limits: Arc::default() }
    }

    fn now(&self) -> UnixSeconds {
        self.store.clock().now()
    }

    fn is_sandbox(&self) -> bool {
        self.store.mode() == Mode::Sandbox
    }
}

/// The web listener.
pub fn web_router(inbox: &Inbox) -> Router {
    let mut router = Router::new()
        .route("/", get(pages::sign_in::front))
        .route("/login", post(pages::sign_in::ask))
        .route("/l/{token}", get(pages::sign_in::follow).post(pages::sign_in::enter))
        .route("/join", get(pages::join::show).post(pages::join::join))
        .route("/documents", get(pages::shelves::show))
        .route("/documents/{binder}", get(pages::document::show))
        .route("/documents/{binder}/open", get(pages::open::ask).post(pages::open::open))
        .route("/documents/{binder}/refuse", post(pages::document::refuse))
        .route("/documents/{binder}/accept", post(pages::document::accept))
        .route("/settings", get(pages::settings::show))
        .route("/settings/pin", post(pages::settings::change_pin))
        .route("/settings/certificate", post(pages::settings::change_certificate))
        .route("/settings/accept", post(pages::settings::accept))
        .route("/signout", post(pages::settings::sign_out))
        .route("/signout/everywhere", post(pages::settings::sign_out_everywhere))
        .route("/style.css", get(page::style));
    if inbox.is_sandbox() {
        router = router
            .route("/messenger", get(pages::messenger::show))
            .route("/messenger/arrived", post(pages::messenger::arrived));
    }
    let router = router
        .fallback(trouble::no_such_page)
        .method_not_allowed_fallback(trouble::no_such_page)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn_with_state(inbox.clone(), refuse_unless_healthy))
        .layer(from_fn(trouble::show))
        .with_state(inbox.clone());
    normalized(dress(router, Listener("web")))
}

/// Refuses everything while something keeps the process from serving: what it would write down could be wrong.
async fn refuse_unless_healthy(
    State(inbox): State<Inbox>,
    request: Request,
    next: Next,
) -> Result<Response, trouble::Turn> {
    inbox.store.health().check()?;
    Ok(next.run(request).await)
}
