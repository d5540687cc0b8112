//! A page with the headers that go with it, and those that go with every answer.

use askama::Template;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// Where a page's forms may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormTarget {
    /// There is none.
    Nowhere,
    /// To pages of the same site.
    Here,
    /// On to an institution's page: browsers hold a form's policy against every redirect that follows too, and where
    /// those go is the institution's matter.
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

/// Adds what goes with every answer, redirects with their tokens and cookies included, where it does not say otherwise.
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
