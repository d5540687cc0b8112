//! The landing gateway: a reverse proxy in front of an institution's own page.
//!
//! A visit with a token is verified with the platform, gets a short session, and is forwarded with headers
//! that tell the application which document it is about. When the complete page has been delivered, the read
//! is reported, with retries for as long as it takes. Every step is in the [`exchange`] log before its effect
//! is visible outside.
//!
//! The headers that the application gets with each request:
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
//! Client headers of these names are removed. The external id has two names for a reason: contract version 1
//! does not return it on verification, so the value in the address comes only from the visitor's browser, and
//! a visitor could insert another one. An application must select its document by `Seoham-Document`, by the
//! payload or by the confirmed header.
//!
//! Only a person's own navigation uses a token up. A browser indicates this in its headers; any other client
//! gets a page with a button. If a double tap sends two requests with one token, both end on the page.
//!
//! Client headers that claim an address, a host, a method or a path are replaced with the gateway's own:
//! `X-Forwarded-For` is only the client's address, as the last trusted proxy reports it. A path that could
//! escape the upstream's base path is refused.
//!
//! The upstream must be reachable only through this gateway. Protocol upgrades (web sockets) are not
//! forwarded. Sessions are in memory: after a restart a person opens the document again.
//!
//! Not here: personal values in a log; decisions about the page's content.
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

/// The gateway's configuration.
pub struct LandingOptions {
    /// The institution's application, `http(s)://host:port`, with an optional path that is prefixed to every
    /// request's.
    pub upstream: String,
    /// The platform's API, `http(s)://host:port`.
    pub platform: String,
    /// The institution's access token.
    pub access_token: SecretString,
    /// The exchange log's directory; created if needed.
    pub log: PathBuf,
    /// Browsers reach the gateway over TLS, its own or a proxy's: cookies are `Secure`.
    pub secure: bool,
    /// A trusted proxy is in front, and sets `X-Forwarded-For`.
    pub behind_proxy: bool,
    /// Limits.
    pub limits: Limits,
}

/// The gateway's limits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Concurrent requests, from their head to the end of the response; further ones get an error page with
    /// 503.
    pub under_way: usize,
    /// Concurrent requests of one visit. A browser requests all parts of a page together.
    pub of_visit: usize,
    /// Concurrent requests from one address (IPv6: one /64). A mobile carrier has many people behind one.
    pub of_address: usize,
    /// Sessions held; beyond that, the oldest is evicted.
    pub sessions: usize,
    /// The idle timeout of a session.
    pub session_idle: Duration,
    /// The maximum lifetime of a visit, regardless of use.
    pub session_total: Duration,
    /// The timeout for connecting to the upstream or the platform.
    pub connect: Duration,
    /// The timeout for the head of the upstream's response, and between any two chunks.
    pub first_byte: Duration,
    /// The total timeout of one exchange with the platform.
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

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An invalid address.
    #[error("{0}: must be an http(s) address without query and fragment")]
    Address(&'static str),
    /// The access token is malformed.
    #[error("the access token must be 32 lower-case hex digits")]
    AccessToken,
    /// The HTTP clients could not be built.
    #[error("the HTTP client cannot be made: {0}")]
    Client(#[from] reqwest::Error),
    /// The log could not be opened.
    #[error(transparent)]
    Log(#[from] OpenError),
}

/// A running gateway; the caller owns its sockets.
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
    /// Opens the log and starts to report pending reads. Call it on a Tokio runtime. It blocks while it reads
    /// the last two days of the log.
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

    /// The findings from opening the log.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The router; serve it with [`axum::extract::ConnectInfo`] of the peer's address.
    pub fn router(&self) -> Router {
        Router::new()
            .route(pages::STYLE_PATH, get(pages::style))
            .route(pages::ICON_PATH, get(pages::icon))
            .fallback(handler::handle)
            .with_state(Arc::clone(&self.state))
    }

    /// Shuts down: report attempts in progress have until `deadline`. The rest stays in the log and is
    /// reported after the next start.
    pub async fn stop(self, deadline: Duration) {
        self.state.reporter.stop(deadline).await;
    }
}

/// A base URL without trailing slashes.
fn base(name: &'static str, text: &str) -> Result<String, StartError> {
    crate::address::base(text).ok_or(StartError::Address(name))
}
