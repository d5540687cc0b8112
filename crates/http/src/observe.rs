//! Applies to every request: an id, a log line, metrics, and error bodies in the client's language. Logs and
//! metrics use the path template, because real paths contain tokens.

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

/// The listener that received a request.
#[derive(Clone, Copy, Debug)]
pub struct Listener(pub &'static str);

impl Listener {
    /// The time limits of a body. An operator's import may take long, so it only has to make progress.
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

/// Adds to `router` what every listener has: ids, logs, metrics, error bodies, a 500 response if a handler
/// panics, and draining of unread request bodies.
pub fn with_layers(router: Router, listener: Listener) -> Router {
    router
        .layer(MapRequestLayer::new(move |request| discarding(request, listener.body_time())))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(listener, observe))
}

#[allow(clippy::needless_pass_by_value, reason = "the layer's signature")]
fn panicked(_: Box<dyn Any + Send>) -> Response {
    // The panic hook logs the panic message.
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
    // SPEC 3: every 429 and 503 has `Retry-After`. A handler that knows a better value has already set it.
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

/// The method as a metrics label: arbitrary client-chosen methods must not create new labels.
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
