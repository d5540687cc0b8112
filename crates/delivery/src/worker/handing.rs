//! Hands messages to a provider, and records what it answers.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use seoham_model::{BinderId, UnixSeconds};
use seoham_store::StoreError;
use seoham_store::deliveries::{Claim, Finished, Outcome};
use seoham_store::handovers::{Found, Handed, HandoverClaim, HandoverId, Settled};
use seoham_store::undelivered::Failure;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::fallback::refused;
use super::settling::{count, count_settled, falls_back, finished, later, outcome, settled};
use super::{LONGEST_PAUSE, Worker, pause};
use crate::lines::{Line, Turn};
use crate::message::Message;
use crate::provider::{Batch, Recovery, Reporting, Sent, Together};

/// For how long nothing is sent to a provider whose rate limit is used up for longer than claims last.
const RATE_PAUSE: Duration = Duration::from_secs(1);
/// How long after a lost answer a provider that deduplicates is given the messages again.
const SENT_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// A rate limit is used up in steps of at most this long.
const RATE_STEP_SECONDS: f64 = 1.0;
/// Concurrent recordings per batch; sending continues meanwhile.
const RECORDING: usize = 4;

/// A claim, and its message.
pub(super) struct Announced {
    pub(super) claim: Claim,
    pub(super) message: Message,
}

impl Worker {
    /// Hands a group of messages to a provider, in as many calls as it needs. Messages that could outlast the lease are
    /// not sent, because another worker may hold the claim by then.
    pub(super) async fn hand_over(
        &self,
        turn: Turn,
        group: Vec<Announced>,
        held_until: Instant,
        stop: &CancellationToken,
    ) {
        let line = &*turn.line;
        let mut group = group;
        while !group.is_empty() {
            let batch = next_batch(&mut group, line, room(line, self.options.batch));
            let slowest = line.abilities().slowest.min(self.options.lease);
            let start_by = held_until.checked_sub(slowest).unwrap_or(held_until);
            if !self.wait_for_rate(line, batch.len(), start_by, stop).await {
                // There is no time for it any more.
                group.extend(batch);
                self.put_back(&group, held_until, stop).await;
                return;
            }
            if line.abilities().recovery == Recovery::Deduplicates && self.lines.is_alone(line) {
                self.send(line, batch, held_until, start_by, stop).await;
            } else {
                self.send_once(line, batch, start_by, stop).await;
            }
        }
    }

    /// Puts claims back into the queue: no provider can be given them now.
    pub(super) async fn put_back(&self, group: &[Announced], held_until: Instant, stop: &CancellationToken) {
        let now = self.store.clock().certain_now();
        let back = group.iter().map(|one| later(&one.claim, Failure::NoProvider, now));
        self.finish(back.collect(), held_until, stop).await;
    }

    /// Waits until the provider's rate limit allows so many messages; `false` if that is later than `start_by`.
    pub(super) async fn wait_for_rate(
        &self,
        line: &Line,
        messages: usize,
        start_by: Instant,
        stop: &CancellationToken,
    ) -> bool {
        if let Some(rate) = line.options.rate_per_second {
            let at_most = start_by.saturating_duration_since(Instant::now());
            match self.store.reserve(line.name(), messages, rate, at_most).await {
                Ok(Some(wait)) if wait > Duration::ZERO => {
                    line.is_used_up_for(wait);
                    pause(wait, stop).await;
                }
                Ok(Some(_)) => {}
                Ok(None) => {
                    line.is_used_up_for(RATE_PAUSE);
                    return false;
                }
                Err(error) => {
                    tracing::warn!(%error, provider = line.name(), "a rate limit could not be kept");
                    return false;
                }
            }
        }
        Instant::now() < start_by && !stop.is_cancelled()
    }

