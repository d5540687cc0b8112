//! The institution API (SPEC 1 to 7, 12 and 13): one file for each endpoint, each as thin as
//! authorise, read, one call of the store, answer.
//!
//! No SQL, no rule of a document (those are the model's), no delivery. What is said of the API
//! in the OpenAPI document is generated from these routes.

mod admission;
mod bulk_work;
mod caller;
mod openapi;
mod reads;
mod receipts;
mod reply;
mod sandbox;
mod send;
mod state;
mod status;
mod token_uses;
mod tokens;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use seoham_http::{Listener, normalized, with_api_layers};
use seoham_store::Lane;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use admission::AdmissionLimits;
pub use openapi::openapi;
pub use state::{Gateway, GatewayOptions};

/// The api listener: everything that an institution and the messenger provider call.
pub fn api_router(gateway: &Gateway) -> Router {
    let (mut router, _) = described().split_for_parts();
    if gateway.takes_receipts() {
        router = router.route(receipts::PATH, axum::routing::post(receipts::receipts));
    }
    if gateway.is_sandbox() {
        router = router.merge(sandbox::routes().split_for_parts().0);
    }
    let router = router.with_state(gateway.clone()).merge(openapi::pages(&openapi()));
    finish(router, gateway, Listener("api"))
}

/// The bulk listener: the two bulk calls alone (SPEC 9).
pub fn bulk_router(gateway: &Gateway) -> Router {
    let (router, _) = bulk_routes().split_for_parts();
    let gateway = Gateway { lane: Lane::Bulk, ..gateway.clone() };
    finish(router.with_state(gateway.clone()), &gateway, Listener("bulk"))
}

/// The routes whose description is the published API.
fn described() -> OpenApiRouter<Gateway> {
    bulk_routes()
        .routes(routes!(send::single))
        .routes(routes!(status::single))
        .routes(routes!(tokens::verify))
        .routes(routes!(tokens::verify_alias))
        .routes(routes!(reads::report))
}

fn bulk_routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::with_openapi(openapi::head()).routes(routes!(send::bulk)).routes(routes!(status::bulk))
}

fn finish(router: Router, gateway: &Gateway, listener: Listener) -> Router {
    let router = router.layer(from_fn_with_state(gateway.clone(), state::refuse_unless_healthy));
    // Bodies are bounded where they are read; axum's own bound would answer in another form.
    normalized(with_api_layers(router.layer(DefaultBodyLimit::disable()), listener))
}
