//! Fetch metadata: whether a request is a person's own navigation, or may be a preview bot's.

use axum::http::HeaderMap;

/// What a request looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Navigation {
    /// A browser shows what a person asked for.
    Person,
    /// A browser fetches what nobody has asked to see.
    Ahead,
    /// A browser that does not say, or a program: a button tells them apart.
    Uncertain,
}

/// What a request looks like by its headers, which a page's script cannot set.
pub fn navigation(headers: &HeaderMap) -> Navigation {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let ahead = ["sec-purpose", "purpose", "x-moz", "x-purpose"]
        .iter()
        .any(|name| ["prefetch", "prerender", "preview"].iter().any(|word| value(name).contains(word)));
    if ahead {
        return Navigation::Ahead;
    }
    if value("sec-fetch-mode") == "navigate" && value("sec-fetch-dest") == "document" {
        Navigation::Person
    } else {
        Navigation::Uncertain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn a_person_s_browser_says_that_it_shows_a_document() {
        let of = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            navigation(&headers.collect())
        };
        let (mode, document) = (("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"));
        assert_eq!(of(&[mode, document]), Navigation::Person);
        assert_eq!(of(&[mode, document, ("sec-fetch-site", "cross-site")]), Navigation::Person);
        for uncertain in [
            &[][..],
            &[("user-agent", "kakaotalk-scrap/1.0")],
            &[mode],
            &[mode, ("sec-fetch-dest", "iframe")],
            &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
        ] {
            assert_eq!(of(uncertain), Navigation::Uncertain, "{uncertain:?}");
        }
        for ahead in [
            ("sec-purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("purpose", "prefetch"),
            ("x-moz", "prefetch"),
            ("x-purpose", "preview"),
        ] {
            assert_eq!(of(&[mode, document, ahead]), Navigation::Ahead);
        }
    }
}
