//! The webhook server (webhook delivery, at least once): each webhook with events to deliver has a task of its own, so that a slow receiver delays nobody else.
//! One node at a time serves a webhook, under a lease. When a delivery is tried again, and when a webhook is disabled, is
//! decided in the store's `webhooks`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use seoham_model::event::FeedEvent;
use seoham_model::{NamedNumber, WebhookId};
use seoham_store::events::{FeedQuery, FeedRead};
use seoham_store::webhooks::{AttemptOutcome, BATCH_EVENTS, ClaimedWebhook, Cursor, WebhookAttempt};
use seoham_store::{StoreError, WorkerStore};
use seoham_webhook::{NoAnswer, Receivers};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a receiver may take to answer.
pub const ANSWER_TIME: Duration = Duration::from_secs(15);
/// How often due webhooks are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Time to leave the store alone after it failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);
/// The lease of a webhook, which every delivery extends: longer than a delivery and what is written about it.
const LEASE: Duration = Duration::from_secs(30);
/// How long one claim may last: then the webhooks that wait have their turn.
const CLAIM_TIME: Duration = Duration::from_secs(30);
/// The pause of a webhook after events that it does not ask for, each look at which costs commits.
const AFTER_OTHERS: Duration = Duration::from_secs(1);
/// Webhooks served at the same time by this process.
const SERVED_MAX: usize = 256;

/// Delivers the events of a store to the webhooks of its institutions.
#[derive(Clone)]
pub struct WebhookServer {
    store: Arc<dyn WorkerStore>,
    receivers: Receivers,
}

/// The body of a delivery.
#[derive(Serialize)]
struct Delivery<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    webhook_id: String,
    epoch: u64,
    events: &'a [FeedEvent],
}

impl WebhookServer {
    /// A server of the webhooks in `store`; `run` starts it.
    pub fn new(store: Arc<dyn WorkerStore>, receivers: Receivers) -> Self {
        Self { store, receivers }
    }

