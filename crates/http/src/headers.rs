//! Single-valued headers (SPEC 2): an empty header counts as missing, and a header repeated with different
//! values is ambiguous.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use seoham_model::Text;

use crate::ApiError;

/// The trimmed value of the header `name`; `None` if it is missing or empty. Repeating the same value is
/// allowed.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a [u8]>, ApiError> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::as_bytes).map(<[u8]>::trim_ascii);
    let first = values.next().unwrap_or_default();
    if values.any(|value| value != first) {
        let text = Text::fixed(
            "헤더를 서로 다른 값으로 두 번 이상 보냈습니다. 하나만 보내 주십시오",
            "the header was given more than once with different values; give it once",
        );
        return Err(ApiError::invalid(text.about(&canonical(name))));
    }
    Ok((!first.is_empty()).then_some(first))
}

/// The token of `Authorization: Bearer`; `None` if it is missing or uses another scheme.
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let value = single(headers, &AUTHORIZATION)?.and_then(|value| std::str::from_utf8(value).ok());
    let bearer = value.and_then(|value| value.split_once(' '));
    Ok(bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim()))
}

/// A header name in its usual spelling: `Contract-Uuid`.
fn canonical(name: &HeaderName) -> String {
    let part = |part: &str| {
        let (first, rest) = part.split_at(part.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    name.as_str().split('-').map(part).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_stands_for_one_value() {
        let name = HeaderName::from_static("contract-uuid");
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(name.clone(), HeaderValue::from_static(value));
            }
            single(&headers, &name).map(|value| value.map(<[u8]>::to_vec))
        };
        for (values, is) in
            [(&[][..], None), (&[""], None), (&[" "], None), (&["a"], Some("a")), (&[" a", "a "], Some("a"))]
        {
            assert_eq!(of(values).expect("not ambiguous").as_deref(), is.map(str::as_bytes), "{values:?}");
        }
        for values in [&["a", "b"][..], &["a", ""], &["", "a"], &["a", "a", "A"]] {
            assert!(of(values).is_err(), "{values:?}");
        }
        assert_eq!(canonical(&name), "Contract-Uuid");
    }

    #[test]
    fn a_bearer_token_is_read_whatever_the_case_of_its_scheme() {
        let of = |value: &'static str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]);
            bearer(&headers).expect("not ambiguous").map(str::to_owned)
        };
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc ", Some("abc")),
            ("BEARER abc", Some("abc")),
            ("Basic abc", None),
            ("abc", None),
            ("", None),
        ] {
            assert_eq!(of(value).as_deref(), token, "{value}");
        }
    }
}
