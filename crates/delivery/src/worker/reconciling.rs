//! Reconciliation of hand-overs with their providers: asks for delivery reports, and for what became of messages without an
//! answer.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use seoham_model::{BinderId, UnixSeconds};
use seoham_store::StoreError;
use seoham_store::deliveries::Claim;
use seoham_store::handovers::{
    AWAITED_SECONDS_MAX, Awaited, DueHandover, Found, Settled, Whose, next_look_seconds,
};
use seoham_store::undelivered::Failure;
use tokio_util::sync::CancellationToken;

use super::fallback::found_refused;
use super::settling::{count_settled, falls_back, looked_up, uncertain};
use super::{Worker, pause};
use crate::lines::{Line, Sends};
use crate::message::document_arrived;
use crate::provider::{Batch, LookUp, LookedUp, Recovery, ReportQuestion, Reported, Reporting};
use crate::redaction::redact_found;
use crate::reports::record_reported;

/// Hand-overs that are reconciled together.
const TOGETHER: usize = 20;
/// Questions after each other to a provider that has more reports.
const QUESTIONS_MAX: usize = 100;
/// The longest pause until messages are given to a provider again that ignores what it has.
const LONGEST_PAUSE_SECONDS: i64 = 15 * 60;
/// How often hand-overs of providers that nobody knows any more are looked for.
const ABANDONED_EVERY: Duration = Duration::from_secs(5);
/// A provider that no worker has reported for so long was removed from the configuration.
const ABANDONED_AFTER_SECONDS: i64 = 10 * 60;
/// How often what an abandoned hand-over awaits is looked at: the provider may come back.
const ABANDONED_LOOK_SECONDS: i64 = 60 * 60;

/// What a provider told about its messages.
#[derive(Default)]
struct Told {
    /// Documents with a report.
    reported: HashSet<BinderId>,
    /// Documents that it has, without a report.
    open: HashSet<BinderId>,
    /// That is all it has.
    is_all: bool,
}

impl Told {
    fn has(&self, document: BinderId) -> bool {
        self.reported.contains(&document) || self.open.contains(&document)
    }
}

impl Worker {
    pub(super) async fn reconcile(self, place: usize, stop: CancellationToken) {
        let Some(line) = self.lines.all().get(place) else { return };
        let names = [line.name().to_owned()];
        // When all reports of the provider were last recorded.
        let mut read_at = None;
        while !stop.is_cancelled() {
            // Measured from before the lease, so that it never ends later here than in the store.
            let ask_by = Instant::now() + self.options.lease / 2;
            match self.due(Whose::Providers(&names)).await {
                Ok(due) if !due.is_empty() => {
                    self.reconcile_provider(line, due, &mut read_at, ask_by, &stop).await;
                }
                Ok(_) => pause(self.options.idle, &stop).await,
                Err(error) => {
                    tracing::warn!(%error, "could not reconcile hand-overs");
                    pause(self.options.idle, &stop).await;
                }
            }
        }
    }

    async fn due(&self, whose: Whose<'_>) -> Result<Vec<DueHandover>, StoreError> {
        self.store.health().check()?;
        if self.order.is_held(&*self.store).await? {
            return Ok(Vec::new());
        }
        let now = self.store.clock().certain_now();
        self.store.due_handovers(whose, TOGETHER, self.options.lease, now).await
    }

    async fn reconcile_provider(
        &self,
        line: &Line,
        handovers: Vec<DueHandover>,
        read_at: &mut Option<UnixSeconds>,
        ask_by: Instant,
        stop: &CancellationToken,
    ) {
        // These hand-overs were read after that: what was recorded until then is known not to be about them.
        let known_at = *read_at;
        let now = self.store.clock().certain_now();
        let told = self.ask_for_reports(line, &handovers, ask_by, stop).await;
        if told.is_all {
            *read_at = Some(now);
        }
        for handover in handovers {
            self.reconcile_one(line, handover, &told, known_at, ask_by, stop).await;
        }
    }

    /// Asks the provider for reports, and records them.
    async fn ask_for_reports(
        &self,
        line: &Line,
        handovers: &[DueHandover],
        ask_by: Instant,
        stop: &CancellationToken,
    ) -> Told {
        let awaited: Vec<Awaited> = handovers.iter().flat_map(|one| one.awaited.iter().cloned()).collect();
        let began = || handovers.iter().map(|one| one.begun_at);
        let (Some(since), Some(until)) = (began().min(), began().max()) else { return Told::default() };
        let is_unknown = handovers.iter().any(|one| !one.unknown.is_empty());
        let mut told = Told::default();
        if awaited.is_empty() && !is_unknown {
            return told;
        }
        let question = ReportQuestion { awaited: &awaited, since, until, ask_by, stop };
        for _ in 0..QUESTIONS_MAX {
            if !question.goes_on() {
                return told;
            }
            let reports = line.provider.reports(&question).await;
            let reported: Vec<BinderId> = reports.reported.iter().map(|report| report.document).collect();
            if let Err(error) = self.record(line, reports.reported, &reports.open).await {
                tracing::warn!(%error, "could not record the messenger's reports");
                return told;
            }
            told.reported.extend(reported);
            told.open.extend(reports.open);
            if let Some(trouble) = reports.trouble {
                if stop.is_cancelled() {
                    return told;
                }
                let error = trouble.words();
                tracing::warn!(
                    provider = line.name(),
                    error,
                    "not all delivery reports from a messenger provider"
                );
                return told;
            }
            if !reports.receipt.is_empty()
                && let Err(trouble) = line.provider.confirm(&reports.receipt).await
            {
                // They come again, and are harmless; further ones do not come before.
                let error = trouble.words();
                tracing::warn!(provider = line.name(), error, "delivery reports were not confirmed");
                return told;
            }
            if !reports.has_more {
                told.is_all = true;
                return told;
            }
        }
        told
    }

