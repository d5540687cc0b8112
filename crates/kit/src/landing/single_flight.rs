//! If a double tap sends two requests with one token, the token is verified once (single flight), and both
//! requests end on the page.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::handler::Failed;
use super::visit::{Fingerprint, Visit};

/// How long a second request counts as the same tap.
const SAME_TAP: Duration = Duration::from_secs(10);
/// The most tokens remembered; beyond that, each request verifies by itself.
const REMEMBERED: usize = 10_000;

/// The result of a verification.
pub(super) type Entered = Result<Arc<Visit>, Failed>;

/// Verifications in progress or just finished, by token.
#[derive(Default)]
pub(super) struct SingleFlight(Mutex<HashMap<Fingerprint, Attempt>>);

struct Attempt {
    /// The browser and its address: no other client shares the result.
    by: Fingerprint,
    begun: Instant,
    entered: Shared<BoxFuture<'static, Entered>>,
}

/// Identifies a browser as far as possible before it has a session.
pub(super) fn browser(address: IpAddr, headers: &HeaderMap) -> Fingerprint {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    Fingerprint::of(&format!("{address}\n{agent}"))
}

impl SingleFlight {
    /// The result of verifying `token` for this browser: shared with a verification in progress or one that
    /// has just succeeded, otherwise from a new one by `verify`.
    pub(super) fn of(
        &self,
        token: Fingerprint,
        by: Fingerprint,
        verify: impl FnOnce() -> BoxFuture<'static, Entered>,
    ) -> Shared<BoxFuture<'static, Entered>> {
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        attempts.retain(|_, attempt| now - attempt.begun < SAME_TAP);
        let same = attempts
            .get(&token)
            .filter(|attempt| attempt.by == by && !matches!(attempt.entered.peek(), Some(Err(_))));
        if let Some(attempt) = same {
            return attempt.entered.clone();
        }
        let entered = verify().shared();
        if attempts.len() < REMEMBERED {
            attempts.insert(token, Attempt { by, begun: now, entered: entered.clone() });
        }
        entered
    }
}
