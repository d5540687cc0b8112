//! The page to browse the document.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

/// What the page is called in the bar of a browser.
const TITLE: &str = "<title>서함(Seoham) API</title>";

/// `/openapi.json` and `/docs`.
pub(crate) fn pages(openapi: &OpenApi) -> Router {
    let document: Arc<str> = openapi.to_json().unwrap_or_default().into();
    let config = Arc::new(Config::from("/openapi.json"));
    let file = {
        let config = Arc::clone(&config);
        move |Path(path): Path<String>| async move { page_file(&path, config) }
    };
    Router::new()
        .route(
            "/openapi.json",
            get(async move || ([(CONTENT_TYPE, "application/json")], document.to_string())),
        )
        .route("/docs", get(async || Redirect::permanent("/docs/")))
        .route("/docs/", get(async move || page_file("index.html", config)))
        .route("/docs/{*path}", get(file))
}

/// A file of the page.
fn page_file(path: &str, config: Arc<Config<'static>>) -> Response {
    let Ok(Some(file)) = utoipa_swagger_ui::serve(path, config) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let mut response = Response::new(Body::from(file.bytes.to_vec()));
    if let Ok(kind) = file.content_type.parse() {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    if file.gzpipped {
        response.headers_mut().insert(CONTENT_ENCODING, axum::http::HeaderValue::from_static("gzip"));
    } else if path == "index.html" {
        let page = String::from_utf8_lossy(&file.bytes).replace("<title>Swagger UI</title>", TITLE);
        *response.body_mut() = Body::from(page);
    }
    response
}
