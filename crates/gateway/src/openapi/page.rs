//! The page to browse the document.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

/// What the page is called in the bar of a browser.
const TITLE: &str = "<title>서함(Seoham) API</title>";

/// `/openapi.json` and `/docs`. What is large is there once, however many take it, or take none of it.
pub(crate) fn pages(openapi: &OpenApi) -> Router {
    let document = Bytes::from(openapi.to_json().unwrap_or_default());
    let config = Arc::new(Config::from("/openapi.json"));
    let index = File::of("index.html", &config).map(File::with_title);
    let file = move |Path(path): Path<String>| async move {
        File::of(&path, &config).map_or_else(|| StatusCode::NOT_FOUND.into_response(), File::into_response)
    };
    let document = async move || ([(CONTENT_TYPE, "application/json")], document);
    let index =
        async move || index.map_or_else(|| StatusCode::NOT_FOUND.into_response(), File::into_response);
    Router::new()
        .route("/openapi.json", get(document))
        .route("/docs", get(async || Redirect::permanent("/docs/")))
        .route("/docs/", get(index))
        .route("/docs/{*path}", get(file))
}

/// A file of the page.
#[derive(Clone)]
struct File {
    kind: HeaderValue,
    is_gzipped: bool,
    bytes: Bytes,
}

impl File {
    fn of(path: &str, config: &Arc<Config<'static>>) -> Option<Self> {
        let file = utoipa_swagger_ui::serve(path, Arc::clone(config)).ok()??;
        let bytes = match file.bytes {
            Cow::Borrowed(built_in) => Bytes::from_static(built_in),
            Cow::Owned(made) => Bytes::from(made),
        };
        Some(Self { kind: file.content_type.parse().ok()?, is_gzipped: file.gzpipped, bytes })
    }

    fn with_title(mut self) -> Self {
        if !self.is_gzipped {
            let page = String::from_utf8_lossy(&self.bytes).replace("<title>Swagger UI</title>", TITLE);
            self.bytes = Bytes::from(page);
        }
        self
    }

    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.bytes));
        response.headers_mut().insert(CONTENT_TYPE, self.kind);
        if self.is_gzipped {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}
