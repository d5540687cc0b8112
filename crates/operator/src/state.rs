//! State shared by all endpoints.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use metrics_exporter_prometheus::PrometheusHandle;
use seoham_model::{AccessTokenId, UnixSeconds};
use seoham_store::OperatorStore;
use seoham_store::token_uses::TokenUses;
use seoham_vault::TokenHash;

use crate::actions::ActionLog;
use crate::messengers::Messengers;
use crate::queue_gauges::QueueGauges;

/// The configuration of the operator's side.
pub struct OperatorOptions {
    /// The store.
    pub store: Arc<dyn OperatorStore>,
    /// The hash of the first operator's token.
    pub admin_token: TokenHash,
    /// The messenger providers of this process.
    pub messengers: Arc<dyn Messengers>,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// The audit log of the API.
    pub actions: ActionLog,
    /// A trusted proxy is in front, and sets `X-Forwarded-For`: tokens that are bound to networks go by it.
    pub behind_proxy: bool,
}

/// The operator's side. Clones share all state.
#[derive(Clone)]
pub struct Operator {
    pub(crate) store: Arc<dyn OperatorStore>,
    pub(crate) messengers: Arc<dyn Messengers>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) gauges: Arc<QueueGauges>,
    pub(crate) actions: Arc<ActionLog>,
    pub(crate) first_token: TokenHash,
    pub(crate) behind_proxy: bool,
    first_token_name: Arc<str>,
    token_uses: TokenUses<AccessTokenId>,
    draining: Arc<AtomicBool>,
}

impl Operator {
    /// Creates the operator's side over a store.
    pub fn new(options: OperatorOptions) -> Self {
        Self {
            store: options.store,
            messengers: options.messengers,
            metrics: options.metrics,
            gauges: Arc::default(),
            actions: Arc::new(options.actions),
            first_token_name: token_name(options.admin_token).into(),
            first_token: options.admin_token,
            behind_proxy: options.behind_proxy,
            token_uses: TokenUses::default(),
            draining: Arc::default(),
        }
    }

    /// Marks the process as not ready, because it is shutting down.
    pub fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The first digits of the first token's hash: they identify the token, but grant nothing.
    pub(crate) fn first_token_name(&self) -> &str {
        &self.first_token_name
    }

    /// Reports the use of an admin token.
    pub(crate) fn token_used(&self, token: AccessTokenId, now: UnixSeconds) {
        if self.token_uses.is_due(token, now) {
            let store = Arc::clone(&self.store);
            tokio::spawn(async move {
                if let Err(error) = store.admin_token_used(token, now).await {
                    tracing::debug!(%error, "the use of an admin token was not noted");
                }
            });
        }
    }

    pub(crate) fn now(&self) -> UnixSeconds {
        self.store.clock().now()
    }
}

fn token_name(TokenHash(hash): TokenHash) -> String {
    let [a, b, c, d, ..] = hash;
    format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
}
