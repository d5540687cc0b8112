//! The server, and what tests see of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::faults::Faults;
use crate::ledger::{Ledger, Message};
use crate::{aligo, bizppurio, nhn, pushes, sens, solapi};

/// The secret that every fake knows.
pub const SECRET: &str = "fake-secret";
/// The sender channel.
pub const SENDER_KEY: &str = "@가상시청";
/// The account, the key of the application, the service, the user.
pub const ACCOUNT: &str = "fake";

/// The settings by which a provider of this kind knows the platform, as a configuration file has them.
pub fn settings(kind: &str) -> String {
    match kind {
        "nhn" => format!("app_key = \"{ACCOUNT}\""),
        "solapi" => format!("api_key = \"{ACCOUNT}\"\nfrom = \"0200000000\""),
        "sens" => format!("service_id = \"svc\"\naccess_key = \"{ACCOUNT}\""),
        "aligo" => format!("user_id = \"{ACCOUNT}\"\nfrom = \"0200000000\""),
        _ => format!("account = \"{ACCOUNT}\"\nfrom = \"0200000000\""),
    }
}

/// The largest call.
const BODY_MAX: usize = 32 * 1024 * 1024;

#[derive(Clone)]
pub(crate) struct Shared(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) ledger: Ledger,
    pub(crate) faults: Faults,
    pub(crate) push_to: Mutex<Option<String>>,
}

impl std::ops::Deref for Shared {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// Running fakes of all providers, at one address. Dropping them stops them.
pub struct Fakes {
    address: SocketAddr,
    shared: Shared,
    server: tokio::task::JoinHandle<()>,
    pushing: tokio::task::JoinHandle<()>,
}

impl Fakes {
    /// Starts them on a free port of this machine.
    pub async fn start() -> std::io::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let parts = Parts { ledger: Ledger::default(), faults: Faults::default(), push_to: Mutex::default() };
        let shared = Shared(Arc::new(parts));
        let app = router(shared.clone());
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, app).await;
        });
        let pushing = tokio::spawn(pushes::push(shared.clone()));
        Ok(Self { address, shared, server, pushing })
    }

    /// The address of all their APIs.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Their faults.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Every message that was taken, in order; one that was taken twice is there twice.
    pub fn messages(&self) -> Vec<Message> {
        self.shared.ledger.lock().clone()
    }

    /// How many were taken.
    pub fn count(&self) -> usize {
        self.shared.ledger.lock().len()
    }

    /// The text that is approved instead of [`crate::TEMPLATE`].
    pub fn approve(&self, body: &str) {
        self.shared.ledger.approve(body);
    }

    /// Pushes NHN's reports to this address, each twice and in reverse order.
    pub fn push_to(&self, url: &str) {
        *self.shared.push_to.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.to_owned());
    }
}

impl Drop for Fakes {
    fn drop(&mut self) {
        self.server.abort();
        self.pushing.abort();
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .route("/alimtalk/v2.3/appkeys/{key}/messages", post(nhn::send).get(nhn::list))
        .route("/alimtalk/v2.3/appkeys/{key}/messages/{request}/{seq}", get(nhn::one))
        .route("/alimtalk/v2.3/appkeys/{key}/message-results", get(nhn::results))
        .route("/alimtalk/v2.3/appkeys/{key}/senders/{sender}/templates/{code}", get(nhn::template))
        .route("/messages/v4/send-many/detail", post(solapi::send))
        .route("/messages/v4/list", get(solapi::list))
        .route("/kakao/v2/templates/{code}", get(solapi::template))
        .route("/alimtalk/v2/services/{service}/messages", post(sens::send))
        .route("/alimtalk/v2/services/{service}/messages/{message}", get(sens::one))
        .route("/alimtalk/v2/services/{service}/templates", get(sens::template))
        .route("/akv10/token/create/{count}/{unit}/", post(aligo::token))
        .route("/akv10/alimtalk/send/", post(aligo::send))
        .route("/akv10/history/detail/", post(aligo::detail))
        .route("/akv10/template/list/", post(aligo::template))
        .route("/v1/token", post(bizppurio::token))
        .route("/v3/message", post(bizppurio::send))
        .route("/v1/result/request", post(bizppurio::results))
        .route("/v1/result/confirm", post(bizppurio::confirm))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(shared)
}
