//! A page with the headers that go with it.

use askama::Template;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use seoham_http::ApiError;

const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'";

/// Renders a page.
pub(crate) fn page<T: Template>(status: StatusCode, template: &T) -> Response {
    page_with(status, template, "")
}

/// Renders a page whose form leads on to an institution's page: browsers hold a form's policy against
/// every redirect that follows too, and where those go is the institution's matter.
pub(crate) fn page_leading_on<T: Template>(status: StatusCode, template: &T) -> Response {
    page_with(status, template, "https: http:")
}

fn page_with<T: Template>(status: StatusCode, template: &T, form_targets: &str) -> Response {
    let html = match template.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            return ApiError::internal().into_response();
        }
    };
    let headers: [(HeaderName, String); 5] = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CACHE_CONTROL, "no-store".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (CONTENT_SECURITY_POLICY, format!("{POLICY} {form_targets}").trim_end().to_owned()),
        (HeaderName::from_static("referrer-policy"), "no-referrer".to_owned()),
    ];
    (status, headers, html).into_response()
}

/// The one style sheet.
pub(crate) async fn style() -> impl IntoResponse {
    (
        [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=3600")],
        include_str!("style.css"),
    )
}
