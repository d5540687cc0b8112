//! Renders pages with their headers, and adds the headers of every response.

use askama::Template;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// Where a page's forms may submit to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormTarget {
    /// The page has no form.
    Nowhere,
    /// Pages of the same site.
    Here,
    /// An institution's page: browsers also apply `form-action` to every redirect that follows a submission,
    /// and the institution decides where those lead.
    Beyond,
}

impl FormTarget {
    fn policy(self) -> &'static str {
        macro_rules! policy {
            ($target:literal) => {
                concat!(
                    "default-src 'none'; style-src 'self'; img-src 'self'; manifest-src 'self'; base-uri 'none'; ",
                    "frame-ancestors 'none'; form-action ",
                    $target
                )
            };
        }
        match self {
            Self::Nowhere => policy!("'none'"),
            Self::Here => policy!("'self'"),
            Self::Beyond => policy!("'self' https: http:"),
        }
    }
}

/// Renders a page.
pub fn page<T: Template>(status: StatusCode, template: &T, forms: FormTarget) -> Response {
    let html = match template.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, forms.policy())];
    let mut response = (status, headers, html).into_response();
    guard(response.headers_mut());
    response
}

/// Adds the default headers to a response, including redirects with tokens and cookies. Headers already set
/// are kept.
pub fn guard(headers: &mut HeaderMap) {
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
