//! Reconciliation of hand-overs with their providers: asks for delivery reports, and for what became of messages without an
//! answer.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use seoham_model::{BinderId, UnixSeconds};
use seoham_store::StoreError;
use seoham_store::deliveries::Claim;
use seoham_store::handovers::{AWAITED_SECONDS_MAX, Awaited, DueHandover, Found, Settled, next_look_seconds};
use seoham_store::undelivered::Failure;
use tokio_util::sync::CancellationToken;

use super::settling::{count_settled, uncertain};
use super::{Worker, pause};
use crate::lines::Line;
use crate::message::document_arrived;
use crate::provider::{Batch, LookedUp, Recovery};
use crate::reports::record_reported;

/// Hand-overs that are reconciled together.
const TOGETHER: usize = 20;
/// After this long an outcome that could not be found out is settled as the operator chose.
const UNKNOWN_SECONDS_MAX: i64 = 24 * 60 * 60;

impl Worker {
    pub(super) async fn reconcile(self, place: usize, stop: CancellationToken) {
        let Some(line) = self.lines.all().get(place) else { return };
        if line.abilities().recovery == Recovery::Deduplicates {
            return;
        }
        let names = [line.name().to_owned()];
        while !stop.is_cancelled() {
            match self.due(&names).await {
                Ok(due) if !due.is_empty() => self.reconcile_provider(line, due, &stop).await,
                Ok(_) => pause(self.options.idle, &stop).await,
                Err(error) => {
                    tracing::warn!(%error, "could not reconcile hand-overs");
                    pause(self.options.idle, &stop).await;
                }
            }
        }
    }

    async fn due(&self, names: &[String]) -> Result<Vec<DueHandover>, StoreError> {
        self.store.health().check()?;
        if self.order.is_held(&*self.store).await? {
            return Ok(Vec::new());
        }
        let now = self.store.clock().certain_now();
        self.store.due_handovers(names, TOGETHER, self.options.lease, now).await
    }

    async fn reconcile_provider(&self, line: &Line, handovers: Vec<DueHandover>, stop: &CancellationToken) {
        let reported = self.ask_for_reports(line, &handovers).await;
        for handover in handovers {
            self.reconcile_one(line, handover, &reported, stop).await;
        }
    }

    /// Asks the provider for reports, records them, and returns the documents that have one.
    async fn ask_for_reports(&self, line: &Line, handovers: &[DueHandover]) -> HashSet<BinderId> {
        let awaited: Vec<Awaited> = handovers.iter().flat_map(|one| one.awaited.iter().cloned()).collect();
        let since = handovers.iter().map(|one| one.begun_at).min().unwrap_or(UnixSeconds(0));
        let is_unknown = handovers.iter().any(|one| !one.unknown.is_empty());
        if awaited.is_empty() && !is_unknown {
            return HashSet::new();
        }
        let reports = match line.provider.reports(&awaited, since).await {
            Ok(reports) => reports,
            Err(trouble) => {
                let error = trouble.words();
                tracing::warn!(
                    provider = line.name(),
                    error,
                    "no delivery reports from a messenger provider"
                );
                return HashSet::new();
            }
        };
        let documents = reports.reported.iter().map(|report| report.document).collect();
        if let Err(error) = record_reported(&*self.store, line.name(), reports.reported).await {
            tracing::warn!(%error, "could not record the messenger's reports");
            return HashSet::new();
        }
        if !reports.receipt.is_empty()
            && let Err(trouble) = line.provider.confirm(&reports.receipt).await
        {
            // They come again, and are harmless.
            let error = trouble.words();
            tracing::warn!(provider = line.name(), error, "delivery reports were not confirmed");
        }
        documents
    }

    async fn reconcile_one(
        &self,
        line: &Line,
        handover: DueHandover,
        reported: &HashSet<BinderId>,
        stop: &CancellationToken,
    ) {
        let DueHandover { id, ticket, begun_at, looks, unknown, awaited, .. } = handover;
        let now = self.store.clock().certain_now();
        let age_seconds = now.seconds_since(begun_at).max(0);
        let mut settled = Vec::new();
        let (taken, unknown): (Vec<Claim>, Vec<Claim>) =
            unknown.into_iter().partition(|claim| reported.contains(&claim.document));
        // What is reported on was taken.
        settled.extend(taken.iter().map(|claim| (claim.document, Settled::Taken { reference: None })));
        if !unknown.is_empty() {
            settled.extend(self.find_out(line, &id.to_string(), unknown, age_seconds, stop).await);
        }
        let still: Vec<BinderId> =
            awaited.iter().map(|one| one.document).filter(|id| !reported.contains(id)).collect();
        let is_awaited = age_seconds < AWAITED_SECONDS_MAX;
        let is_taken_now = settled.iter().any(|(_, settled)| matches!(settled, Settled::Taken { .. }));
        let look_at = now.plus(next_look_seconds(looks, age_seconds, is_taken_now).unwrap_or(0).max(1));
        let still_awaited = Some(if is_awaited { still } else { Vec::new() });
        self.settle(id, ticket, Found { settled, still_awaited, goes_on: false, look_at }, stop).await;
    }

    /// Finds out what became of messages without an answer.
    async fn find_out(
        &self,
        line: &Line,
        id: &str,
        unknown: Vec<Claim>,
        age_seconds: i64,
        stop: &CancellationToken,
    ) -> Vec<(BinderId, Settled)> {
        let now = self.store.clock().certain_now();
        let policy = self.options.unknown;
        let mut settled = Vec::new();
        let mut asked = Vec::new();
        let mut messages = Vec::new();
        for claim in unknown {
            match claim.phone_number.clone() {
                _ if self.order.drops(&claim) => {
                    settled.push((claim.document, give_up(Failure::Dropped)));
                }
                // Its owner has changed: it cannot be asked about under this number, nor sent.
                None => settled.push((claim.document, give_up(Failure::NoNumber))),
                Some(to) => {
                    messages.push(document_arrived(&claim, to, &self.options.box_url));
                    asked.push(claim);
                }
            }
        }
        let start_by = Instant::now() + self.options.lease / 2;
        let batch = Batch { id: id.to_owned(), messages, start_by, stop: stop.clone() };
        let age = Duration::from_secs(age_seconds.unsigned_abs());
        let looked_up = if line.abilities().recovery == Recovery::None {
            // A worker was lost during its call.
            asked.iter().map(|claim| Some(uncertain(claim, policy, now))).collect()
        } else {
            let found = line.provider.look_up(&batch, age).await;
            let settle = |(claim, found): (&Claim, LookedUp)| match found {
                LookedUp::Taken { reference } => Some(Settled::Taken { reference }),
                LookedUp::NotTaken => Some(Settled::Retry {
                    not_before: now,
                    counts: true,
                    failure: Failure::Unreachable,
                    said: None,
                }),
                LookedUp::Unknown => {
                    (age_seconds >= UNKNOWN_SECONDS_MAX).then(|| uncertain(claim, policy, now))
                }
            };
            asked.iter().zip(found).map(settle).collect::<Vec<_>>()
        };
        for (claim, outcome) in asked.iter().zip(looked_up) {
            if let Some(outcome) = outcome {
                count_settled(claim, &outcome);
                settled.push((claim.document, outcome));
            }
        }
        settled
    }
}

fn give_up(failure: Failure) -> Settled {
    Settled::GivenUp { failure, said: None }
}
