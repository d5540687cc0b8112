//! `POST /sandbox/v1/documents/{binder}/open` and `/notified`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::{ApiError, Path};
use seoham_model::link::redirect_url;
use seoham_model::{BinderId, Text};
use seoham_store::Lane;
use seoham_store::boxes::{OpenVerdict, Opener};
use seoham_store::deliveries::{Arrival, Receipt};
use seoham_vault::OneTimeToken;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::reply::{json, unknown_document};
use crate::state::Gateway;

#[derive(Serialize, ToSchema)]
pub(crate) struct Opened {
    /// The institution's page, with the token.
    redirect_url: String,
}

/// The recipient authenticates and opens, without a browser.
#[utoipa::path(
    post, path = "/sandbox/v1/documents/{binder}/open", tag = "sandbox",
    params(("binder" = String, Path, description = "BIN-…")),
    responses((status = 200, body = inline(Opened))), security(("access_token" = [])),
)]
pub(super) async fn open(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(binder): Path<String>,
) -> Result<Response, ApiError> {
    let id = BinderId::parse(&binder).ok_or_else(unknown_document)?;
    let token = OneTimeToken::generate();
    match gateway.store.open(Opener::Institution(caller.institution), id, token.hash(), gateway.now()).await?
    {
        OpenVerdict::Opened { link, external_document_uuid, .. } => {
            let external = external_document_uuid.as_deref();
            json(&Opened { redirect_url: redirect_url(&link, token.expose(), &id.to_string(), external) })
        }
        OpenVerdict::Unknown => Err(unknown_document()),
        OpenVerdict::NotInBox => Err(ApiError::forbidden(Text::fixed(
            "수신자의 문서함에 아직 없는 문서입니다(미가입 또는 전달 전)",
            "the document is not in the recipient's box yet (not a member, or not delivered yet)",
        ))),
        OpenVerdict::Expired => Err(ApiError::forbidden(Text::fixed(
            "열람기한이 지나 열 수 없는 문서입니다",
            "the deadline to open the document has passed",
        ))),
        OpenVerdict::Withdrawn => Err(ApiError::forbidden(Text::fixed(
            "기관이 회수하여 열 수 없는 문서입니다",
            "the institution withdrew the document",
        ))),
    }
}

/// The messenger's report arrives now.
#[utoipa::path(
    post, path = "/sandbox/v1/documents/{binder}/notified", tag = "sandbox",
    params(("binder" = String, Path, description = "BIN-…")),
    responses((status = 204)), security(("access_token" = [])),
)]
pub(super) async fn notified(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(binder): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = BinderId::parse(&binder).ok_or_else(unknown_document)?;
    let found = gateway.store.statuses(Lane::Interactive, caller.institution, vec![id]).await?;
    found.into_iter().next().transpose()?.flatten().ok_or_else(unknown_document)?;
    let now = gateway.now();
    gateway
        .store
        .record_receipts(vec![Receipt { document: id, arrival: Arrival::Messenger, at: now }], now)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
