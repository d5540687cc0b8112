//! The sandbox (SPEC 12): only routed where all people are invented.

mod clock;
mod documents;
mod people;

use axum::Router;
use axum::routing::post;

use crate::state::Gateway;

pub(crate) fn routes() -> Router<Gateway> {
    Router::new()
        .route("/sandbox/v1/documents/{binder}/open", post(documents::open))
        .route("/sandbox/v1/documents/{binder}/notified", post(documents::notified))
        .route("/sandbox/v1/people", post(people::add))
        .route("/sandbox/v1/people/join", post(people::join))
        .route("/sandbox/v1/people/refuse", post(people::refuse))
        .route("/sandbox/v1/people/accept", post(people::accept))
        .route("/sandbox/v1/clock", post(clock::advance))
}
