//! `POST /v1/documents/{binder}/withdraw` (SPEC 16).

use axum::extract::State;
use axum::http::StatusCode;
use seoham_http::{ApiError, Path};
use seoham_model::{BinderId, Text};
use seoham_store::documents::WithdrawVerdict;

use crate::caller::Caller;
use crate::reply::unknown_document;
use crate::state::Gateway;

/// Withdraws a document that was not opened yet. It can then no longer be opened, and a waiting message is not sent.
#[utoipa::path(
    post, path = "/v1/documents/{binder}/withdraw", tag = "documents",
    params(("binder" = String, Path, description = "BIN-…")),
    responses((status = 204)),
    security(("access_token" = [])),
)]
pub(crate) async fn withdraw(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(binder): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = BinderId::parse(&binder).ok_or_else(unknown_document)?;
    let verdict = gateway.store.withdraw(caller.institution, id, gateway.now()).await?;
    let name = match verdict {
        WithdrawVerdict::Withdrawn => "withdrawn",
        WithdrawVerdict::Opened => "opened",
        WithdrawVerdict::Unknown => "unknown",
    };
    metrics::counter!("seoham_withdrawals_total", "verdict" => name).increment(1);
    match verdict {
        WithdrawVerdict::Withdrawn => Ok(StatusCode::NO_CONTENT),
        WithdrawVerdict::Opened => Err(ApiError::forbidden(Text::fixed(
            "수신자가 이미 연 문서이므로 회수할 수 없습니다",
            "the recipient opened the document before, so it cannot be withdrawn",
        ))),
        WithdrawVerdict::Unknown => Err(unknown_document()),
    }
}
