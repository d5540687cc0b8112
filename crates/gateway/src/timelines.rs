//! `GET /v1/documents/{binder}/timeline`: every step of one document (SPEC 15).

use axum::extract::State;
use axum::response::Response;
use seoham_http::{ApiError, Path};
use seoham_model::BinderId;
use seoham_model::event::FeedEvent;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::reply::{json, unknown_document};
use crate::state::Gateway;

#[derive(Serialize, ToSchema)]
#[schema(as = Timeline)]
pub(crate) struct TimelineReply {
    /// In order, as far as they are kept.
    #[schema(inline)]
    events: Vec<FeedEvent>,
}

/// Every step of one document, as the feed has it.
#[utoipa::path(
    get, path = "/v1/documents/{binder}/timeline", tag = "events",
    params(("binder" = String, Path, description = "BIN-…")),
    responses((status = 200, body = inline(TimelineReply))), security(("access_token" = [])),
)]
pub(crate) async fn timeline(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(binder): Path<String>,
) -> Result<Response, ApiError> {
    let id = BinderId::parse(&binder).ok_or_else(unknown_document)?;
    let events = gateway.store.timeline(Some(caller.institution), id).await?.ok_or_else(unknown_document)?;
    json(&TimelineReply { events: events.into_iter().map(FeedEvent::from).collect() })
}
