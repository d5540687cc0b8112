//! The landing gateway: a reverse proxy in front of an institution's own page.
//!
//! A visit with a token is verified with the platform, gets a short session, and is passed on with
//! headers that tell the application which document it is about. When the page has been delivered
//! whole, the read is reported, for as long as it takes. Every step is in the [`exchange`] log
//! before its consequence is seen outside.
//!
//! What the application gets with each request:
//!
//! | header | value |
//! |---|---|
//! | `Seoham-Document` | the document, `BIN-…` |
//! | `Seoham-Visit` | the visit, as it stands in the exchange log |
//! | `Seoham-External-Document` | the institution's own id, percent-encoded UTF-8, **only if the platform confirmed it** |
//! | `Seoham-Unverified-External-Document` | the external id of the visited address otherwise, percent-encoded |
//! | `Seoham-Payload` | the payload as it was sent, percent-encoded UTF-8 |
//! | `Seoham-Authenticated-At` | when the recipient authenticated, Unix seconds |
//!
//! Whatever a client sends under such a name is removed. The external id deserves its two names:
//! contract version 1 does not return it on verification, so what stands in the address is only
//! what the visitor's browser says, and a visitor could write another's there. An application must
//! choose its document by `Seoham-Document`, by the payload or by the confirmed header.
//!
//! Only a person's own navigation uses a token up: a browser says so in its headers, and whoever does not is shown one
//! button. Of two requests with one token, as a double tap makes them, both end on the page.
//!
//! Of headers that claim an address, a host, a method or a path none is passed on but ours: `X-Forwarded-For` is the
//! client's address alone, as the last trusted proxy reports it. A path that could lead out of the one given with the
//! upstream is refused.
//!
//! The upstream must be reachable through this gateway alone. Protocol upgrades (web sockets) are
//! not passed on. Sessions are in memory: after a restart a person opens the document anew.
//!
//! Never here: a personal value in a log; a decision about what the page shows.
//!
//! [`exchange`]: crate::exchange

mod body;
mod handler;
mod headers;
mod language;
mod page_view;
mod pages;
mod platform;
mod query;
mod reporter;
mod session;
mod shares;
mod single_flight;
mod target;
mod upstream;
mod visit;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use secrecy::SecretString;
use seoham_model::Clock;
use tokio::sync::Semaphore;

use crate::exchange::{ExchangeLog, OpenError, Opened};
use platform::Platform;
use reporter::Reporter;
use session::Sessions;
use shares::Shares;
use single_flight::SingleFlight;
use upstream::Upstream;

/// What the gateway needs.
pub struct LandingOptions {
    /// The institution's application, `http(s)://host:port`, with a path that is put before every
    /// request's if there is one.
    pub upstream: String,
    /// The platform's API, `http(s)://host:port`.
    pub platform: String,
    /// The institution's access token.
    pub access_token: SecretString,
    /// The exchange log's directory; made if it is not there.
    pub log: PathBuf,
    /// Browsers reach the gateway over TLS, its own or a proxy's: cookies are `Secure`.
    pub secure: bool,
    /// A proxy in front may be believed what it says in `X-Forwarded-For`.
    pub behind_proxy: bool,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds of the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests under way at once, from their head to the end of their answer; more get a page
    /// with 503.
    pub under_way: usize,
    /// Of them, of one visit. A page asks for all that it is made of at once.
    pub of_visit: usize,
    /// Of them, from one address (IPv6: one /64). A mobile carrier has many people behind one.
    pub of_address: usize,
    /// Sessions held at once; beyond, the oldest end.
    pub sessions: usize,
    /// A session ends when it was not used for so long.
    pub session_idle: Duration,
    /// A visit ends after so long, however much it is used.
    pub session_total: Duration,
    /// For connecting to the upstream or the platform.
    pub connect: Duration,
    /// Until the head of the upstream's answer, and between any two pieces of it.
    pub first_byte: Duration,
    /// For one exchange with the platform in all.
    pub platform: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            under_way: 2_000,
            of_visit: 128,
            of_address: 500,
            sessions: 100_000,
            session_idle: Duration::from_secs(10 * 60),
            session_total: Duration::from_secs(60 * 60),
            connect: Duration::from_secs(3),
            first_byte: Duration::from_secs(30),
            platform: Duration::from_secs(10),
        }
    }
}

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that cannot be used.
    #[error("{0}: must be an http(s) address without query and fragment")]
    Address(&'static str),
    /// The access token has not the form of one.
    #[error("the access token must be 32 lower-case hex digits")]
    AccessToken,
    /// The HTTP clients could not be made.
    #[error("the HTTP client cannot be made: {0}")]
    Client(#[from] reqwest::Error),
    /// The log cannot be opened.
    #[error(transparent)]
    Log(#[from] OpenError),
}

/// A running gateway; its sockets are the caller's.
pub struct Landing {
    state: Arc<State>,
    opened: Opened,
}

pub(crate) struct State {
    upstream: Upstream,
    platform: Platform,
    log: ExchangeLog,
    sessions: Sessions,
    reporter: Reporter,
    under_way: Arc<Semaphore>,
    shares: Shares,
    single_flight: SingleFlight,
    secure: bool,
    behind_proxy: bool,
}

impl Landing {
    /// Opens the log and starts reporting what is still to be reported. To be called on a Tokio
    /// runtime; blocks while the log's last two days are read.
    pub fn start(options: &LandingOptions) -> Result<Self, StartError> {
        let limits = options.limits;
        let upstream = Upstream::new(&options.upstream, limits)?;
        let platform = Platform::new(&options.platform, options.access_token.clone(), limits)?;
        let (log, opened) = ExchangeLog::open(&options.log, Clock::default())?;
        if let Some((bytes, file)) = &opened.cut {
            tracing::warn!(bytes, file, "the exchange log had a torn end, which was cut");
        }
        for damage in &opened.damage {
            tracing::error!(file = damage.file, line = damage.line, "the exchange log is damaged");
        }
        let reporter = Reporter::start(platform.clone(), log.clone());
        for pending in &opened.pending {
            reporter.report(pending.clone());
        }
        let state = State {
            upstream,
            platform,
            log,
            sessions: Sessions::new(limits),
            reporter,
            under_way: Arc::new(Semaphore::new(limits.under_way)),
            shares: Shares::new(limits.of_visit, limits.of_address),
            single_flight: SingleFlight::default(),
            secure: options.secure,
            behind_proxy: options.behind_proxy,
        };
        Ok(Self { state: Arc::new(state), opened })
    }

    /// What was found when the log was opened.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// What is to be served, with [`axum::extract::ConnectInfo`] of the peer's address.
    pub fn router(&self) -> Router {
        Router::new()
            .route(pages::STYLE_PATH, get(pages::style))
            .route(pages::ICON_PATH, get(pages::icon))
            .fallback(handler::handle)
            .with_state(Arc::clone(&self.state))
    }

    /// Ends: attempts to report that are under way have until `deadline`; what is left is in the
    /// log and is reported after the next start.
    pub async fn stop(self, deadline: Duration) {
        self.state.reporter.stop(deadline).await;
    }
}

/// An address as the base of others: no `/` at its end.
fn base(name: &'static str, text: &str) -> Result<String, StartError> {
    crate::address::base(text).ok_or(StartError::Address(name))
}