    /// Sends through the only provider, which deduplicates: the claims are finished as the outcomes come, and a message whose
    /// answer was lost is sent again like any other.
    async fn send(
        &self,
        line: &Line,
        group: Vec<Announced>,
        held_until: Instant,
        start_by: Instant,
        stop: &CancellationToken,
    ) {
        let (claims, messages): (Vec<Claim>, Vec<Message>) =
            group.into_iter().map(|one| (one.claim, one.message)).unzip();
        let id = messages.first().map_or_else(String::new, |message| message.id.to_string());
        let (claims, batch) = (&claims, &Batch { id, messages, start_by, stop: stop.clone() });
        line.send(batch, || self.store.clock().certain_now())
            .for_each_concurrent(RECORDING, |sent| async move {
                let fallbacks = self.begin_fallbacks(line, &batch.messages, refused(&sent)).await;
                let now = self.store.clock().certain_now();
                let finished = sent.iter().filter_map(|(place, sent)| {
                    let claim = claims.get(*place)?;
                    let finished = match sent {
                        Sent::Refused(trouble) if fallbacks.contains(place) => {
                            finished(claim, Outcome::Later { not_before: now }, Some(trouble.failure))
                        }
                        sent => outcome(claim, sent, now)?,
                    };
                    count(claim, finished.outcome, finished.failure);
                    Some(finished)
                });
                let finished: Vec<Finished> = finished.collect();
                self.finish(finished, held_until, stop).await;
            })
            .await;
    }

