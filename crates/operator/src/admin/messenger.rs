//! `/admin/v1/messenger`: the providers, how they fare, and what waits for them (SPEC 13).

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::response::Response;
use seoham_http::{ApiError, Query, body};
use seoham_model::{BinderId, InstitutionId, Text, forms};
use seoham_store::handovers::{HandoverDepth, ProviderState, Uncertain};
use serde::{Deserialize, Serialize};

use super::json;
use crate::state::Operator;

/// Messages per page.
const PAGE: usize = 100;
/// A worker that reported nothing for this long is gone.
const REPORTED_WITHIN_SECONDS: i64 = 150;

#[derive(Serialize)]
struct Reply {
    providers: Vec<ProviderReply>,
    /// Notifications in the queue.
    waiting: u64,
    /// When the document of the oldest was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_accepted_at: Option<i64>,
}

#[derive(Default, Serialize)]
struct ProviderReply {
    name: String,
    /// Absent if it is not configured here.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    configured_weight: Option<f64>,
    /// The mean of all workers; absent while none has reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    weight: Option<f64>,
    workers: usize,
    /// It is misconfigured, and nothing is sent to it.
    held: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// Messages that were handed over, and whose outcome is not known yet.
    unsettled: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_unsettled_at: Option<i64>,
    /// Messages whose delivery reports are awaited.
    awaiting_reports: u64,
}

impl ProviderReply {
    /// Adds what a worker reported.
    #[allow(clippy::cast_precision_loss, reason = "there are few workers")]
    fn add_state(&mut self, state: ProviderState) {
        let weight = self.weight.unwrap_or(0.0) * self.workers as f64 + state.weight;
        self.workers += 1;
        self.weight = Some(weight / self.workers as f64);
        self.held |= state.is_held;
        self.last_success_at = self.last_success_at.max(state.last_success_at);
        if state.last_error_at > self.last_error_at {
            (self.last_error_at, self.last_error) = (state.last_error_at, state.last_error);
        }
    }

    fn add_depth(&mut self, depth: &HandoverDepth) {
        self.unsettled = depth.unsettled;
        self.oldest_unsettled_at = depth.oldest_at.map(|at| at.0);
        self.awaiting_reports = depth.awaited;
    }
}

/// The provider of a name.
fn of<'a>(providers: &'a mut BTreeMap<String, ProviderReply>, name: &str) -> &'a mut ProviderReply {
    let new = || ProviderReply { name: name.to_owned(), ..ProviderReply::default() };
    providers.entry(name.to_owned()).or_insert_with(new)
}

/// `GET`
pub(crate) async fn show(State(operator): State<Operator>) -> Result<Response, ApiError> {
    let since = operator.now().plus(-REPORTED_WITHIN_SECONDS);
    let states = operator.store.provider_states(since).await?;
    let depths = operator.store.handover_depths().await?;
    let queued = operator.store.queue_depths().await?;
    let mut providers: BTreeMap<String, ProviderReply> = BTreeMap::new();
    for configured in operator.messengers.providers() {
        let reply = of(&mut providers, &configured.name);
        (reply.kind, reply.configured_weight) = (Some(configured.kind), Some(configured.weight));
    }
    for state in states {
        let name = state.provider.clone();
        of(&mut providers, &name).add_state(state);
    }
    for depth in &depths {
        of(&mut providers, &depth.provider).add_depth(depth);
    }
    json(&Reply {
        providers: providers.into_values().collect(),
        waiting: queued.iter().map(|depth| depth.waiting).sum(),
        oldest_accepted_at: queued.iter().map(|depth| depth.oldest_accepted_at.0).min(),
    })
}

#[derive(Serialize)]
struct TestReply {
    results: Vec<TestResult>,
}

#[derive(Serialize)]
struct TestResult {
    provider: String,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<String>,
}

/// `POST /admin/v1/messenger/test` `{"phone_number" | "email", "provider"?}`: sends a test message.
pub(crate) async fn test(State(operator): State<Operator>, request: Request) -> Result<Response, ApiError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Named {
        provider: Option<String>,
    }
    let body = body::json(request).await?;
    let to = forms::addresses(&body)?;
    let named: Named = serde_json::from_slice(&body).unwrap_or_default();
    let is_known = |name: &str| operator.messengers.providers().iter().any(|one| one.name == name);
    if named.provider.as_deref().is_some_and(|name| !is_known(name)) {
        return Err(ApiError::invalid(Text::fixed(
            "provider: 이 이름으로 설정된 제공자가 없습니다",
            "provider: no provider of this name is configured",
        )));
    }
    let answers = operator.messengers.test(to, named.provider.as_deref()).await;
    let result = |answer: crate::messengers::TestAnswer| TestResult {
        provider: answer.provider,
        outcome: answer.outcome,
        said: answer.said,
    };
    json(&TestReply { results: answers.into_iter().map(result).collect() })
}

#[derive(Deserialize)]
pub(crate) struct Before {
    /// Older than this document.
    before: Option<String>,
}

#[derive(Serialize)]
struct UncertainReply {
    messages: Vec<UncertainMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_before: Option<BinderId>,
}

#[derive(Serialize)]
struct UncertainMessage {
    document_binder_uuid: BinderId,
    institution_id: InstitutionId,
    at: i64,
    sent_again: bool,
}

impl From<Uncertain> for UncertainMessage {
    fn from(uncertain: Uncertain) -> Self {
        Self {
            document_binder_uuid: uncertain.document,
            institution_id: uncertain.institution,
            at: uncertain.at.0,
            sent_again: uncertain.sent_again,
        }
    }
}

/// `GET /admin/v1/messenger/uncertain`: messages for which it could not be found out whether the provider has them.
pub(crate) async fn uncertain(
    State(operator): State<Operator>,
    Query(asked): Query<Before>,
) -> Result<Response, ApiError> {
    let before = asked.before.as_deref().map(|text| {
        BinderId::parse(text).ok_or_else(|| {
            ApiError::invalid(Text::fixed("before: 문서 번호여야 합니다", "before: must be a document's id"))
        })
    });
    let found = operator.store.uncertain(before.transpose()?, PAGE).await?;
    let next_before = found.last().filter(|_| found.len() == PAGE).map(|one| one.document);
    json(&UncertainReply { messages: found.into_iter().map(UncertainMessage::from).collect(), next_before })
}
