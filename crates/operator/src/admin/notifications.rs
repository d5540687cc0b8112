//! `/admin/v1/notifications/given-up`: documents whose recipients could not be told.

use axum::extract::State;
use axum::response::Response;
use seoham_http::{ApiError, Query};
use seoham_model::{BinderId, Text};
use serde::{Deserialize, Serialize};

use super::json;
use crate::state::Operator;

/// Documents in one answer.
const PAGE: usize = 100;

#[derive(Deserialize)]
pub(crate) struct Before {
    before: Option<String>,
}

#[derive(Serialize)]
struct List {
    /// Newest first.
    document_binder_uuids: Vec<BinderId>,
    /// Where the next page begins; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_before: Option<BinderId>,
}

pub(crate) async fn given_up(
    State(operator): State<Operator>,
    Query(query): Query<Before>,
) -> Result<Response, ApiError> {
    let before = match query.before {
        None => None,
        Some(text) => Some(BinderId::parse(&text).ok_or_else(|| {
            ApiError::invalid(Text::fixed("before: 문서 번호여야 합니다", "before: must be a document's id"))
        })?),
    };
    let document_binder_uuids = operator.store.given_up(before, PAGE).await?;
    let full = document_binder_uuids.len() == PAGE;
    let next_before = if full { document_binder_uuids.last().copied() } else { None };
    json(&List { document_binder_uuids, next_before })
}
