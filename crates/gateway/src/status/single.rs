//! `GET /v1/documents/{binder}/status` (SPEC 6).

use axum::extract::State;
use axum::response::Response;
use seoham_http::{ApiError, Path};
use seoham_model::BinderId;
use seoham_model::status_data::StatusData;
use seoham_store::Lane;

use crate::caller::Sender;
use crate::reply::{json, status_data, unknown_document};
use crate::state::Gateway;

/// The status of one document.
#[utoipa::path(
    get, path = "/v1/documents/{binder}/status", tag = "documents",
    params(
        ("binder" = String, Path, description = "BIN-…"),
        ("Contract-Uuid" = String, Header, description = "CON-…"),
    ),
    responses((status = 200, body = inline(StatusData))),
    security(("access_token" = [])),
)]
pub(crate) async fn single(
    State(gateway): State<Gateway>,
    sender: Sender,
    Path(binder): Path<String>,
) -> Result<Response, ApiError> {
    let id = BinderId::parse(&binder).ok_or_else(unknown_document)?;
    let found = gateway.store.statuses(Lane::Interactive, sender.institution, vec![id]).await?;
    let status = found.into_iter().next().transpose()?.flatten().ok_or_else(unknown_document)?;
    json(&status_data(status, gateway.now()))
}
