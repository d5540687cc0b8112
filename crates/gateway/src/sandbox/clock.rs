//! `POST /sandbox/v1/clock`.

use axum::extract::{Request, State};
use axum::response::Response;
use seoham_http::ApiError;
use seoham_model::{Text, forms};
use seoham_store::deployment::ADVANCED_SECONDS_MAX;
use serde::Serialize;
use utoipa::ToSchema;

use crate::admission::small;
use crate::caller::Caller;
use crate::reply::json;
use crate::state::Gateway;

#[derive(Serialize, ToSchema)]
pub(crate) struct Now {
    /// Unix seconds.
    now: i64,
}

#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub(crate) struct Advance {
    /// 0 to 315,360,000; 50 years in all.
    advance_seconds: i64,
}

/// Advances the server's clock for every rule of the contract.
#[utoipa::path(
    post, path = "/sandbox/v1/clock", tag = "sandbox", request_body = inline(Advance),
    responses((status = 200, body = inline(Now))), security(("access_token" = [])),
)]
pub(super) async fn advance(
    State(gateway): State<Gateway>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let seconds = forms::advance_seconds(&small(&gateway.small_calls, caller.institution, request).await?)?;
    let advanced = gateway.store.advance_clock(seconds).await?;
    let now = advanced.ok_or_else(|| {
        let left = (ADVANCED_SECONDS_MAX - gateway.store.clock().advanced_seconds()).max(0);
        ApiError::invalid(Text::made(
            format!(
                "advance_seconds: 샌드박스의 시계는 모두 합해 50년까지만 앞당길 수 있고, {left}초 남았습니다"
            ),
            format!(
                "advance_seconds: a sandbox's clock can be advanced by 50 years in all; {left} s are left"
            ),
        ))
    })?;
    json(&Now { now: now.0 })
}
