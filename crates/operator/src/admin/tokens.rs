//! `/admin/v1/institutions/{id}/tokens`.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::{ApiError, Path, body};
use seoham_model::network::Networks;
use seoham_model::{AccessTokenId, Text, forms};
use seoham_store::accounts::AccessTokenRecord;
use seoham_vault::AccessToken;
use serde::Serialize;

use super::{created, institution, unknown_institution};
use crate::state::Operator;

/// A token, without the token itself.
#[derive(Serialize)]
pub(super) struct TokenReply {
    token_id: AccessTokenId,
    label: String,
    /// When it was created.
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<i64>,
    /// When it was last used, to the hour; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<i64>,
    /// From where it may be used; absent if from anywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_networks: Option<Networks>,
}

impl From<AccessTokenRecord> for TokenReply {
    fn from(token: AccessTokenRecord) -> Self {
        Self {
            token_id: token.id,
            // The id contains the creation time.
            created_at: i64::try_from(token.id.unix_millis() / 1000).unwrap_or(0),
            label: token.label,
            expires_at: token.expires_at.map(|t| t.0),
            revoked_at: token.revoked_at.map(|t| t.0),
            last_used_at: token.last_used_at.map(|t| t.0),
            allowed_networks: token.allowed_networks,
        }
    }
}

/// 404: no such token.
pub(super) fn unknown_token() -> ApiError {
    ApiError::not_found(Text::fixed("없는 토큰입니다", "there is no such token"))
}

#[derive(Serialize)]
struct Created<'a> {
    token_id: AccessTokenId,
    /// Shown only once.
    access_token: &'a str,
}

pub(crate) async fn create(
    State(operator): State<Operator>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let institution = institution(&id)?;
    let new = forms::token(&body::json(request).await?, operator.now())?;
    let token = AccessToken::generate();
    let token_id = AccessTokenId::generate(operator.store.clock());
    let record = AccessTokenRecord::new(token_id, new);
    if !operator.store.create_token(institution, record, token.hash()).await? {
        return Err(unknown_institution());
    }
    tracing::info!(%institution, token = %token_id, "access token created");
    created(&Created { token_id, access_token: token.expose() })
}

/// `PATCH`: changes the label, the end or the networks of a token, without changing the token itself.
pub(crate) async fn change(
    State(operator): State<Operator>,
    Path((id, token)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let institution = institution(&id)?;
    let token_id = AccessTokenId::parse(&token).ok_or_else(unknown_token)?;
    let change = forms::token_change(&body::json(request).await?, operator.now())?;
    if !operator.store.change_token(institution, token_id, change).await? {
        return Err(unknown_token());
    }
    tracing::info!(%institution, token = %token_id, "access token changed");
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn revoke(
    State(operator): State<Operator>,
    Path((id, token)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let institution = institution(&id)?;
    let token_id = AccessTokenId::parse(&token).ok_or_else(unknown_token)?;
    if !operator.store.revoke_token(institution, token_id, operator.now()).await? {
        return Err(unknown_token());
    }
    tracing::info!(%institution, token = %token_id, "access token revoked");
    Ok(StatusCode::NO_CONTENT)
}
