//! The operator's side: the admin API of SPEC 11, volume plans (SPEC 9), health, readiness and metrics.
//!
//! It has its own listener. Nothing here is for institutions or recipients, and every personal value in a
//! response is masked.

mod access;
mod actions;
mod admin;
mod calls;
mod health;
mod import;
mod messengers;
mod metrics_page;
mod period;
mod queue_gauges;
mod state;
mod volume;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, get};
use seoham_http::{Listener, normalized, with_api_layers};

use crate::access::Who;
use crate::calls::Calls;

pub use actions::ActionLog;
pub use messengers::{ConfiguredProvider, Messengers, TemplateFinding, TestAnswer};
pub use metrics_page::{install_metrics, start_upkeep};
pub use state::{Operator, OperatorOptions};
pub use volume::{VolumeWatch, VolumeWatchOptions};

/// The admin listener.
pub fn admin_router(operator: &Operator) -> Router {
    let admin = calls(operator)
        .route_layer(from_fn_with_state(operator.clone(), actions::record))
        .route_layer(from_fn_with_state(operator.clone(), access::authenticate));
    // Probes and scrapers have no token; on the operator's listener, what they see is not secret.
    let router = admin
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics_page::metrics))
        .with_state(operator.clone());
    normalized(with_api_layers(router.layer(axum::extract::DefaultBodyLimit::disable()), Listener("admin")))
}

/// Every call, and who may make it (SPEC 11).
#[rustfmt::skip]
fn calls(operator: &Operator) -> Router<Operator> {
    use Who::{Agencies, Operators, TheAgency};
    use admin::{admins, clock, contracts, deliveries, documents, institutions, log, messenger, notifications, people, search, statistics, templates, tokens, webhooks};
    use volume::plans;
    const OPERATORS: bool = false;
    const AGENCIES: bool = true;
    const GET: MethodFilter = MethodFilter::GET;
    const POST: MethodFilter = MethodFilter::POST;
    const PUT: MethodFilter = MethodFilter::PUT;
    const PATCH: MethodFilter = MethodFilter::PATCH;
    const DELETE: MethodFilter = MethodFilter::DELETE;
    Calls::of(operator)
        .call(Agencies,  POST,   "institutions", institutions::create)
        .call(Agencies,  GET,    "institutions", institutions::list)
        .call(TheAgency, GET,    "institutions/{institution}", institutions::show)
        .call(TheAgency, PATCH,  "institutions/{institution}", institutions::change)
        .call(TheAgency, POST,   "institutions/{institution}/suspend", institutions::suspend)
        .call(TheAgency, POST,   "institutions/{institution}/resume", institutions::resume)
        .call(TheAgency, PUT,    "institutions/{institution}/mark", institutions::set_mark)
        .call(TheAgency, DELETE, "institutions/{institution}/mark", institutions::remove_mark)
        .call(TheAgency, POST,   "institutions/{institution}/contracts", contracts::create)
        .call(TheAgency, DELETE, "institutions/{institution}/contracts/{contract}", contracts::close)
        .call(TheAgency, PUT,    "contracts/{contract}/card", contracts::set_card)
        .call(TheAgency, PUT,    "institutions/{institution}/templates/{kind}", templates::set)
        .call(TheAgency, GET,    "institutions/{institution}/templates/{kind}", templates::show)
        .call(TheAgency, DELETE, "institutions/{institution}/templates/{kind}", templates::remove)
        .call(TheAgency, POST,   "institutions/{institution}/templates/check", templates::check_of_institution)
        .call(Operators, PUT,    "templates/{kind}", templates::set_platform)
        .call(Operators, GET,    "templates/{kind}", templates::show_platform)
        .call(Operators, DELETE, "templates/{kind}", templates::remove_platform)
        .call(Operators, POST,   "templates/check", templates::check_all)
        .call(Operators, GET,    "messenger", messenger::show)
        .call(Operators, POST,   "messenger/test", messenger::test)
        .call(Operators, GET,    "messenger/uncertain", messenger::uncertain)
        .call(Operators, GET,    "webhooks", webhooks::list)
        .call(TheAgency, DELETE, "institutions/{institution}/webhooks/{webhook}", webhooks::remove)
        .call(TheAgency, GET,    "institutions/{institution}/statistics", statistics::show)
        .call(TheAgency, POST,   "institutions/{institution}/tokens", tokens::create)
        .call(TheAgency, PATCH,  "institutions/{institution}/tokens/{token}", tokens::change)
        .call(TheAgency, DELETE, "institutions/{institution}/tokens/{token}", tokens::revoke)
        .call(TheAgency, POST,   "institutions/{institution}/volume-plans", plans::announce)
        .call(TheAgency, GET,    "institutions/{institution}/volume-plans", plans::list)
        // A promise of the platform's capacity.
        .call(Operators, POST,   "institutions/{institution}/volume-plans/{plan}/approve", plans::approve)
        .call(Operators, POST,   "institutions/{institution}/volume-plans/{plan}/decline", plans::decline)
        .call(Operators, GET,    "volume-plans", plans::waiting)
        .call(TheAgency, GET,    "institutions/{institution}/log", log::of_institution)
        .call(TheAgency, GET,    "institutions/{institution}/notifications/{list}", notifications::list_of_institution)
        .call(TheAgency, POST,   "institutions/{institution}/notifications/{list}/send-again", notifications::send_again_of_institution)
        .call(TheAgency, POST,   "institutions/{institution}/documents/search", search::search)
        .call(TheAgency, GET,    "documents/{binder}", documents::show)
        .call(TheAgency, POST,   "documents/{binder}/send-again", notifications::send_one_again)
        .call(Operators, GET,    "notifications/{list}", notifications::list)
        .call(Operators, POST,   "notifications/{list}/send-again", notifications::send_again)
        .call(Operators, GET,    "log", log::all)
        .call(Operators, POST,   "people", import::import)
        .call(Operators, POST,   "people/unlock", people::unlock)
        .call(Operators, POST,   "people/new-pin", people::force_new_pin)
        .call(Operators, GET,    "clock", clock::show)
        .call(Operators, POST,   "clock/confirm", clock::confirm)
        .call(Operators, GET,    "deliveries", deliveries::show)
        .call(Operators, POST,   "deliveries/release", deliveries::release)
        .call(Operators, POST,   "operators", admins::create_operator)
        .call(Operators, GET,    "operators", admins::list::<OPERATORS>)
        .call(Operators, GET,    "operators/{id}", admins::show::<OPERATORS>)
        .call(Operators, DELETE, "operators/{id}", admins::remove::<OPERATORS>)
        .call(Operators, POST,   "operators/{id}/tokens", admins::create_token::<OPERATORS>)
        .call(Operators, PATCH,  "operators/{id}/tokens/{token}", admins::change_token::<OPERATORS>)
        .call(Operators, DELETE, "operators/{id}/tokens/{token}", admins::revoke_token::<OPERATORS>)
        .call(Operators, POST,   "agencies", admins::create_agency)
        .call(Operators, GET,    "agencies", admins::list::<AGENCIES>)
        .call(Operators, GET,    "agencies/{id}", admins::show::<AGENCIES>)
        .call(Operators, DELETE, "agencies/{id}", admins::remove::<AGENCIES>)
        .call(Operators, POST,   "agencies/{id}/tokens", admins::create_token::<AGENCIES>)
        .call(Operators, PATCH,  "agencies/{id}/tokens/{token}", admins::change_token::<AGENCIES>)
        .call(Operators, DELETE, "agencies/{id}/tokens/{token}", admins::revoke_token::<AGENCIES>)
        .router()
}
