//! `POST /v1/documents/{binder}` with `is_detail_read` (SPEC 7).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use seoham_http::{ApiError, Path};
use seoham_model::{BinderId, Text, bulk as envelope};
use seoham_store::documents::ReadVerdict;
use utoipa::ToSchema;

use crate::admission::small;
use crate::caller::Caller;
use crate::reply::unknown_document;
use crate::state::Gateway;

#[derive(ToSchema)]
#[schema(as = ReadReport)]
#[allow(dead_code, reason = "described, never built")]
pub(crate) struct ReadReport {
    #[schema(inline)]
    document: ReadDocument,
}

#[derive(ToSchema)]
#[schema(as = ReadDocument)]
#[allow(dead_code, reason = "described, never built")]
struct ReadDocument {
    /// Must be true.
    is_detail_read: bool,
}

/// Reports that the institution's page was shown. Repeating it changes nothing.
#[utoipa::path(
    post, path = "/v1/documents/{binder}", tag = "reading", request_body = inline(ReadReport),
    params(("binder" = String, Path, description = "BIN-…")),
    responses((status = 204)),
    security(("access_token" = [])),
)]
pub(crate) async fn report(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(binder): Path<String>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    envelope::is_detail_read(&small(&gateway.small_calls, caller.institution, request).await?)?;
    let id = BinderId::parse(&binder).ok_or_else(unknown_document)?;
    match gateway.store.mark_read(caller.institution, id, gateway.now()).await? {
        ReadVerdict::Read => Ok(StatusCode::NO_CONTENT),
        ReadVerdict::Unknown => Err(unknown_document()),
        ReadVerdict::NoTokenVerified => Err(ApiError::forbidden(Text::fixed(
            "이 문서의 토큰이 검증된 적이 없어 열람 처리할 수 없습니다",
            "no token of this document was verified yet, so it cannot be marked as read",
        ))),
    }
}
