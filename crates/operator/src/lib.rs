//! The operator's side: the admin API of SPEC 11, volume plans (SPEC 9), health, readiness and metrics.
//!
//! It has its own listener. Nothing here is for institutions or recipients, and every personal value in a
//! response is masked.

mod actions;
mod admin;
mod health;
mod import;
mod metrics_page;
mod queue_gauges;
mod state;
mod volume;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post, put};
use seoham_http::{Listener, normalized, with_api_layers};

pub use actions::ActionLog;
pub use metrics_page::{install_metrics, start_upkeep};
pub use state::{Operator, OperatorOptions};
pub use volume::{VolumeWatch, VolumeWatchOptions};

/// The admin listener.
pub fn admin_router(operator: &Operator) -> Router {
    let admin = Router::new()
        .route("/admin/v1/institutions", post(admin::institutions::create).get(admin::institutions::list))
        .route("/admin/v1/institutions/{institution}", get(admin::institutions::show))
        .route("/admin/v1/institutions/{institution}/contracts", post(admin::contracts::create))
        .route("/admin/v1/institutions/{institution}/contracts/{contract}", delete(admin::contracts::close))
        .route("/admin/v1/institutions/{institution}/tokens", post(admin::tokens::create))
        .route("/admin/v1/institutions/{institution}/tokens/{token}", delete(admin::tokens::revoke))
        .route(
            "/admin/v1/institutions/{institution}/volume-plans",
            post(volume::plans::announce).get(volume::plans::list),
        )
        .route(
            "/admin/v1/institutions/{institution}/volume-plans/{plan}/approve",
            post(volume::plans::approve),
        )
        .route(
            "/admin/v1/institutions/{institution}/volume-plans/{plan}/decline",
            post(volume::plans::decline),
        )
        .route("/admin/v1/volume-plans", get(volume::plans::waiting))
        .route("/admin/v1/clock", get(admin::clock::show))
        .route("/admin/v1/clock/confirm", post(admin::clock::confirm))
        .route("/admin/v1/deliveries", get(admin::deliveries::show))
        .route("/admin/v1/deliveries/release", post(admin::deliveries::release))
        .route("/admin/v1/people", post(import::import))
        .route("/admin/v1/people/unlock", post(admin::people::unlock))
        .route("/admin/v1/people/new-pin", post(admin::people::force_new_pin))
        .route("/admin/v1/contracts/{contract}/card", put(admin::contracts::set_card))
        .route(
            "/admin/v1/institutions/{institution}/mark",
            put(admin::institutions::set_mark).delete(admin::institutions::remove_mark),
        )
        .route("/admin/v1/documents/{binder}", get(admin::documents::show))
        .route("/admin/v1/documents/{binder}/send-again", post(admin::notifications::send_one_again))
        .route("/admin/v1/notifications/{list}", get(admin::notifications::list))
        .route("/admin/v1/notifications/{list}/send-again", post(admin::notifications::send_again))
        .route_layer(from_fn_with_state(operator.clone(), actions::record))
        .route_layer(from_fn_with_state(operator.clone(), state::require_admin_token));
    // Probes and scrapers have no token; on the operator's listener, what they see is not secret.
    let router = admin
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics_page::metrics))
        .with_state(operator.clone());
    normalized(with_api_layers(router.layer(axum::extract::DefaultBodyLimit::disable()), Listener("admin")))
}
