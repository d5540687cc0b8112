//! The worker's loop: claim, announce, finish; and meanwhile move what people joined for.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use seoham_store::deliveries::{Claim, Finished, Outcome};
use seoham_store::{Store, StoreError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::message::document_arrived;
use crate::notifier::{Notifier, Sent};
use crate::retry::after_failure;
use crate::simulator::Report;

/// How the worker works.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Deliveries claimed at once.
    pub batch: usize,
    /// Batches under way at once.
    pub batches: usize,
    /// Messages handed to the messenger at once, for each batch.
    pub concurrent_messages: usize,
    /// For how long a claim is held; longer than a batch of messages may take.
    pub lease: Duration,
    /// How long to sleep when nothing wakes the worker.
    pub idle: Duration,
    /// The address of the document box, for the messages.
    pub box_url: String,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            batch: 500,
            batches: 4,
            concurrent_messages: 32,
            lease: Duration::from_mins(5),
            idle: Duration::from_millis(500),
            box_url: String::new(),
        }
    }
}

/// Delivers what a store holds through a notifier.
#[derive(Clone)]
pub struct Worker {
    store: Arc<dyn Store>,
    notifier: Arc<dyn Notifier>,
    options: Arc<WorkerOptions>,
}

impl Worker {
    /// A worker that does not run yet.
    pub fn new(store: Arc<dyn Store>, notifier: Arc<dyn Notifier>, options: WorkerOptions) -> Self {
        Self { store, notifier, options: Arc::new(options) }
    }

    /// Works until `stop`; what is under way then is finished.
    pub async fn run(self, stop: CancellationToken) {
        let mut loops = JoinSet::new();
        for _ in 0..self.options.batches {
            loops.spawn(self.clone().deliver(stop.clone()));
        }
        let mut joins = loops.spawn(self.clone().move_joined(stop.clone())).id();
        while let Some(ended) = loops.join_next().await {
            let Err(error) = ended else { continue };
            tracing::error!(%error, "a loop of the worker broke off; leases bring back what it held");
            if stop.is_cancelled() {
                continue;
            }
            if error.id() == joins {
                joins = loops.spawn(self.clone().move_joined(stop.clone())).id();
            } else {
                loops.spawn(self.clone().deliver(stop.clone()));
            }
        }
    }

    /// One batch after the other: claim, announce, finish. Several of these run side by side, and
    /// the store's group commit joins what they write.
    async fn deliver(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.claim().await {
                Ok(claims) if !claims.is_empty() => {
                    self.announce(claims).await;
                    continue;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "could not claim deliveries"),
            }
            tokio::select! {
                () = self.store.wait_for_work(self.options.idle) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Moves what waits for people who have joined.
    async fn move_joined(self, stop: CancellationToken) {
        const AT_ONCE: usize = 500;
        while !stop.is_cancelled() {
            match self.store.join_due(AT_ONCE, self.store.clock().now()).await {
                Ok(moved) if moved >= AT_ONCE => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "could not move documents of people who joined"),
            }
            tokio::select! {
                () = tokio::time::sleep(self.options.idle) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Records the simulator's reports until the simulator is gone; one that cannot be recorded
    /// is not confirmed, and its message is sent again.
    pub async fn record_reports(store: Arc<dyn Store>, mut reports: mpsc::Receiver<Report>) {
        let mut batch = Vec::new();
        while reports.recv_many(&mut batch, 1_000).await > 0 {
            let receipts = batch.iter().map(|report| report.receipt).collect();
            match store.record_receipts(receipts, store.clock().now()).await {
                Ok(()) => {
                    for report in batch.drain(..) {
                        let _ = report.recorded.send(());
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "could not record the messenger's reports");
                    batch.clear();
                }
            }
        }
    }

    async fn claim(&self) -> Result<Vec<Claim>, StoreError> {
        let now = self.store.clock().now();
        let claimed = self.store.claim(self.options.batch, self.options.lease, now).await?;
        metrics::counter!("seoham_deliveries_total", "outcome" => "expired")
            .increment(claimed.expired as u64);
        Ok(claimed.claims)
    }

    /// Announces claimed documents and finishes them as the answers come in.
    async fn announce(&self, claims: Vec<Claim>) {
        futures_util::stream::iter(claims)
            .map(|claim| self.announce_one(claim))
            .buffer_unordered(self.options.concurrent_messages)
            .ready_chunks(self.options.batch)
            .for_each(|finished| self.finish(finished))
            .await;
    }

    async fn announce_one(&self, claim: Claim) -> Finished {
        let message = document_arrived(&claim, &self.options.box_url);
        let sent = self.notifier.send(&message).await;
        let now = self.store.clock().now();
        let outcome = match sent {
            Sent::Taken => Outcome::Taken,
            Sent::Refused => Outcome::GivenUp,
            Sent::NotNow { retry_after } => after_failure(
                claim.attempts,
                claim.first_attempt_at.unwrap_or(now),
                now,
                claim.deadline_at,
                retry_after,
                rand::random(),
            ),
        };
        if outcome == Outcome::GivenUp {
            tracing::warn!(document = %claim.document, attempts = claim.attempts + 1, "notification given up");
        }
        let name = match outcome {
            Outcome::Taken => "taken",
            Outcome::Retry { .. } => "retry",
            Outcome::GivenUp => "given_up",
        };
        metrics::counter!("seoham_notifications_total", "outcome" => name).increment(1);
        Finished { ticket: claim.ticket, document: claim.document, outcome }
    }

    async fn finish(&self, finished: Vec<Finished>) {
        let count = finished.len();
        match self.store.finish(finished, self.store.clock().now()).await {
            Ok(counted) => {
                metrics::counter!("seoham_deliveries_total", "outcome" => "announced")
                    .increment(counted as u64);
            }
            // They will be claimed anew and announced under the same ids.
            Err(error) => tracing::warn!(%error, count, "could not finish deliveries"),
        }
    }
}
