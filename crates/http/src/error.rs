//! The common error envelope (SPEC 3). The public message is in the client's language; the cause is only
//! logged.

use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use seoham_model::bulk::MalformedRequest;
use seoham_model::lang::clip_message;
use seoham_model::{ErrorCode, Lang, Text};
use seoham_store::StoreError;
use serde::Serialize;

/// The content type of every response with a body.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json;charset=UTF-8");

/// The `Retry-After` for a store that is temporarily at capacity.
pub(crate) const RETRY_AFTER_SECONDS: u32 = 1;

/// 403: the token is bound to other networks (SPEC 2).
pub fn wrong_network() -> ApiError {
    ApiError::forbidden(Text::fixed(
        "이 토큰은 등록된 네트워크에서만 쓸 수 있습니다. 지금 주소는 등록되어 있지 않습니다",
        "the token may be used from its registered networks only, and this address is in none of them",
    ))
}

/// An error of a whole request. It becomes a response whose body the observing layer writes, because that
/// layer knows the client's language and the request id.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    code: ErrorCode,
    message: Text,
    retry_after_seconds: Option<u32>,
    tells_request_id: bool,
    kept_events: Option<(u64, u64)>,
}

impl ApiError {
    /// An error with a status and a code of SPEC 3. The message must not contain personal data.
    pub fn new(status: StatusCode, code: ErrorCode, message: Text) -> Self {
        Self { status, code, message, retry_after_seconds: None, tells_request_id: false, kept_events: None }
    }

    /// 400: a contract rule is violated.
    pub fn invalid(message: Text) -> Self {
        Self::new(StatusCode::BAD_REQUEST, ErrorCode::InvalidValue, message)
    }

    /// 404: unknown, or owned by another party.
    pub fn not_found(message: Text) -> Self {
        Self::new(StatusCode::NOT_FOUND, ErrorCode::NotFound, message)
    }

    /// 403.
    pub fn forbidden(message: Text) -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message)
    }

    /// 401: no valid credentials.
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            ErrorCode::Unauthorized,
            Text::fixed(
                "Authorization 헤더의 접근 토큰이 없거나 유효하지 않습니다",
                "the access token in the Authorization header is missing or not valid",
            ),
        )
    }

    /// 404: a path that does not exist.
    pub fn unknown_path() -> Self {
        Self::not_found(Text::fixed("없는 경로입니다", "there is no such path"))
    }

    /// 405; the router adds `Allow`.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            ErrorCode::InvalidValue,
            Text::fixed("이 경로에서 허용되지 않는 메서드입니다", "this path does not take this method"),
        )
    }

    /// 500: a server error. The message includes the request id, which leads to the log.
    pub fn internal() -> Self {
        let message = Text::fixed("서버 내부 오류가 발생했습니다", "an internal error occurred");
        let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::InternalError, message);
        error.tells_request_id = true;
        error
    }

    /// 503: temporarily unavailable; nothing of the request was accepted.
    pub fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::InternalError,
            Text::fixed(
                "지금은 요청을 처리할 수 없습니다. 접수된 문서는 없으니 잠시 후 다시 보내 주십시오",
                "the request cannot be taken now and nothing of it was accepted; please send it again later",
            ),
        )
        .retry_after(RETRY_AFTER_SECONDS)
    }

    /// 410: the events after a number are no longer kept; `oldest` is the first that is, in `epoch` (SPEC 15).
    pub fn gone(oldest: u64, epoch: u64) -> Self {
        let message = Text::made(
            format!(
                "after: 요청한 이벤트는 보관 기간이 지났습니다. 남아 있는 가장 오래된 이벤트는 {oldest}번입니다"
            ),
            format!("after: these events are no longer kept; the oldest that is kept is number {oldest}"),
        );
        Self { kept_events: Some((oldest, epoch)), ..Self::new(StatusCode::GONE, ErrorCode::Gone, message) }
    }

    /// 429: a rate limit of the institution.
    pub fn too_many_requests() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::TooManyRequests,
            Text::fixed(
                "이 기관이 동시에 보낼 수 있는 요청의 수나 크기를 넘었습니다",
                "too many or too large requests of this institution are under way at once",
            ),
        )
        .retry_after(RETRY_AFTER_SECONDS)
    }

    /// The message, in both languages.
    pub fn text(&self) -> &Text {
        &self.message
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// The same error with another message, which must not contain personal data.
    #[must_use]
    pub fn saying(mut self, message: Text) -> Self {
        self.message = message;
        self
    }

    /// The body in `lang`; the message includes `request_id` if the error requires it.
    pub(crate) fn body(&self, lang: Lang, request_id: &str) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            error_code: &'a str,
            error_message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            oldest: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            epoch: Option<u64>,
        }
        let mut message = self.message.in_lang(lang).to_owned();
        if self.tells_request_id {
            let label = match lang {
                Lang::Ko => "요청 번호",
                Lang::En => "request id",
            };
            message = format!("{message} ({label}: {request_id})");
        }
        clip_message(&mut message);
        let (oldest, epoch) = self.kept_events.unzip();
        let body = Body { error_code: self.code.as_str(), error_message: &message, oldest, epoch };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, JSON);
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        debug_assert!(!headers.contains_key(ALLOW), "the router adds it");
        response.extensions_mut().insert(self);
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded => Self::unavailable(),
            StoreError::Unavailable(_) => {
                tracing::warn!(%error, "the store is unavailable");
                Self::unavailable()
            }
            // The client does not learn the outcome; the store logs the cause where it lost the connection or
            // the disk.
            StoreError::Uncertain(_) => {
                tracing::warn!(%error, "the store broke off");
                Self::internal()
            }
            StoreError::Failed(_) | StoreError::Damaged(_) => {
                tracing::error!(%error, "the store failed");
                Self::internal()
            }
        }
    }
}

impl From<MalformedRequest> for ApiError {
    fn from(malformed: MalformedRequest) -> Self {
        Self::invalid(malformed.0)
    }
}
