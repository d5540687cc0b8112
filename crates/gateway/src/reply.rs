//! Responses with a body.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use seoham_http::ApiError;
use seoham_model::UnixSeconds;
use seoham_model::status_data::StatusData;
use seoham_store::documents::DocumentStatus;
use serde::Serialize;

/// 200 with a JSON body.
pub(crate) fn json<T: Serialize>(body: &T) -> Result<Response, ApiError> {
    let bytes = serde_json::to_vec(body).map_err(|error| {
        tracing::error!(%error, "an answer could not be written");
        ApiError::internal()
    })?;
    Ok(([(CONTENT_TYPE, seoham_http::error::JSON)], bytes).into_response())
}

/// The status of a document at `now`.
pub(crate) fn status_data(status: DocumentStatus, now: UnixSeconds) -> StatusData {
    StatusData::of(&status.times, status.deadline_at, status.payload, now)
}

pub(crate) fn seconds(moment: Option<UnixSeconds>) -> Option<i64> {
    moment.map(|m| m.0)
}

/// 404: no such document of this institution.
pub(crate) fn unknown_document() -> ApiError {
    ApiError::not_found(UNKNOWN_DOCUMENT.clone())
}

/// The message for an unknown document.
pub(crate) static UNKNOWN_DOCUMENT: seoham_model::Text = seoham_model::Text::fixed(
    "이 기관의 문서가 아니거나 없는 문서입니다",
    "no such document of this institution",
);

/// The message for a document that is stored and cannot be read.
pub(crate) static UNREADABLE_DOCUMENT: seoham_model::Text = seoham_model::Text::fixed(
    "저장된 문서를 읽을 수 없습니다. 운영자에게 문의해 주십시오",
    "the stored document cannot be read; ask the operator",
);
