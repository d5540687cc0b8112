//! Addresses that others are built on.

/// An http(s) address with nothing behind its path, without a `/` at its end.
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
