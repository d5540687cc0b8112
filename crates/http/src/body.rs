//! Reading a request's body: the right type, within its bound, within its time (SPEC 1).

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use seoham_model::{ErrorCode, Text};

use crate::ApiError;

/// The greatest body of the contract: 2 MiB.
pub const BODY_MAX: usize = 2 * 1024 * 1024;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);

/// How much of a refused body is still taken in, so that a client that is sending it can read
/// the answer instead of a broken connection; and for how long.
const DRAIN_MAX: usize = 16 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Refuses anything but `application/json`, with or without `charset=utf-8`.
pub fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let is_json = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).is_some_and(|value| {
        let mut parts = value.split(';').map(str::trim);
        let essence = parts.next().unwrap_or("").eq_ignore_ascii_case("application/json");
        essence && parts.all(is_utf8_or_no_charset)
    });
    if is_json {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::InvalidValue,
        Text::fixed(
            "Content-Type은 application/json(UTF-8)이어야 합니다",
            "Content-Type must be application/json in UTF-8",
        ),
    ))
}

fn is_utf8_or_no_charset(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let value = value.trim().trim_matches('"');
            value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
        }
        _ => true,
    }
}

/// What the body can take in memory: its declared length, or the bound when it does not say or
/// says more, since more is never taken.
pub fn reserved_bytes(headers: &HeaderMap) -> usize {
    declared_length(headers).unwrap_or(BODY_MAX).min(BODY_MAX)
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body of a request that must be JSON.
pub async fn json(request: Request) -> Result<Bytes, ApiError> {
    let (parts, stream) = request.into_parts();
    require_json(&parts.headers)?;
    read(&parts.headers, stream).await
}

/// Reads a body of at most [`BODY_MAX`]; a longer one is refused before it is read whole.
pub async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    if declared_length(headers).is_some_and(|length| length > BODY_MAX) {
        drain(body);
        return Err(too_large());
    }
    let mut stream = body.into_data_stream();
    let mut whole = BytesMut::new();
    let reading = async {
        let mut first: Option<Bytes> = None;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| broken_off())?;
            if whole.len() + first.as_ref().map_or(0, Bytes::len) + chunk.len() > BODY_MAX {
                return Err(too_large());
            }
            // A body that comes in one piece is not copied.
            match first.take() {
                None if whole.is_empty() => first = Some(chunk),
                before => {
                    if let Some(before) = before {
                        whole.extend_from_slice(&before);
                    }
                    whole.extend_from_slice(&chunk);
                }
            }
        }
        Ok(first.unwrap_or_else(|| std::mem::take(&mut whole).freeze()))
    };
    let read = tokio::time::timeout(BODY_TIME, reading).await.unwrap_or_else(|_| Err(broken_off()));
    if read.is_err() {
        drain(Body::from_stream(stream));
    }
    read
}

/// Takes in the rest of a body that nobody wants, within bounds, in the background.
pub fn drain(body: Body) {
    tokio::spawn(tokio::time::timeout(DRAIN_TIME, async move {
        let mut stream = body.into_data_stream();
        let mut taken = 0;
        while let Some(Ok(chunk)) = stream.next().await {
            taken += chunk.len();
            if taken > DRAIN_MAX {
                break;
            }
        }
    }));
}

fn too_large() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::InvalidValue,
        Text::fixed("요청 본문은 2MiB 이하여야 합니다", "the request body must be at most 2 MiB"),
    )
}

fn broken_off() -> ApiError {
    ApiError::invalid(Text::fixed(
        "요청 본문이 끝까지 도착하지 않았습니다",
        "the request body did not arrive in full",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_utf8_is_the_type() {
        let of = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(CONTENT_TYPE, value.parse().expect("a header"));
            }
            require_json(&headers).is_ok()
        };
        for good in
            ["application/json", "Application/JSON; Charset=UTF-8", "application/json;charset=\"utf-8\""]
        {
            assert!(of(Some(good)), "{good}");
        }
        for bad in ["text/plain", "application/json;charset=euc-kr", "application/jsonp", ""] {
            assert!(!of(Some(bad)), "{bad}");
        }
        assert!(!of(None));
    }
}
