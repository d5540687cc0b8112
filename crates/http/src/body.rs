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

/// What the body is certain to take in memory: its declared length, within the bound, since more
/// is never taken; nothing yet when it does not say.
pub fn declared_bytes(headers: &HeaderMap) -> usize {
    declared_length(headers).unwrap_or(0).min(BODY_MAX)
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
    read_granted(headers, body, |_| Ok(())).await
}

/// [`read`], asking `grant` before more is kept, each time with the bytes that it will then be in
/// all. What is not granted ends the reading.
pub async fn read_granted(
    headers: &HeaderMap,
    body: Body,
    mut grant: impl FnMut(usize) -> Result<(), ApiError>,
) -> Result<Bytes, ApiError> {
    if declared_length(headers).is_some_and(|length| length > BODY_MAX) {
        return Err(too_large());
    }
    let mut stream = body.into_data_stream();
    let mut whole = BytesMut::new();
    let reading = async {
        let mut first: Option<Bytes> = None;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| broken_off())?;
            let length = whole.len() + first.as_ref().map_or(0, Bytes::len) + chunk.len();
            if length > BODY_MAX {
                return Err(too_large());
            }
            grant(length)?;
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
    tokio::time::timeout(BODY_TIME, reading).await.unwrap_or_else(|_| Err(broken_off()))
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

    #[tokio::test]
    async fn every_piece_is_granted_before_it_is_kept() {
        let body = || {
            let chunks = ["{\"a\"", ":1", "}"].map(|chunk| Ok::<_, std::io::Error>(Bytes::from(chunk)));
            Body::from_stream(futures_util::stream::iter(chunks))
        };
        let mut asked = Vec::new();
        let headers = HeaderMap::new();
        let whole = read_granted(&headers, body(), |length| {
            asked.push(length);
            Ok(())
        });
        assert_eq!(whole.await.expect("granted"), r#"{"a":1}"#);
        assert_eq!(asked, [4, 6, 7]);
        let refuse = |length| if length > 4 { Err(ApiError::unavailable()) } else { Ok(()) };
        assert!(read_granted(&HeaderMap::new(), body(), refuse).await.is_err());
    }
}
