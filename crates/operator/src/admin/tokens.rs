//! `/admin/v1/institutions/{id}/tokens`.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::{ApiError, Path, body};
use seoham_model::{AccessTokenId, Text, forms};
use seoham_store::accounts::AccessTokenRecord;
use seoham_vault::AccessToken;
use serde::Serialize;

use super::{created, institution, unknown_institution};
use crate::state::Operator;

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
    let (label, expires_at) = forms::access_token(&body::json(request).await?, operator.now())?;
    let token = AccessToken::generate();
    let token_id = AccessTokenId::generate(operator.store.clock());
    let record = AccessTokenRecord { id: token_id, label, expires_at, revoked_at: None, last_used_at: None };
    if !operator.store.create_token(institution, record, token.hash()).await? {
        return Err(unknown_institution());
    }
    tracing::info!(%institution, token = %token_id, "access token created");
    created(&Created { token_id, access_token: token.expose() })
}

pub(crate) async fn revoke(
    State(operator): State<Operator>,
    Path((id, token)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let unknown =
        || ApiError::not_found(Text::fixed("없는 접근 토큰입니다", "there is no such access token"));
    let institution = institution(&id)?;
    let token_id = AccessTokenId::parse(&token).ok_or_else(unknown)?;
    if !operator.store.revoke_token(institution, token_id, operator.now()).await? {
        return Err(unknown());
    }
    tracing::info!(%institution, token = %token_id, "access token revoked");
    Ok(StatusCode::NO_CONTENT)
}
