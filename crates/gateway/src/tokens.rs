//! `GET /v1/documents/{binder}/tokens/{token}` and its alias (SPEC 7).

use axum::extract::State;
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use seoham_http::{ApiError, Path, headers};
use seoham_model::token::is_one_time_token;
use seoham_model::{BinderId, InstitutionId, Text};
use seoham_store::documents::TokenVerdict;
use seoham_vault::TokenHash;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::reply::{json, seconds};
use crate::state::Gateway;

#[derive(Serialize, ToSchema)]
#[schema(as = VerifiedToken)]
pub(crate) struct TokenReply {
    /// Always USED: this call used it.
    token_status: &'static str,
    /// Until when it would have been valid, Unix seconds.
    token_expires_at: i64,
    token_used_at: i64,
    doc_box_sent_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_box_received_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authenticated_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_notified_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    /// Only for a caller that sent `Seoham-External-Document: true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_document_uuid: Option<String>,
}

/// Asks for `external_document_uuid` in the answer, which an old client must not see.
const ASK_EXTERNAL: HeaderName = HeaderName::from_static("seoham-external-document");

/// Verifies a one-time token, which uses it up.
#[utoipa::path(
    get, path = "/v1/documents/{binder}/tokens/{token}", tag = "reading",
    params(("binder" = String, Path, description = "BIN-…"), ("token" = String, Path)),
    responses((status = 200, body = inline(TokenReply))),
    security(("access_token" = [])),
)]
pub(crate) async fn verify(
    State(gateway): State<Gateway>,
    caller: Caller,
    method: Method,
    headers: HeaderMap,
    Path((binder, token)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    if method != Method::GET {
        return Ok(only_get_allowed());
    }
    reply(&gateway, caller.institution, &binder, &token, &headers).await
}

/// The path under which old clients verify.
#[utoipa::path(
    get, path = "/v1/{binder}/tokens/{token}", tag = "reading",
    params(("binder" = String, Path, description = "BIN-…"), ("token" = String, Path)),
    responses((status = 200, body = inline(TokenReply))),
    security(("access_token" = [])),
)]
pub(crate) async fn verify_alias(
    State(gateway): State<Gateway>,
    caller: Caller,
    method: Method,
    headers: HeaderMap,
    Path((binder, token)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    if method != Method::GET {
        return Ok(only_get_allowed());
    }
    reply(&gateway, caller.institution, &binder, &token, &headers).await
}

async fn reply(
    gateway: &Gateway,
    institution: InstitutionId,
    binder: &str,
    token: &str,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let tells_external = headers::single(headers, &ASK_EXTERNAL)? == Some(b"true");
    let id = BinderId::parse(binder).filter(|_| is_one_time_token(token)).ok_or_else(unknown_token)?;
    let verdict = gateway.store.verify_token(institution, id, TokenHash::of(token), gateway.now()).await?;
    count(&verdict);
    match verdict {
        TokenVerdict::Unknown => Err(unknown_token()),
        TokenVerdict::Used => {
            Err(ApiError::invalid(Text::fixed("이미 사용된 토큰입니다", "the token was used before")))
        }
        TokenVerdict::Expired => {
            Err(ApiError::invalid(Text::fixed("유효 시간이 지난 토큰입니다", "the token has expired")))
        }
        TokenVerdict::Withdrawn => {
            Err(ApiError::invalid(Text::fixed("회수된 문서의 토큰입니다", "the document was withdrawn")))
        }
        TokenVerdict::Verified { token_expires_at, token_used_at, status } => json(&TokenReply {
            token_status: "USED",
            token_expires_at: token_expires_at.0,
            token_used_at: token_used_at.0,
            doc_box_sent_at: status.times.sent_at.0,
            doc_box_received_at: seconds(status.times.received_at),
            authenticated_at: seconds(status.times.authenticated_at),
            user_notified_at: seconds(status.times.notified_at),
            payload: status.payload,
            external_document_uuid: status.external_document_uuid.filter(|_| tells_external),
        }),
    }
}

/// The router routes HEAD to the GET handler; a HEAD must not consume a token.
fn only_get_allowed() -> Response {
    let mut response = ApiError::method_not_allowed().into_response();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    response
}

fn unknown_token() -> ApiError {
    ApiError::not_found(Text::fixed(
        "이 문서의 토큰이 아니거나 없는 토큰입니다",
        "no such token of this document",
    ))
}

fn count(verdict: &TokenVerdict) {
    let name = match verdict {
        TokenVerdict::Verified { .. } => "verified",
        TokenVerdict::Used => "used",
        TokenVerdict::Expired => "expired",
        TokenVerdict::Withdrawn => "withdrawn",
        TokenVerdict::Unknown => "unknown",
    };
    metrics::counter!("seoham_token_verifications_total", "verdict" => name).increment(1);
}
