//! `/admin/v1/clock`: the state of the process's clock, and the operator's confirmation that the machine's is
//! right.

use axum::extract::State;
use axum::response::Response;
use seoham_http::ApiError;
use seoham_model::clock;
use serde::Serialize;

use super::json;
use crate::state::Operator;

#[derive(Serialize)]
struct ClockReply {
    /// The process's clock, in Unix seconds: the source of every stored time.
    now: i64,
    /// The machine's clock.
    machine: i64,
    /// How far a sandbox's clock was advanced, in seconds.
    advanced_seconds: i64,
    /// Why the process is unhealthy, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    obstacle: Option<&'static str>,
}

fn shown(operator: &Operator) -> ClockReply {
    ClockReply {
        now: operator.now().0,
        machine: clock::machine_millis().div_euclid(1000),
        advanced_seconds: operator.store.clock().advanced_seconds(),
        obstacle: operator.store.health().obstacle().map(seoham_store::Obstacle::name),
    }
}

pub(crate) async fn show(State(operator): State<Operator>) -> Result<Response, ApiError> {
    json(&shown(&operator))
}

pub(crate) async fn confirm(State(operator): State<Operator>) -> Result<Response, ApiError> {
    let before = operator.now();
    let now = operator.store.confirm_clock().await?;
    tracing::warn!(seconds = now.seconds_since(before), "the machine's clock was confirmed by the operator");
    json(&shown(&operator))
}
