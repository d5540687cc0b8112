//! Which language a client prefers (SPEC 3).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header::ACCEPT_LANGUAGE;
use axum::http::{HeaderMap, request::Parts};
use seoham_model::Lang;

/// The language to answer in: Korean unless `Accept-Language` prefers English.
#[derive(Clone, Copy, Debug)]
pub struct Language(pub Lang);

impl Language {
    /// The language that `headers` ask for.
    pub fn of(headers: &HeaderMap) -> Self {
        let wished = headers.get(ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).unwrap_or("");
        Self(Lang::preferred(wished))
    }
}

impl<S: Sync> FromRequestParts<S> for Language {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn korean_unless_english_is_preferred() {
        let of = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(ACCEPT_LANGUAGE, value.parse().expect("a header"));
            }
            Language::of(&headers).0
        };
        for korean in [
            None,
            Some(""),
            Some("ko-KR,ko;q=0.9,en;q=0.8"),
            Some("fr"),
            Some("*"),
            Some("en;q=0.1,ko;q=0.2"),
            Some("en;q=0"),
            Some("en;q=NaN"),
            Some("ko-KR,en;q=0.8"),
            Some(";,-;q"),
        ] {
            assert_eq!(of(korean), Lang::Ko, "{korean:?}");
        }
        for english in [
            Some("en"),
            Some("en-US"),
            Some("EN-gb;q=0.2"),
            Some("en-US,en;q=0.9,ko;q=0.5"),
            Some("fr,en;q=0.3"),
            Some("ko;q=0.1,en;q=0.2"),
        ] {
            assert_eq!(of(english), Lang::En, "{english:?}");
        }
    }
}
