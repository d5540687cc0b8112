//! Which language a browser prefers.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use seoham_model::Lang;

/// Korean unless `Accept-Language` prefers English (SPEC 3).
pub(super) fn language(headers: &HeaderMap) -> Lang {
    let wished = headers.get(ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok()).unwrap_or("");
    Lang::preferred(wished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn korean_unless_english_is_preferred() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, value.parse().unwrap());
            language(&headers)
        };
        for korean in ["", "ko-KR,ko;q=0.9,en;q=0.8", "fr", "en;q=NaN", ";,-;q"] {
            assert_eq!(of(korean), Lang::Ko, "{korean}");
        }
        for english in ["en", "EN-gb;q=0.2", "en-US,en;q=0.9,ko;q=0.5"] {
            assert_eq!(of(english), Lang::En, "{english}");
        }
    }
}
