//! Responses with a body, and the wire format of a status (SPEC 6).

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use seoham_http::ApiError;
use seoham_model::UnixSeconds;
use seoham_model::status::{DocBoxStatus, Times};
use seoham_store::documents::DocumentStatus;
use serde::Serialize;
use utoipa::ToSchema;

/// 200 with a JSON body.
pub(crate) fn json<T: Serialize>(body: &T) -> Result<Response, ApiError> {
    let bytes = serde_json::to_vec(body).map_err(|error| {
        tracing::error!(%error, "an answer could not be written");
        ApiError::internal()
    })?;
    Ok(([(CONTENT_TYPE, seoham_http::error::JSON)], bytes).into_response())
}

/// `status_data`.
#[derive(Serialize, ToSchema)]
#[schema(as = StatusData)]
pub(crate) struct StatusData {
    /// SENT, RECEIVED, READ or EXPIRED.
    #[schema(value_type = String, example = "RECEIVED")]
    doc_box_status: DocBoxStatus,
    /// Accepted, in Unix seconds like all times here.
    doc_box_sent_at: i64,
    /// Created in the recipient's box.
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_box_received_at: Option<i64>,
    /// First successful authentication for opening this document.
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticated_at: Option<i64>,
    /// First successful verification of a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_used_at: Option<i64>,
    /// First successful report that the page was shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_box_read_at: Option<i64>,
    /// The messenger's report that the notification arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_notified_at: Option<i64>,
    /// As it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
}

impl StatusData {
    pub(crate) fn of(status: DocumentStatus, now: UnixSeconds) -> Self {
        let Times { sent_at, received_at, authenticated_at, token_used_at, read_at, notified_at } =
            status.times;
        Self {
            doc_box_status: status.times.status(status.deadline_at, now),
            doc_box_sent_at: sent_at.0,
            doc_box_received_at: seconds(received_at),
            authenticated_at: seconds(authenticated_at),
            token_used_at: seconds(token_used_at),
            doc_box_read_at: seconds(read_at),
            user_notified_at: seconds(notified_at),
            payload: status.payload,
        }
    }
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
