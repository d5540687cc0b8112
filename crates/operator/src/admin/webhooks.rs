//! `GET /admin/v1/webhooks`: every webhook, and how far it is behind (SPEC 15). One whose institution does not look after
//! it any more can be removed.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::{ApiError, Path, Query};
use seoham_model::{InstitutionId, NamedNumber, Text, WebhookId};
use seoham_store::webhooks::{AttemptOutcome, WebhookView};
use serde::{Deserialize, Serialize};

use super::{institution, json};
use crate::state::Operator;

/// Webhooks per page.
const PAGE: usize = 100;

#[derive(Deserialize)]
pub(crate) struct After {
    /// The webhooks after this one.
    after: Option<String>,
}

#[derive(Serialize)]
struct Reply {
    webhooks: Vec<WebhookReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<WebhookId>,
}

#[derive(Serialize)]
struct WebhookReply {
    webhook_id: WebhookId,
    institution_id: InstitutionId,
    url: String,
    state: &'static str,
    /// Events that it still has to pass.
    behind: u64,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_because: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_attempt_at: Option<i64>,
    /// A status, unreachable or `no_answer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_answer: Option<String>,
}

impl From<WebhookView> for WebhookReply {
    fn from(view: WebhookView) -> Self {
        let WebhookView { webhook, last_seq, last_attempt } = view;
        let state = webhook.state().name();
        let answer = |outcome: AttemptOutcome| {
            outcome.status().map_or_else(|| outcome.name().to_owned(), |status| status.to_string())
        };
        Self {
            webhook_id: webhook.id,
            institution_id: webhook.institution,
            url: webhook.url,
            state,
            behind: last_seq.saturating_sub(webhook.cursor.through),
            created_at: webhook.created_at.0,
            failing_since: webhook.cursor.failing_since.map(|at| at.0),
            disabled_at: webhook.disabled.map(|(_, at)| at.0),
            disabled_because: webhook.disabled.map(|(why, _)| why.name()),
            last_attempt_at: last_attempt.map(|attempt| attempt.at.0),
            last_answer: last_attempt.map(|attempt| answer(attempt.outcome)),
        }
    }
}

pub(crate) async fn list(
    State(operator): State<Operator>,
    Query(asked): Query<After>,
) -> Result<Response, ApiError> {
    let after = asked.after.as_deref().map(|text| {
        WebhookId::parse(text).ok_or_else(|| {
            ApiError::invalid(Text::fixed("after: 웹훅 번호여야 합니다", "after: must be a webhook's id"))
        })
    });
    let found = operator.store.all_webhooks(after.transpose()?, PAGE).await?;
    let next_after = found.last().filter(|_| found.len() == PAGE).map(|view| view.webhook.id);
    json(&Reply { webhooks: found.into_iter().map(WebhookReply::from).collect(), next_after })
}

pub(crate) async fn remove(
    State(operator): State<Operator>,
    Path((id, webhook)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let unknown = || ApiError::not_found(Text::fixed("없는 웹훅입니다", "there is no such webhook"));
    let institution = institution(&id)?;
    let webhook = WebhookId::parse(&webhook).ok_or_else(unknown)?;
    if !operator.store.remove_webhook(institution, webhook).await? {
        return Err(unknown());
    }
    tracing::info!(%institution, %webhook, "webhook removed by an administrator");
    Ok(StatusCode::NO_CONTENT)
}
