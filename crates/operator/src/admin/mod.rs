//! The calls of SPEC 11, one file per resource.

pub(crate) mod admins;
pub(crate) mod clock;
pub(crate) mod contracts;
pub(crate) mod deliveries;
pub(crate) mod documents;
pub(crate) mod institutions;
pub(crate) mod log;
pub(crate) mod messenger;
pub(crate) mod notifications;
pub(crate) mod people;
pub(crate) mod search;
pub(crate) mod statistics;
pub(crate) mod templates;
pub(crate) mod tokens;
pub(crate) mod webhooks;

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use seoham_http::ApiError;
use seoham_model::{InstitutionId, Text};
use serde::Serialize;

/// A JSON response.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<Response, ApiError> {
    let bytes = serde_json::to_vec(value).map_err(|_| ApiError::internal())?;
    Ok(([(CONTENT_TYPE, seoham_http::error::JSON)], bytes).into_response())
}

/// A 201 JSON response.
pub(crate) fn created<T: Serialize>(value: &T) -> Result<Response, ApiError> {
    let mut response = json(value)?;
    *response.status_mut() = axum::http::StatusCode::CREATED;
    Ok(response)
}

/// The institution of a path.
pub(crate) fn institution(text: &str) -> Result<InstitutionId, ApiError> {
    InstitutionId::parse(text).ok_or_else(unknown_institution)
}

/// 404: no such institution.
pub(crate) fn unknown_institution() -> ApiError {
    ApiError::not_found(Text::fixed("없는 기관입니다", "there is no such institution"))
}

/// 404: no such contract.
pub(crate) fn unknown_contract() -> ApiError {
    ApiError::not_found(Text::fixed("없는 계약입니다", "there is no such contract"))
}

/// 404: no such document.
pub(crate) fn unknown_document() -> ApiError {
    ApiError::not_found(Text::fixed("없는 문서입니다", "there is no such document"))
}
