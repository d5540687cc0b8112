//! Normalises percent-encoded paths. Some clients encode characters that need no encoding
//! (`/v1/%64ocuments`). RFC 3986 says that the path is equivalent, so it must match the same route.

use axum::Router;
use axum::http::{Request, Uri};
use tower::ServiceExt;

/// `router`, matched against normalised paths.
pub fn normalized(router: Router) -> Router {
    Router::new().fallback_service(router.map_request(|mut request: Request<axum::body::Body>| {
        if let Some(uri) = normalized_uri(request.uri()) {
            *request.uri_mut() = uri;
        }
        request
    }))
}

fn normalized_uri(uri: &Uri) -> Option<Uri> {
    let path = decode_unreserved(uri.path())?;
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// Decodes `%XX` of letters, digits, `-`, `.`, `_` and `~`; `None` if there is nothing to decode.
fn decode_unreserved(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, from) = rest.split_at(at);
        decoded.push_str(before);
        let byte = from.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match byte {
            Some(b) if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => {
                decoded.push(char::from(b));
                rest = &from[3..];
            }
            _ => {
                decoded.push('%');
                rest = &from[1..];
            }
        }
    }
    decoded.push_str(rest);
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_no_encoding_is_decoded() {
        let of = |path: &str| decode_unreserved(path).unwrap_or_else(|| path.to_owned());
        assert_eq!(of("/v1/%64ocuments"), "/v1/documents");
        assert_eq!(of("/v1/BIN%2D0%2f%7E%"), "/v1/BIN-0%2f~%");
        assert_eq!(of("/%EA%B0%80/%zz"), "/%EA%B0%80/%zz");
    }
}