    /// Records what a provider told, before it is confirmed.
    async fn record(
        &self,
        line: &Line,
        reported: Vec<Reported>,
        open: &[BinderId],
    ) -> Result<(), StoreError> {
        record_reported(&*self.store, line.name(), reported).await?;
        if open.is_empty() {
            return Ok(());
        }
        self.store.handed_were_taken(line.name(), open, self.store.clock().now()).await
    }

    async fn reconcile_one(
        &self,
        line: &Line,
        handover: DueHandover,
        told: &Told,
        known_at: Option<UnixSeconds>,
        ask_by: Instant,
        stop: &CancellationToken,
    ) {
        let DueHandover { id, ticket, begun_at, looks, unknown, awaited, .. } = handover;
        let now = self.store.clock().certain_now();
        let age_seconds = now.seconds_since(begun_at).max(0);
        let mut settled = Vec::new();
        let (taken, unknown): (Vec<Claim>, Vec<Claim>) =
            unknown.into_iter().partition(|claim| told.has(claim.document));
        // What the provider tells about was taken.
        settled.extend(taken.iter().map(|claim| (claim.document, Settled::Taken { reference: None })));
        if !unknown.is_empty() {
            let asked = Unanswered { id: id.to_string(), begun_at, known_at, ask_by };
            settled.extend(self.find_out(line, &asked, unknown, stop).await);
        }
        let still: Vec<BinderId> =
            awaited.iter().map(|one| one.document).filter(|id| !told.reported.contains(id)).collect();
        let reports = line.abilities().reporting != Reporting::Never;
        let is_awaited = reports && age_seconds < AWAITED_SECONDS_MAX;
        let is_taken_now = settled.iter().any(|(_, settled)| matches!(settled, Settled::Taken { .. }));
        let mut pause_seconds = next_look_seconds(looks, age_seconds, is_taken_now).unwrap_or(0).max(1);
        if line.abilities().recovery == Recovery::Deduplicates {
            // It is a retry, and comes as often as one.
            pause_seconds = pause_seconds.min(LONGEST_PAUSE_SECONDS);
        }
        let look_at = now.plus(pause_seconds);
        let still_awaited = Some(if is_awaited { still } else { Vec::new() });
        self.settle(id, ticket, Found { settled, still_awaited, goes_on: false, look_at }, stop).await;
    }

    /// Finds out what became of messages without an answer.
    async fn find_out(
        &self,
        line: &Line,
        asked: &Unanswered,
        unknown: Vec<Claim>,
        stop: &CancellationToken,
    ) -> Vec<(BinderId, Settled)> {
        let Unanswered { begun_at, known_at, ask_by, .. } = *asked;
        let now = self.store.clock().certain_now();
        let (policy, recovery) = (self.options.unknown, line.abilities().recovery);
        let mut settled = Vec::new();
        let mut claims = Vec::new();
        let mut messages = Vec::new();
        for claim in unknown {
            if self.order.drops(&claim) {
                settled.push((claim.document, give_up(Failure::Dropped)));
            } else if line.reaches(&claim.addresses) || recovery == Recovery::None {
                let message = document_arrived(&claim, &self.options.box_url);
                // What the provider was given, whatever was begun since.
                let message = match line.options.sends {
                    Sends::Messages => Some(message),
                    Sends::Fallbacks => message.into_fallback(),
                };
                if let Some(message) = message {
                    messages.push(message);
                    claims.push(claim);
                } else {
                    settled.push((claim.document, give_up(Failure::NoTemplate)));
                }
            } else if self.lines.reach(line.options.sends, &claim.addresses) {
                // It cannot be asked about by the address that is left.
                settled.push((claim.document, uncertain(&claim, policy, begun_at, now)));
            } else {
                // Its owner has changed: it cannot be asked about under this number, nor sent.
                settled.push((claim.document, give_up(Failure::NoNumber)));
            }
        }
        let batch = Batch { id: asked.id.clone(), messages, start_by: ask_by, stop: stop.clone() };
        let age = |at: UnixSeconds| Duration::from_secs(at.seconds_since(begun_at).max(0).unsigned_abs());
        let found = match recovery {
            // A worker was lost during its call.
            Recovery::None => None,
            _ if !self.may_send_again(line, &batch, stop).await => {
                Some(vec![LookedUp::Unknown; batch.messages.len()])
            }
            Recovery::Deduplicates => Some(self.send_again(line, &batch).await),
            Recovery::LooksUp { .. } => {
                let _permit = line.permit(ask_by).await;
                let reports_read_at = known_at.filter(|at| *at >= begun_at).map(age);
                let look_up = LookUp { batch: &batch, age: age(now), reports_read_at };
                let mut found = line.provider.look_up(&look_up).await;
                redact_found(&mut found, &batch.messages);
                Some(found)
            }
        };
        let refused = found.iter().flat_map(|found| found_refused(found));
        let fallbacks = self.begin_fallbacks(line, &batch.messages, refused).await;
        let outcomes: Vec<Option<Settled>> = match found {
            None => claims.iter().map(|claim| Some(uncertain(claim, policy, begun_at, now))).collect(),
            Some(found) => {
                let of = |(place, (claim, found)): (usize, (&Claim, LookedUp))| match found {
                    LookedUp::Refused(trouble) if fallbacks.contains(&place) => {
                        Some(falls_back(trouble, now))
                    }
                    found => looked_up(claim, found, policy, begun_at, now),
                };
                claims.iter().zip(found).enumerate().map(of).collect()
            }
        };
        for (claim, outcome) in claims.iter().zip(outcomes) {
            if let Some(outcome) = outcome {
                count_settled(claim, &outcome);
                settled.push((claim.document, outcome));
            }
        }
        settled
    }

