//! Base URLs.

/// Parses an http(s) base URL without query and fragment, and removes trailing slashes.
pub(crate) fn base(text: &str) -> Option<String> {
    let url = reqwest::Url::parse(text).ok()?;
    let sound = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    sound.then(|| url.as_str().trim_end_matches('/').to_owned())
}
