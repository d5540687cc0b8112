//! `POST /sandbox/v1/clock`.

use axum::extract::{Request, State};
use axum::response::Response;
use seoham_http::{ApiError, body};
use seoham_model::forms;
use serde::Serialize;

use crate::caller::Caller;
use crate::reply::json;
use crate::state::Gateway;

#[derive(Serialize)]
struct Now {
    now: i64,
}

pub(super) async fn advance(
    State(gateway): State<Gateway>,
    _caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let seconds = forms::advance_seconds(&body::json(request).await?)?;
    let now = gateway.store.advance_clock(seconds).await?;
    json(&Now { now: now.0 })
}
