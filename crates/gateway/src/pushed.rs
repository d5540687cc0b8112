//! `POST /provider/v1/{provider}/reports`: delivery reports that a messenger provider pushes in its own format (SPEC 13).

use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use seoham_http::{ApiError, Path};
use seoham_model::Text;

use crate::receipts::unsigned;
use crate::state::Gateway;

pub(crate) const PATH: &str = "/provider/v1/{provider}/reports";

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// Its reports are recorded, or the provider is asked about what it says.
    Taken,
    /// There is no such provider.
    UnknownProvider,
    /// It is signed wrongly.
    Unauthorized,
    /// It is not a report of this provider.
    Malformed,
    /// It could not be recorded: the provider has to push it again.
    Failed,
}

/// Takes pushed reports.
#[async_trait]
pub trait PushedReports: Send + Sync {
    /// Takes a push of the provider that is configured under this name.
    async fn take(&self, provider: &str, headers: &HeaderMap, body: &[u8]) -> Push;
}

pub(crate) async fn take(
    State(gateway): State<Gateway>,
    Path(provider): Path<String>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let pushed = gateway.pushed_reports.as_ref().ok_or_else(ApiError::unknown_path)?;
    let (parts, stream) = request.into_parts();
    let bytes = gateway.receipts.read(&parts.headers, stream).await?;
    let _turn = gateway.receipts.turn().await?;
    match pushed.take(&provider, &parts.headers, &bytes).await {
        Push::Taken => Ok(StatusCode::OK),
        Push::UnknownProvider => Err(ApiError::unknown_path()),
        Push::Unauthorized => Err(unsigned()),
        Push::Malformed => Err(ApiError::invalid(Text::fixed(
            "이 제공자의 발송 결과 형식이 아닙니다",
            "this is not a report of this provider",
        ))),
        Push::Failed => Err(ApiError::unavailable()),
    }
}
