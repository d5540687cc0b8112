//! `/admin/v1/deliveries`: whether workers deliver, and the operator's decision after a restore.

use axum::extract::{Request, State};
use axum::response::Response;
use seoham_http::{ApiError, body};
use seoham_model::Text;
use seoham_store::restore::WorkOrder;
use serde::{Deserialize, Serialize};

use super::json;
use crate::state::Operator;

#[derive(Serialize)]
struct WorkOrderReply {
    /// `deliver`, `held`, or `drop`.
    queued: &'static str,
    /// Documents accepted before this time go into their boxes without a notification, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    drop_before: Option<i64>,
}

impl From<WorkOrder> for WorkOrderReply {
    fn from(order: WorkOrder) -> Self {
        match order {
            WorkOrder::Go => Self { queued: "deliver", drop_before: None },
            WorkOrder::Held => Self { queued: "held", drop_before: None },
            WorkOrder::DropBefore(moment) => Self { queued: "drop", drop_before: Some(moment.0) },
        }
    }
}

pub(crate) async fn show(State(operator): State<Operator>) -> Result<Response, ApiError> {
    json(&WorkOrderReply::from(operator.store.work_order().await?))
}

#[derive(Deserialize)]
struct Release {
    queued: String,
}

/// Sets the work order for queued documents, and lets workers continue.
pub(crate) async fn release(
    State(operator): State<Operator>,
    request: Request,
) -> Result<Response, ApiError> {
    let wrong = || {
        ApiError::invalid(Text::fixed("queued: send 또는 drop이어야 합니다", "queued: must be send or drop"))
    };
    let release: Release = serde_json::from_slice(&body::json(request).await?).map_err(|_| wrong())?;
    let order = match &*release.queued {
        "send" => WorkOrder::Go,
        "drop" => WorkOrder::DropBefore(operator.now()),
        _ => return Err(wrong()),
    };
    operator.store.set_work_order(order).await?;
    tracing::warn!(queued = release.queued, "deliveries were released by the operator");
    json(&WorkOrderReply::from(order))
}