    /// Sends through one of several providers, or one that cannot deduplicate: the hand-over is recorded first, and decides.
    async fn send_once(
        &self,
        line: &Line,
        group: Vec<Announced>,
        start_by: Instant,
        stop: &CancellationToken,
    ) {
        let id = HandoverId(Uuid::now_v7());
        let now = self.store.clock().certain_now();
        let taken =
            group.iter().map(|one| HandoverClaim { ticket: one.claim.ticket, handed: handed(&one.claim) });
        let begun =
            self.store.begin_handover(id, line.name(), taken.collect(), self.options.lease, now).await;
        let begun = match begun {
            Ok(Some(begun)) => begun,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "a hand-over could not be recorded: nothing is sent");
                return;
            }
        };
        let has: HashSet<BinderId> = begun.documents.into_iter().collect();
        let group = group.into_iter().filter(|one| has.contains(&one.claim.document));
        let (claims, messages): (Vec<Claim>, Vec<Message>) =
            group.map(|one| (one.claim, one.message)).unzip();
        let batch = Batch { id: id.to_string(), messages, start_by, stop: stop.clone() };
        let mut answers = line.send(&batch, || self.store.clock().certain_now());
        let mut left = claims.len();
        while let Some(sent) = answers.next().await {
            let fallbacks = self.begin_fallbacks(line, &batch.messages, refused(&sent)).await;
            let now = self.store.clock().certain_now();
            left = left.saturating_sub(sent.len());
            let recovery = line.abilities().recovery;
            let outcomes = sent.into_iter().filter_map(|(place, sent)| {
                let claim = claims.get(place)?;
                let outcome = match sent {
                    Sent::Refused(trouble) if fallbacks.contains(&place) => falls_back(trouble, now),
                    sent => settled(claim, sent, recovery, self.options.unknown, now)?,
                };
                count_settled(claim, &outcome);
                Some((claim.document, outcome))
            });
            let found = Found {
                settled: outcomes.collect(),
                still_awaited: None,
                goes_on: left > 0,
                look_at: next_look(line, now),
            };
            self.settle(id, begun.ticket, found, stop).await;
        }
        if left > 0 {
            // The provider did not account for all of them.
            let look_at = next_look(line, self.store.clock().certain_now());
            let found = Found { settled: Vec::new(), still_awaited: None, goes_on: false, look_at };
            self.settle(id, begun.ticket, found, stop).await;
        }
    }

    /// Records the outcomes of a hand-over. If the store rejects them, retries with growing delays for as long as the
    /// lease can last; after that they count as unknown.
    pub(super) async fn settle(&self, id: HandoverId, ticket: i64, found: Found, stop: &CancellationToken) {
        let count = |is_it: fn(&Settled) -> bool| found.settled.iter().filter(|(_, one)| is_it(one)).count();
        let taken = count(|one| matches!(one, Settled::Taken { .. }));
        let uncertain = count(|one| matches!(one, Settled::Uncertain { .. }));
        if uncertain > 0 {
            tracing::warn!(
                handover = %id,
                notifications = uncertain,
                "it is unknown whether the messenger has notifications: seoham admin messenger uncertain"
            );
        }
        let until = Instant::now() + self.options.lease;
        let write = || self.store.settle_handover(id, ticket, found.clone(), self.store.clock().now());
        let warn = |error: &StoreError| {
            tracing::warn!(%error, handover = %id, "could not record the outcome of a hand-over");
        };
        match self.record_until(until, stop, write, warn).await {
            Some(true) => count_announced(taken),
            Some(false) => {
                tracing::warn!(handover = %id, "another worker looks after a hand-over whose lease ended");
            }
            None => {}
        }
    }

    /// Records the results of claims. If the store rejects them, retries with growing delays for as long as
    /// the lease lasts. A result that is not recorded causes a resend under the same id.
    pub(super) async fn finish(
        &self,
        finished: Vec<Finished>,
        held_until: Instant,
        stop: &CancellationToken,
    ) {
        if finished.is_empty() {
            return;
        }
        let taken = finished.iter().filter(|f| f.outcome == Outcome::Taken).count();
        let write = || self.store.finish(finished.clone(), self.store.clock().now());
        let warn = |error: &StoreError| {
            tracing::warn!(%error, count = finished.len(), "could not finish deliveries");
        };
        if self.record_until(held_until, stop, write, warn).await.is_some() {
            count_announced(taken);
        }
    }

    /// Writes to the store, with growing delays while it refuses, until `until` at the latest. `None` if it was not
    /// written.
    async fn record_until<T, F>(
        &self,
        until: Instant,
        stop: &CancellationToken,
        write: impl Fn() -> F,
        warn: impl Fn(&StoreError),
    ) -> Option<T>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut wait = self.options.idle;
        loop {
            match write().await {
                Ok(written) => return Some(written),
                Err(error) => {
                    warn(&error);
                    if stop.is_cancelled() || Instant::now() + wait >= until {
                        return None;
                    }
                }
            }
            pause(wait, stop).await;
            wait = (wait * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Counts notifications that were taken, and recorded as that.
fn count_announced(taken: usize) {
    metrics::counter!("seoham_deliveries_total", "outcome" => "announced").increment(taken as u64);
}

fn handed(claim: &Claim) -> Handed {
    Handed {
        document: claim.document,
        institution: claim.institution,
        attempts: claim.attempts,
        first_attempt_at: claim.first_attempt_at,
    }
}

/// When to look at what is left of a hand-over: soon where an outcome may be unknown, otherwise when reports are asked
/// for.
fn next_look(line: &Line, now: UnixSeconds) -> UnixSeconds {
    let abilities = line.abilities();
    let lookup = match abilities.recovery {
        Recovery::LooksUp { after } => Some(after),
        Recovery::Deduplicates => Some(SENT_AGAIN_AFTER),
        Recovery::None => None,
    };
    let reports = match abilities.reporting {
        Reporting::AskedAfter(after) => Some(after),
        Reporting::Pushed | Reporting::Never => None,
    };
    let soonest = reports.into_iter().chain(lookup).min().unwrap_or(Duration::from_mins(1));
    now.plus(i64::try_from(soonest.as_secs()).unwrap_or(60))
}

/// How many documents a provider is given together: as many as it takes in one call, and as its rate limit allows within a
/// second.
pub(super) fn room(line: &Line, batch: usize) -> usize {
    let room = line.abilities().batch_max.min(batch).max(1);
    match line.options.rate_per_second {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
        Some(rate) => room.min((rate * RATE_STEP_SECONDS).ceil().max(1.0) as usize),
        None => room,
    }
}

/// Takes the next call's messages from a group, at most `room`. With some providers a call has one message for each number
/// only, or one template.
fn next_batch(group: &mut Vec<Announced>, line: &Line, room: usize) -> Vec<Announced> {
    let together = line.abilities().together;
    let mut batch = Vec::new();
    let mut rest = Vec::new();
    let mut numbers: HashSet<String> = HashSet::new();
    for one in std::mem::take(group) {
        let is_of_call = |first: &Announced| {
            first.message.template_key(line.name()) == one.message.template_key(line.name())
        };
        let fits = batch.len() < room
            && (together == Together::Mixed || batch.first().is_none_or(is_of_call))
            && (together != Together::OneTemplateAndNumber
                || numbers.insert(one.message.to.number().to_owned()));
        if fits {
            batch.push(one);
        } else {
            rest.push(one);
        }
    }
    *group = rest;
    batch
}
