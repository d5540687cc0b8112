//! `POST /provider/v1/receipts`: the messenger's own reports (SPEC 13), signed as Standard
//! Webhooks prescribes.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use seoham_http::{ApiError, body};
use seoham_model::forms;
use seoham_store::deliveries::Receipt;
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};
use tokio::sync::Semaphore;

use crate::state::Gateway;

pub(crate) const PATH: &str = "/provider/v1/receipts";

/// Reports under way at once. A signature is known to be right only when the body was read, so
/// this is what bounds the memory that a stranger can take.
const AT_ONCE: usize = 8;

/// What tells the messenger's reports from a stranger's, and bounds how many are taken in.
pub(crate) struct Receipts {
    webhook: Webhook,
    under_way: Semaphore,
}

impl Receipts {
    /// `None` when the signing secret cannot be used.
    pub(crate) fn new(secret: &str) -> Option<Self> {
        Some(Self { webhook: Webhook::new(secret).ok()?, under_way: Semaphore::new(AT_ONCE) })
    }

    async fn read_signed(&self, request: Request) -> Result<Vec<Receipt>, ApiError> {
        let (parts, stream) = request.into_parts();
        if !has_signature(&parts.headers) {
            return Err(unsigned());
        }
        body::require_json(&parts.headers)?;
        let Ok(_leave) = self.under_way.try_acquire() else {
            metrics::counter!("seoham_refused_total", "bound" => "receipts").increment(1);
            return Err(ApiError::unavailable());
        };
        let bytes = body::read(&parts.headers, stream).await?;
        if self.webhook.verify(&bytes, &parts.headers).is_err() {
            return Err(unsigned());
        }
        let reported = forms::receipts(&bytes)?;
        Ok(reported
            .into_iter()
            .filter_map(|r| Some(Receipt { document: r.id?.0, delivered: r.delivered, at: r.at }))
            .collect())
    }
}

pub(crate) async fn receipts(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let signed = gateway.receipts.as_ref().ok_or_else(ApiError::unknown_path)?;
    let receipts = signed.read_signed(request).await?;
    metrics::counter!("seoham_receipts_total").increment(receipts.len() as u64);
    gateway.store.record_receipts(receipts, gateway.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether there is anything that could be a signature: without it nothing is read.
fn has_signature(headers: &HeaderMap) -> bool {
    [HEADER_WEBHOOK_ID, HEADER_WEBHOOK_TIMESTAMP, HEADER_WEBHOOK_SIGNATURE]
        .into_iter()
        .all(|name| headers.contains_key(name))
}

fn unsigned() -> ApiError {
    metrics::counter!("seoham_receipts_refused_total").increment(1);
    ApiError::unauthorized()
}
