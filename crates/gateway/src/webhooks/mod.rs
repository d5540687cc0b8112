//! An institution's webhooks (SPEC 15): registering, looking at, enabling, replaying.

mod manage;
mod register;

use async_trait::async_trait;
use secrecy::SecretString;
use seoham_http::ApiError;
use seoham_model::{NamedNumber, Text, WebhookId};
use seoham_store::webhooks::{WebhookAttempt, WebhookState, WebhookView};
use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use manage::{
    __path_attempts, __path_enable, __path_list, __path_remove, __path_replay, attempts, enable, list,
    remove, replay,
};
pub(crate) use register::{__path_register, __path_renew, register, renew};

/// Why a webhook is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingFailure {
    /// The address is no absolute URL, or has credentials in it.
    Malformed,
    /// The address is not https.
    NotHttps,
    /// The address is not public.
    NotPublic,
    /// No answer.
    NoAnswer,
    /// Another answer than 2xx.
    Answered(u16),
}

/// Tries a receiver before its webhook is registered.
#[async_trait]
pub trait WebhookPings: Send + Sync {
    /// Checks the address, and posts a signed ping to it.
    async fn ping(&self, url: &str, id: WebhookId, secret: &SecretString) -> Result<(), PingFailure>;
}

/// A webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct WebhookReply {
    /// WHK-…
    webhook_id: String,
    url: String,
    /// Absent: all types.
    #[serde(skip_serializing_if = "Option::is_none")]
    types: Option<Vec<&'static str>>,
    created_at: i64,
    /// active, failing or disabled.
    #[schema(example = "active")]
    state: &'static str,
    /// The receiver has everything up to this number.
    through: u64,
    /// The number of the last event of the feed.
    last_seq: u64,
    /// Since when the receiver takes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<i64>,
    /// When the next attempt is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<i64>,
    /// failing (for five days) or gone (410).
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_because: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    last_attempt: Option<AttemptReply>,
}

/// An attempt to deliver events.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookAttempt)]
pub(crate) struct AttemptReply {
    at: i64,
    /// The number of the first event.
    first: u64,
    /// The number of the last one.
    last: u64,
    /// taken, refused, unreachable or `no_answer`.
    #[schema(example = "taken")]
    result: &'static str,
    /// The receiver's status, if it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    took_millis: u32,
}

impl From<WebhookAttempt> for AttemptReply {
    fn from(attempt: WebhookAttempt) -> Self {
        let WebhookAttempt { at, first, last, outcome, took_millis } = attempt;
        Self { at: at.0, first, last, result: outcome.name(), status: outcome.status(), took_millis }
    }
}

impl From<WebhookView> for WebhookReply {
    fn from(view: WebhookView) -> Self {
        let WebhookView { webhook, last_seq, last_attempt } = view;
        let cursor = webhook.cursor;
        let state = webhook.state();
        let names = |types: std::collections::BTreeSet<_>| {
            types.into_iter().map(|event_type: seoham_model::EventType| event_type.name()).collect()
        };
        Self {
            webhook_id: webhook.id.to_string(),
            url: webhook.url,
            types: webhook.types.map(names),
            created_at: webhook.created_at.0,
            state: state.name(),
            through: cursor.through,
            last_seq,
            failing_since: cursor.failing_since.map(|at| at.0),
            next_attempt_at: (state == WebhookState::Failing).then_some(cursor.next_attempt_at.0),
            disabled_at: webhook.disabled.map(|(_, at)| at.0),
            disabled_because: webhook.disabled.map(|(why, _)| why.name()),
            last_attempt: last_attempt.map(AttemptReply::from),
        }
    }
}

/// 404: no such webhook of this institution.
fn unknown_webhook() -> ApiError {
    ApiError::not_found(Text::fixed(
        "이 기관의 웹훅이 아니거나 없는 웹훅입니다",
        "no such webhook of this institution",
    ))
}

fn id_of(text: &str) -> Result<WebhookId, ApiError> {
    WebhookId::parse(text).ok_or_else(unknown_webhook)
}