    /// Whether messages may be sent again: providers that take the same batch once are asked by sending it, and have a rate
    /// limit.
    async fn may_send_again(&self, line: &Line, batch: &Batch, stop: &CancellationToken) -> bool {
        !line.abilities().takes_once
            || self.wait_for_rate(line, batch.messages.len(), batch.start_by, stop).await
    }

    /// Gives messages to a provider again that ignores those that it has: to it alone, since no other knows them.
    async fn send_again(&self, line: &Line, batch: &Batch) -> Vec<LookedUp> {
        let mut found = vec![LookedUp::Unknown; batch.messages.len()];
        let Some(_permit) = line.permit(batch.start_by).await else { return found };
        let mut answers = line.send(batch, || self.store.clock().certain_now());
        while let Some(sent) = answers.next().await {
            for (place, sent) in sent {
                found[place] = LookedUp::of_answer(sent);
            }
        }
        found
    }

    /// Settles hand-overs of providers that were removed from the configuration: nobody else would, and their documents
    /// would be in no list.
    pub(super) async fn settle_abandoned(self, stop: CancellationToken) {
        let own: Vec<String> = self.lines.all().iter().map(|line| line.name().to_owned()).collect();
        while !stop.is_cancelled() {
            let since = self.store.clock().certain_now().plus(-ABANDONED_AFTER_SECONDS);
            match self.due(Whose::Abandoned { besides: &own, since }).await {
                Ok(due) if !due.is_empty() => {
                    for handover in due {
                        self.settle_one_abandoned(handover, &stop).await;
                    }
                }
                Ok(_) => pause(ABANDONED_EVERY, &stop).await,
                Err(error) => {
                    tracing::warn!(%error, "could not look for abandoned hand-overs");
                    pause(ABANDONED_EVERY, &stop).await;
                }
            }
        }
    }

    async fn settle_one_abandoned(&self, handover: DueHandover, stop: &CancellationToken) {
        let DueHandover { id, ticket, provider, begun_at, unknown, .. } = handover;
        let now = self.store.clock().certain_now();
        if !unknown.is_empty() {
            tracing::warn!(
                provider,
                handover = %id,
                documents = unknown.len(),
                "a messenger provider is no longer configured, and it is unknown whether it has these notifications"
            );
        }
        let settle = |claim: &Claim| {
            let outcome = uncertain(claim, self.options.unknown, begun_at, now);
            count_settled(claim, &outcome);
            (claim.document, outcome)
        };
        let is_awaited = now.seconds_since(begun_at) < AWAITED_SECONDS_MAX;
        let found = Found {
            settled: unknown.iter().map(settle).collect(),
            still_awaited: (!is_awaited).then(Vec::new),
            goes_on: false,
            look_at: now.plus(ABANDONED_LOOK_SECONDS),
        };
        self.settle(id, ticket, found, stop).await;
    }
}

/// Messages of a hand-over without an answer.
struct Unanswered {
    /// The id of the hand-over.
    id: String,
    begun_at: UnixSeconds,
    /// When all reports of the provider had been recorded, before the hand-over was read.
    known_at: Option<UnixSeconds>,
    ask_by: Instant,
}

fn give_up(failure: Failure) -> Settled {
    Settled::GivenUp { failure, said: None }
}
