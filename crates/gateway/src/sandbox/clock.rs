//! `POST /sandbox/v1/clock`.

use axum::extract::{Request, State};
use axum::response::Response;
use seoham_http::ApiError;
use seoham_model::{Text, forms};
use seoham_store::deployment::ADVANCED_SECONDS_MAX;
use serde::Serialize;

use crate::admission::small;
use crate::caller::Caller;
use crate::reply::json;
use crate::state::Gateway;

#[derive(Serialize)]
struct Now {
    now: i64,
}

pub(super) async fn advance(
    State(gateway): State<Gateway>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let seconds = forms::advance_seconds(&small(&gateway, caller.institution, request).await?)?;
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
