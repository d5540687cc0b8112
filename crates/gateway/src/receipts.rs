//! `POST /provider/v1/receipts`: the messenger's own reports (SPEC 13), signed as Standard
//! Webhooks prescribes.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use seoham_http::{ApiError, body};
use seoham_model::forms;
use seoham_store::deliveries::Receipt;

use crate::state::Gateway;

pub(crate) const PATH: &str = "/provider/v1/receipts";

pub(crate) async fn receipts(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let (parts, stream) = request.into_parts();
    body::require_json(&parts.headers)?;
    let bytes = body::read(&parts.headers, stream).await?;
    let signed =
        gateway.receipts.as_ref().is_some_and(|webhook| webhook.verify(&bytes, &parts.headers).is_ok());
    if !signed {
        metrics::counter!("seoham_receipts_refused_total").increment(1);
        return Err(ApiError::unauthorized());
    }
    let receipts: Vec<Receipt> = forms::receipts(&bytes)?
        .into_iter()
        .filter_map(|r| Some(Receipt { document: r.id?.0, delivered: r.delivered, at: r.at }))
        .collect();
    metrics::counter!("seoham_receipts_total").increment(receipts.len() as u64);
    gateway.store.record_receipts(receipts, gateway.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}
