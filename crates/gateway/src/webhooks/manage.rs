//! `GET`, `DELETE /v1/webhooks`, `POST …/enable`, `…/replay`, `GET …/attempts`.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::{ApiError, Path};
use seoham_model::{Text, webhook as forms};
use serde::Serialize;
use utoipa::ToSchema;

use super::{AttemptReply, WebhookReply, id_of, unknown_webhook};
use crate::admission::small;
use crate::caller::Caller;
use crate::reply::json;
use crate::state::Gateway;

#[derive(Serialize, ToSchema)]
#[schema(as = Webhooks)]
pub(crate) struct WebhooksReply {
    /// Oldest first.
    #[schema(inline)]
    webhooks: Vec<WebhookReply>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WebhookAttempts)]
pub(crate) struct AttemptsReply {
    /// The last 100, newest first.
    #[schema(inline)]
    attempts: Vec<AttemptReply>,
}

#[derive(ToSchema)]
#[schema(as = Replay)]
#[allow(dead_code, reason = "described, never built")]
pub(crate) struct ReplayBody {
    /// The events after this number are delivered again.
    after: u64,
}

/// The webhooks of the institution, and how far each of them is.
#[utoipa::path(
    get, path = "/v1/webhooks", tag = "events",
    responses((status = 200, body = inline(WebhooksReply))), security(("access_token" = [])),
)]
pub(crate) async fn list(State(gateway): State<Gateway>, caller: Caller) -> Result<Response, ApiError> {
    let found = gateway.store.webhooks(caller.institution).await?;
    json(&WebhooksReply { webhooks: found.into_iter().map(WebhookReply::from).collect() })
}

/// Removes a webhook.
#[utoipa::path(
    delete, path = "/v1/webhooks/{webhook}", tag = "events",
    params(("webhook" = String, Path, description = "WHK-…")),
    responses((status = 204)), security(("access_token" = [])),
)]
pub(crate) async fn remove(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(webhook): Path<String>,
) -> Result<StatusCode, ApiError> {
    done(gateway.store.remove_webhook(caller.institution, id_of(&webhook)?).await?)
}

/// Enables a webhook: it goes on at once where it stopped.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook}/enable", tag = "events",
    params(("webhook" = String, Path, description = "WHK-…")),
    responses((status = 204)), security(("access_token" = [])),
)]
pub(crate) async fn enable(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(webhook): Path<String>,
) -> Result<StatusCode, ApiError> {
    done(gateway.store.enable_webhook(caller.institution, id_of(&webhook)?, gateway.now()).await?)
}

/// Delivers the events after a number again. It also enables the webhook.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook}/replay", tag = "events", request_body = inline(ReplayBody),
    params(("webhook" = String, Path, description = "WHK-…")),
    responses((status = 204)), security(("access_token" = [])),
)]
pub(crate) async fn replay(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(webhook): Path<String>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let after = forms::replay(&small(&gateway.small_calls, caller.institution, request).await?)?;
    let id = id_of(&webhook)?;
    let views = gateway.store.webhooks(caller.institution).await?;
    let view = views.iter().find(|view| view.webhook.id == id).ok_or_else(unknown_webhook)?;
    // A feed only grows, so that this stays true.
    if after > view.last_seq {
        let last = view.last_seq;
        return Err(ApiError::invalid(Text::made(
            format!("after: 마지막 이벤트 번호({last})보다 큽니다"),
            format!("after: greater than the number of the last event ({last})"),
        )));
    }
    done(gateway.store.replay_webhook(caller.institution, id, after, gateway.now()).await?)
}

/// The last attempts of a webhook.
#[utoipa::path(
    get, path = "/v1/webhooks/{webhook}/attempts", tag = "events",
    params(("webhook" = String, Path, description = "WHK-…")),
    responses((status = 200, body = inline(AttemptsReply))), security(("access_token" = [])),
)]
pub(crate) async fn attempts(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(webhook): Path<String>,
) -> Result<Response, ApiError> {
    let found = gateway.store.webhook_attempts(caller.institution, id_of(&webhook)?).await?;
    let attempts = found.ok_or_else(unknown_webhook)?;
    json(&AttemptsReply { attempts: attempts.into_iter().map(AttemptReply::from).collect() })
}

fn done(is_there: bool) -> Result<StatusCode, ApiError> {
    if is_there { Ok(StatusCode::NO_CONTENT) } else { Err(unknown_webhook()) }
}
