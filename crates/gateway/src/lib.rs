//! The institution API (SPEC 1 to 7, 12, 13, 15 and 16): one file per endpoint. An endpoint authorises, parses, calls
//! the store once and replies.
//!
//! No SQL, no document rules (those are the model's), no delivery. The OpenAPI document is generated from
//! these routes.

mod admission;
mod bulk_work;
mod caller;
mod events;
mod openapi;
mod pushed;
mod reads;
mod receipts;
mod reply;
mod sandbox;
mod send;
mod state;
mod status;
mod timelines;
mod tokens;
mod webhooks;
mod withdrawals;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use seoham_http::{Listener, normalized, with_api_layers};
use seoham_store::Lane;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use admission::AdmissionLimits;
pub use events::EventFeeds;
pub use openapi::openapi;
pub use pushed::{Push, PushedReports};
pub use state::{Gateway, GatewayOptions};
pub use webhooks::{PingFailure, WebhookPings};

/// The API listener: every call of institutions and of the messenger provider.
pub fn api_router(gateway: &Gateway) -> Router {
    let (mut router, _) = described().split_for_parts();
    if gateway.takes_receipts() {
        router = router.route(receipts::PATH, axum::routing::post(receipts::receipts));
    }
    if gateway.pushed_reports.is_some() {
        router = router.route(pushed::PATH, axum::routing::post(pushed::take));
    }
    if gateway.is_sandbox() {
        router = router.merge(sandbox::routes().split_for_parts().0);
    }
    let router = router.with_state(gateway.clone()).merge(openapi::pages(&openapi()));
    finish(router, gateway, Listener("api"))
}

/// The bulk listener: only the two bulk calls (SPEC 9).
pub fn bulk_router(gateway: &Gateway) -> Router {
    let (router, _) = bulk_routes().split_for_parts();
    let gateway = Gateway { lane: Lane::Bulk, ..gateway.clone() };
    finish(router.with_state(gateway.clone()), &gateway, Listener("bulk"))
}

/// The routes that the published API describes.
fn described() -> OpenApiRouter<Gateway> {
    bulk_routes()
        .routes(routes!(send::single))
        .routes(routes!(status::single))
        .routes(routes!(tokens::verify))
        .routes(routes!(tokens::verify_alias))
        .routes(routes!(reads::report))
        .routes(routes!(withdrawals::withdraw))
        .routes(routes!(events::read))
        .routes(routes!(timelines::timeline))
        .routes(routes!(webhooks::list, webhooks::register))
        .routes(routes!(webhooks::remove))
        .routes(routes!(webhooks::enable))
        .routes(routes!(webhooks::renew))
        .routes(routes!(webhooks::replay))
        .routes(routes!(webhooks::attempts))
}

fn bulk_routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::with_openapi(openapi::head()).routes(routes!(send::bulk)).routes(routes!(status::bulk))
}

fn finish(router: Router, gateway: &Gateway, listener: Listener) -> Router {
    let router = router.layer(from_fn_with_state(gateway.clone(), state::refuse_unless_healthy));
    // Bodies are limited where they are read; axum's own limit would reply in another format.
    normalized(with_api_layers(router.layer(DefaultBodyLimit::disable()), listener))
}