    /// Serves until `stop`, then ends the deliveries under way.
    pub async fn run(self, stop: CancellationToken) {
        let mut tasks = JoinSet::new();
        let mut served: HashMap<tokio::task::Id, WebhookId> = HashMap::new();
        while !stop.is_cancelled() {
            while let Some(ended) = tasks.try_join_next_with_id() {
                let task = ended.map_or_else(|error| error.id(), |(task, ())| task);
                served.remove(&task);
            }
            let ids: Vec<WebhookId> = served.values().copied().collect();
            let wait = match self.claim(&ids).await {
                Ok(claimed) => {
                    for claimed in claimed {
                        let id = claimed.webhook.id;
                        served.insert(tasks.spawn(self.clone().serve(claimed, stop.clone())).id(), id);
                    }
                    LOOK_EVERY
                }
                Err(error) => {
                    tracing::warn!(%error, "webhooks could not be looked for");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    async fn claim(&self, served: &[WebhookId]) -> Result<Vec<ClaimedWebhook>, StoreError> {
        self.store.health().check()?;
        let room = SERVED_MAX.saturating_sub(served.len());
        if room == 0 {
            return Ok(Vec::new());
        }
        self.store.claim_webhooks(served, room, LEASE, self.store.clock().now()).await
    }

    async fn serve(self, claimed: ClaimedWebhook, stop: CancellationToken) {
        let (id, ticket) = (claimed.webhook.id, claimed.ticket);
        let delivered = self.deliver(claimed, &stop).await;
        if let Err(error) = delivered {
            tracing::warn!(%error, webhook = %id, "a webhook could not be served; its lease brings it back");
            // What the store could not be told is not known: the lease ends by itself.
            tokio::time::sleep(AFTER_FAILURE).await;
        }
        if let Err(error) = self.store.release_webhook(id, ticket).await {
            tracing::debug!(%error, webhook = %id, "a webhook was not released");
        }
    }

    /// Delivers until nothing is left, the receiver takes nothing, the webhook is another's, or it is the others' turn.
    async fn deliver(&self, claimed: ClaimedWebhook, stop: &CancellationToken) -> Result<(), StoreError> {
        let (id, ticket) = (claimed.webhook.id, claimed.ticket);
        let mut cursor = claimed.webhook.cursor;
        let claimed_at = Instant::now();
        while !stop.is_cancelled() && claimed_at.elapsed() < CLAIM_TIME {
            let read = self.next(&claimed, cursor).await?;
            let now = self.store.clock().now();
            let (epoch, through, more) = (read.epoch, read.page.through, read.page.more);
            let events: Vec<FeedEvent> = read.page.events.into_iter().map(FeedEvent::from).collect();
            let Some((first, last)) =
                events.first().zip(events.last()).map(|(first, last)| (first.seq, last.seq))
            else {
                // Events that it does not ask for are passed.
                let passed = Cursor::at(through, now);
                if through > cursor.through
                    && !self.store.finish_delivery(id, ticket, passed, None, None).await?
                {
                    return Ok(());
                }
                // What only a newer version can tell of is left to its nodes.
                if through <= cursor.through || !more {
                    let _ = stop.run_until_cancelled(tokio::time::sleep(AFTER_OTHERS)).await;
                    return Ok(());
                }
                cursor = passed;
                continue;
            };
            let Some(secrets) = self.store.begin_delivery(id, ticket, last, LEASE, now).await? else {
                return Ok(());
            };
            let begun = Instant::now();
            let body = Delivery { kind: "events", webhook_id: id.to_string(), epoch, events: &events };
            let delivery_id = format!("{id}-{first}-{last}");
            let outcome = self.post(&claimed.webhook.url, &secrets, &delivery_id, &body).await;
            let took_millis = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
            let ended = self.store.clock().now();
            let (next, disabled) = cursor.after(outcome, last, ended);
            let attempt = WebhookAttempt { at: now, first, last, outcome, took_millis };
            let is_held = self.store.finish_delivery(id, ticket, next, disabled, Some(attempt)).await?;
            count(outcome, events.len());
            if let Some((why, _)) = disabled.filter(|_| is_held) {
                tracing::warn!(webhook = %id, institution = %claimed.webhook.institution, why = why.name(),
                    "a webhook is disabled; it goes on where it stopped when it is enabled");
                metrics::counter!("seoham_webhooks_disabled_total", "why" => why.name()).increment(1);
            }
            if !is_held || !outcome.is_taken() {
                return Ok(());
            }
            cursor = next;
        }
        Ok(())
    }

    /// The events of the next delivery: of one that failed before, the same ones.
    async fn next(&self, claimed: &ClaimedWebhook, cursor: Cursor) -> Result<FeedRead, StoreError> {
        let webhook = &claimed.webhook;
        let query = FeedQuery { after: cursor.through, limit: BATCH_EVENTS, types: webhook.types.clone() };
        let mut read = self.store.read_feed(webhook.institution, query).await?;
        if let Some(pending) = cursor.pending {
            read.page.events.retain(|event| event.seq <= pending);
            read.page.through = read.page.through.min(pending);
            read.page.more = read.page.through < read.ends.last;
        }
        Ok(read)
    }

    async fn post(
        &self,
        url: &str,
        secrets: &[SecretString],
        delivery_id: &str,
        body: &Delivery<'_>,
    ) -> AttemptOutcome {
        let Ok(body) = serde_json::to_vec(body) else { return AttemptOutcome::Unreachable };
        let posted = self.receivers.post(url, secrets, delivery_id, body).await;
        match posted {
            Ok(answer) => AttemptOutcome::Answered(answer.status.as_u16()),
            Err(NoAnswer::Lost) => AttemptOutcome::NoAnswer,
            Err(NoAnswer::NotSent | NoAnswer::Unsigned) => AttemptOutcome::Unreachable,
        }
    }
}

fn count(outcome: AttemptOutcome, events: usize) {
    metrics::counter!("seoham_webhook_deliveries_total", "outcome" => outcome.name()).increment(1);
    if outcome.is_taken() {
        metrics::counter!("seoham_webhook_events_total").increment(u64::try_from(events).unwrap_or(0));
    }
}
