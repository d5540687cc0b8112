//! `POST /v1/webhooks` and `POST /v1/webhooks/{id}/secret`.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use seoham_http::{ApiError, Path};
use seoham_model::{Text, WebhookId, webhook as forms};
use seoham_store::webhooks::{FORMER_SECRET_SECONDS, NewWebhook, WEBHOOKS_MAX};
use seoham_vault::new_webhook_secret;
use serde::Serialize;
use utoipa::ToSchema;

use super::{PingFailure, id_of, unknown_webhook};
use crate::admission::admit_small;
use crate::caller::Caller;
use crate::reply::json;
use crate::state::Gateway;

#[derive(ToSchema)]
#[schema(as = NewWebhook)]
#[allow(dead_code, reason = "described, never built")]
pub(crate) struct NewWebhookBody {
    /// https, at most 500 characters.
    #[schema(max_length = 500)]
    url: String,
    /// Only events of these types; all by default.
    types: Option<Vec<String>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WebhookSecret)]
pub(crate) struct SecretReply {
    /// WHK-…
    webhook_id: String,
    /// Signs every delivery, as Standard Webhooks says. Shown only here.
    secret: String,
}

fn with_secret(status: StatusCode, id: WebhookId, secret: &SecretString) -> Result<Response, ApiError> {
    let reply = SecretReply { webhook_id: id.to_string(), secret: secret.expose_secret().to_owned() };
    let mut response = json(&reply)?.into_response();
    *response.status_mut() = status;
    Ok(response)
}

/// Registers a webhook, after a signed ping to it was answered with 2xx. It begins with the events after this moment.
#[utoipa::path(
    post, path = "/v1/webhooks", tag = "events", request_body = inline(NewWebhookBody),
    responses((status = 201, body = inline(SecretReply))), security(("access_token" = [])),
)]
pub(crate) async fn register(
    State(gateway): State<Gateway>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    // Admitted until it is registered: few receivers are tried at the same time.
    let (parts, stream) = request.into_parts();
    let body = admit_small(&gateway.registrations, caller.institution, &parts.headers, stream).await?;
    let forms::NewWebhook { url, types } = forms::new_webhook(&body.bytes)?;
    if gateway.store.webhooks(caller.institution).await?.len() >= WEBHOOKS_MAX {
        return Err(too_many_webhooks());
    }
    let id = WebhookId::generate(gateway.store.clock());
    let secret = new_webhook_secret();
    gateway.pings.ping(&url, id, &secret).await.map_err(refused)?;
    let new = NewWebhook {
        id,
        institution: caller.institution,
        url,
        types,
        secret: secret.clone(),
        created_at: gateway.now(),
    };
    if !gateway.store.add_webhook(new).await? {
        return Err(too_many_webhooks());
    }
    drop(body);
    with_secret(StatusCode::CREATED, id, &secret)
}

/// Replaces the secret of a webhook. The former one signs too, for 24 hours.
#[utoipa::path(
    post, path = "/v1/webhooks/{webhook}/secret", tag = "events",
    params(("webhook" = String, Path, description = "WHK-…")),
    responses((status = 200, body = inline(SecretReply))), security(("access_token" = [])),
)]
pub(crate) async fn renew(
    State(gateway): State<Gateway>,
    caller: Caller,
    Path(webhook): Path<String>,
) -> Result<Response, ApiError> {
    let (id, secret) = (id_of(&webhook)?, new_webhook_secret());
    let until = gateway.now().plus(FORMER_SECRET_SECONDS);
    if !gateway.store.renew_webhook_secret(caller.institution, id, secret.clone(), until).await? {
        return Err(unknown_webhook());
    }
    with_secret(StatusCode::OK, id, &secret)
}

fn too_many_webhooks() -> ApiError {
    ApiError::invalid(Text::made(
        format!("웹훅은 기관마다 {WEBHOOKS_MAX}개까지 등록할 수 있습니다"),
        format!("an institution has at most {WEBHOOKS_MAX} webhooks"),
    ))
}

fn refused(failure: PingFailure) -> ApiError {
    ApiError::invalid(match failure {
        PingFailure::Malformed => Text::fixed(
            "url: 사용자 정보가 없는 절대 주소가 아닙니다",
            "url: not an absolute URL without user information",
        ),
        PingFailure::NotHttps => Text::fixed("url: https 주소가 아닙니다", "url: not an https URL"),
        PingFailure::NotPublic => Text::fixed(
            "url: 공개된 인터넷 주소가 아닙니다. 내부망 주소는 운영자가 허용해야 합니다",
            "url: not an address of the public Internet; an inner network needs the operator's permission",
        ),
        PingFailure::NoAnswer => Text::fixed(
            "url: 확인 요청(ping)에 답이 없습니다. 공개된 주소인지, 인증서가 유효한지 확인해 주십시오",
            "url: the ping was not answered; see whether the address is public and its certificate is valid",
        ),
        PingFailure::Answered(status) => Text::made(
            format!("url: 확인 요청(ping)에 2xx가 아니라 {status}로 답했습니다"),
            format!("url: the ping was answered with {status} instead of 2xx"),
        ),
    })
}
