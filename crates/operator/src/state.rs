//! State shared by all endpoints, and authentication.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use metrics_exporter_prometheus::PrometheusHandle;
use seoham_http::{ApiError, headers};
use seoham_model::UnixSeconds;
use seoham_store::OperatorStore;
use seoham_vault::TokenHash;

use crate::actions::ActionLog;
use crate::queue_gauges::QueueGauges;

/// The configuration of the operator's side.
pub struct OperatorOptions {
    /// The store.
    pub store: Arc<dyn OperatorStore>,
    /// The admin token's hash.
    pub admin_token: TokenHash,
    /// Renders the metrics.
    pub metrics: PrometheusHandle,
    /// The audit log of the API.
    pub actions: ActionLog,
}

/// The operator's side. Clones share all state.
#[derive(Clone)]
pub struct Operator {
    pub(crate) store: Arc<dyn OperatorStore>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) gauges: Arc<QueueGauges>,
    pub(crate) actions: Arc<ActionLog>,
    admin_token: TokenHash,
    token_name: Arc<str>,
    draining: Arc<AtomicBool>,
}

impl Operator {
    /// Creates the operator's side over a store.
    pub fn new(options: OperatorOptions) -> Self {
        Self {
            store: options.store,
            metrics: options.metrics,
            gauges: Arc::default(),
            actions: Arc::new(options.actions),
            token_name: token_name(options.admin_token).into(),
            admin_token: options.admin_token,
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

    /// The first digits of the token's hash: they identify the token, but grant nothing.
    pub(crate) fn token_name(&self) -> &str {
        &self.token_name
    }

    pub(crate) fn now(&self) -> UnixSeconds {
        self.store.clock().now()
    }
}

fn token_name(TokenHash(hash): TokenHash) -> String {
    let [a, b, c, d, ..] = hash;
    format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
}

pub(crate) async fn require_admin_token(
    State(operator): State<Operator>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let token = headers::bearer(request.headers())?;
    if token.is_some_and(|token| operator.admin_token.is_of(token)) {
        Ok(next.run(request).await)
    } else {
        Err(ApiError::unauthorized())
    }
}
