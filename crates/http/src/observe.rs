//! What surrounds every request: an id, a line in the log, the metrics, and the writing of
//! errors in the client's language. Paths are told by their template: real ones carry tokens.

use std::any::Any;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{HeaderName, RETRY_AFTER};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower::util::MapRequestLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;

use crate::discard::{BodyTime, discarding};
use crate::error::{ApiError, RETRY_AFTER_SECONDS};
use crate::language::Language;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Which listener a request came in by.
#[derive(Clone, Copy, Debug)]
pub struct Listener(pub &'static str);

impl Listener {
    /// How long a body may take to arrive. An operator's import may be long, so it only has to go on.
    fn body_time(self) -> BodyTime {
        let piece = Duration::from_secs(30);
        match self.0 {
            "admin" => BodyTime { whole: Duration::from_hours(1), piece },
            _ => BodyTime { whole: piece, piece },
        }
    }
}

/// [`with_layers`] for an interface of JSON: unknown paths and methods get its error envelope too.
pub fn with_api_layers(router: Router, listener: Listener) -> Router {
    let router = router
        .fallback(|| async { ApiError::unknown_path() })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() });
    with_layers(router, listener)
}

/// Gives `router` what every listener has: ids, logs, metrics, the writing of errors, an answer
/// even where a handler panics, and one that can be read even where the body was not.
pub fn with_layers(router: Router, listener: Listener) -> Router {
    router
        .layer(MapRequestLayer::new(move |request| discarding(request, listener.body_time())))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(listener, observe))
}

#[allow(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(_: Box<dyn Any + Send>) -> Response {
    // The panic's own text is in the log through the panic hook.
    ApiError::internal().into_response()
}

async fn observe(State(listener): State<Listener>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = uuid::Uuid::now_v7().simple().to_string();
    let language = Language::of(request.headers());
    let method = known_method(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", |path| path.as_str()).to_owned();
    let span = tracing::info_span!("request", %request_id, listener = listener.0, method, route);

    let mut response = next.run(request).instrument(span.clone()).await;

    if let Some(error) = response.extensions().get::<ApiError>() {
        let body = error.body(language.0, &request_id);
        *response.body_mut() = Body::from(body);
        response.headers_mut().remove(axum::http::header::CONTENT_LENGTH);
    }
    // SPEC 3: every 429 and 503 says when to come again. Whoever knows better has said so.
    if matches!(response.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.headers_mut().entry(RETRY_AFTER).or_insert(HeaderValue::from(RETRY_AFTER_SECONDS));
    }
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (status, seconds) = (response.status().as_u16(), started.elapsed().as_secs_f64());
    metrics::counter!(
        "seoham_requests_total",
        "listener" => listener.0, "method" => method, "route" => route.clone(), "status" => status.to_string()
    )
    .increment(1);
    metrics::histogram!("seoham_request_seconds", "listener" => listener.0, "route" => route).record(seconds);
    span.in_scope(|| tracing::info!(status, milliseconds = seconds * 1000.0, "answered"));
    response
}

/// A method for a label: a client could invent any number of others.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}
