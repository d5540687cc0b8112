//! Reads a request body: checks its type, size and time limit (SPEC 1).

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use seoham_model::{ErrorCode, Text};

use crate::{ApiError, headers};

/// The maximum body size of the contract: 2 MiB.
pub const BODY_MAX: usize = 2 * 1024 * 1024;

/// The maximum body size of calls with a single item (SPEC 1): 64 KiB.
pub const SMALL_BODY_MAX: usize = 64 * 1024;

/// The UTF-8 byte order mark, which some editors write.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Rejects a body with a content encoding, such as gzip.
pub fn require_identity(headers: &HeaderMap) -> Result<(), ApiError> {
    let encoding = match headers::single(headers, &CONTENT_ENCODING)? {
        None => return Ok(()),
        Some(encoding) if encoding.eq_ignore_ascii_case(b"identity") => return Ok(()),
        Some(encoding) => encoding,
    };
    // Reflects only the harmless characters of the client's value in the message.
    let name: String =
        encoding.iter().filter(|b| b.is_ascii_alphanumeric()).take(20).map(|b| char::from(*b)).collect();
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::InvalidValue,
        Text::made(
            format!("Content-Encoding: {name} 형식의 본문은 받지 않습니다. 압축하지 말고 보내 주십시오"),
            format!("Content-Encoding: {name} is not taken; send the body as it is"),
        ),
    ))
}

/// `bytes` without a leading byte order mark (SPEC 1).
pub fn without_mark(bytes: Bytes) -> Bytes {
    if bytes.starts_with(BYTE_ORDER_MARK) { bytes.slice(BYTE_ORDER_MARK.len()..) } else { bytes }
}

/// Rejects any type but plain `application/json`, with or without `charset=utf-8`.
pub fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    require_identity(headers)?;
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

/// The memory that a body of at most `bytes_max` will certainly use: its declared length, capped at the
/// limit; zero if the length is not declared.
pub fn declared_bytes(headers: &HeaderMap, bytes_max: usize) -> usize {
    declared_length(headers).unwrap_or(0).min(bytes_max)
}

fn declared_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads the body of a small request that must be JSON.
pub async fn json(request: Request) -> Result<Bytes, ApiError> {
    let (parts, stream) = request.into_parts();
    require_json(&parts.headers)?;
    read_granted(&parts.headers, stream, SMALL_BODY_MAX, |_| Ok(())).await.map(without_mark)
}

/// Reads a body of at most `bytes_max`. Before keeping more, calls `grant` with the new total size; a refused
/// grant ends the reading. A body that exceeds the limit is rejected before it is read completely.
pub async fn read_granted(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    mut grant: impl FnMut(usize) -> Result<(), ApiError>,
) -> Result<Bytes, ApiError> {
    if declared_length(headers).is_some_and(|length| length > bytes_max) {
        return Err(too_large(bytes_max));
    }
    let mut stream = body.into_data_stream();
    let mut whole = BytesMut::new();
    let mut first: Option<Bytes> = None;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| broken_off())?;
        let length = whole.len() + first.as_ref().map_or(0, Bytes::len) + chunk.len();
        if length > bytes_max {
            return Err(too_large(bytes_max));
        }
        grant(length)?;
        // A body that arrives in one chunk is not copied.
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
}

fn too_large(bytes_max: usize) -> ApiError {
    let (number, unit) =
        if bytes_max >= 1024 * 1024 { (bytes_max >> 20, "MiB") } else { (bytes_max >> 10, "KiB") };
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::InvalidValue,
        Text::made(
            format!("요청 본문은 {number}{unit} 이하여야 합니다"),
            format!("the request body must be at most {number} {unit}"),
        ),
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

    #[test]
    fn an_encoded_body_is_refused_by_name() {
        let of = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_ENCODING, axum::http::HeaderValue::from_static(value));
            require_identity(&headers)
        };
        assert!(of("identity").is_ok() && of("Identity").is_ok() && of("").is_ok());
        assert!(of("gzip").is_err() && of("gzip, identity").is_err());
    }

    #[tokio::test]
    async fn a_body_has_its_own_bound_and_no_mark() {
        let request = |body: Vec<u8>| {
            let request = Request::post("/").header(CONTENT_TYPE, "application/json");
            request.body(Body::from(body)).expect("a request")
        };
        assert_eq!(json(request(b"\xef\xbb\xbf{}".to_vec())).await.expect("read"), "{}");
        assert!(json(request(vec![b' '; SMALL_BODY_MAX])).await.is_ok());
        assert!(json(request(vec![b' '; SMALL_BODY_MAX + 1])).await.is_err());
    }

    #[tokio::test]
    async fn every_piece_is_granted_before_it_is_kept() {
        let body = || {
            let chunks = ["{\"a\"", ":1", "}"].map(|chunk| Ok::<_, std::io::Error>(Bytes::from(chunk)));
            Body::from_stream(futures_util::stream::iter(chunks))
        };
        let mut asked = Vec::new();
        let headers = HeaderMap::new();
        let whole = read_granted(&headers, body(), BODY_MAX, |length| {
            asked.push(length);
            Ok(())
        });
        assert_eq!(whole.await.expect("granted"), r#"{"a":1}"#);
        assert_eq!(asked, [4, 6, 7]);
        let refuse = |length| if length > 4 { Err(ApiError::unavailable()) } else { Ok(()) };
        assert!(read_granted(&HeaderMap::new(), body(), BODY_MAX, refuse).await.is_err());
    }
}
