//! Liveness and readiness.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use seoham_http::ApiError;
use seoham_model::{ErrorCode, Text};

use crate::state::Operator;

/// The timeout for the store's health check.
const PATIENCE: Duration = Duration::from_secs(2);

/// Liveness: the process responds.
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// Readiness: the process accepts requests. It is not shutting down, and its store accepts writes.
pub(crate) async fn ready(State(operator): State<Operator>) -> Result<&'static str, ApiError> {
    let not_ready =
        |text| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::InternalError, text).retry_after(1);
    let health = operator.store.health();
    if health.failure().is_some() {
        return Err(not_ready(Text::fixed(
            "저장 장치에 오류가 나서 종료합니다. 로그를 확인하십시오",
            "the store failed and the process ends; see the log",
        )));
    }
    if operator.is_draining() {
        return Err(not_ready(Text::fixed("종료하는 중입니다", "shutting down")));
    }
    if let Some(obstacle) = health.obstacle() {
        return Err(not_ready(obstacle.text()));
    }
    match tokio::time::timeout(PATIENCE, operator.store.ready()).await {
        Ok(Ok(())) => Ok("ready\n"),
        _ => Err(not_ready(Text::fixed("저장소를 쓸 수 없습니다", "the store does not take writes"))),
    }
}
