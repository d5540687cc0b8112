//! The worker's loop: claim, notify, finish; in parallel, move documents for people who joined.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use secrecy::SecretString;
use seoham_model::contract::Notice;
use seoham_store::deliveries::{Claim, Finished, Outcome};
use seoham_store::restore::WorkOrder;
use seoham_store::retention::Tidied;
use seoham_store::undelivered::Failure;
use seoham_store::{StoreError, WorkerStore};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::message::document_arrived;
use crate::notifier::{Notifier, Sent};
use crate::reachability::Reachability;
use crate::retry::after_failure;
use crate::simulator::Report;

/// The worker's configuration.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// How many deliveries are claimed together.
    pub batch: usize,
    /// The number of concurrent batches.
    pub batches: usize,
    /// The number of concurrent messages per batch.
    pub concurrent_messages: usize,
    /// The lease of a claim; longer than a batch of messages takes.
    pub lease: Duration,
    /// The maximum duration of one message: none is started that could outlast its lease.
    pub slowest_message: Duration,
    /// How long to sleep if nothing wakes the worker.
    pub idle: Duration,
    /// The address of the document box, for links in messages.
    pub box_url: String,
    /// The retention period of documents in days; `None` keeps them forever.
    pub retention_days: Option<u32>,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            batch: 1_000,
            batches: 4,
            concurrent_messages: 32,
            lease: Duration::from_mins(5),
            slowest_message: Duration::from_secs(10),
            idle: Duration::from_millis(500),
            box_url: String::new(),
            retention_days: None,
        }
    }
}

/// Delivers documents from a store through a notifier.
#[derive(Clone)]
pub struct Worker {
    store: Arc<dyn WorkerStore>,
    notifier: Arc<dyn Notifier>,
    options: Arc<WorkerOptions>,
    order: Arc<Mutex<Option<(Instant, WorkOrder)>>>,
    messenger: Arc<Reachability>,
}

impl Worker {
    /// Creates a worker; `run` starts it.
    pub fn new(store: Arc<dyn WorkerStore>, notifier: Arc<dyn Notifier>, options: WorkerOptions) -> Self {
        Self { store, notifier, options: Arc::new(options), order: Arc::default(), messenger: Arc::default() }
    }

    /// Works until `stop`, then finishes the work in progress.
    pub async fn run(self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        let mut kinds = HashMap::new();
        let batches = std::iter::repeat_n(Loop::Deliver, self.options.batches);
        for kind in batches.chain([Loop::MoveJoined, Loop::Tidy]) {
            kinds.insert(running.spawn(self.clone().keep(kind, stop.clone())).id(), kind);
        }
        while let Some(ended) = running.join_next_with_id().await {
            let Err(error) = ended else { continue };
            tracing::error!(%error, "a loop of the worker broke off; leases bring back what it held");
            if let Some(kind) = kinds.remove(&error.id()).filter(|_| !stop.is_cancelled()) {
                kinds.insert(running.spawn(self.clone().keep(kind, stop.clone())).id(), kind);
            }
        }
    }

    async fn keep(self, kind: Loop, stop: CancellationToken) {
        match kind {
            Loop::Deliver => self.deliver(stop).await,
            Loop::MoveJoined => self.move_joined(stop).await,
            Loop::Tidy => self.tidy(stop).await,
        }
    }

    /// Processes batches one after the other: claim, notify, finish. Several of these loops run concurrently,
    /// and the store's group commit combines their writes.
    async fn deliver(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            // Measured from before the claim, so that the lease never ends later here than in the store.
            let held_until = Instant::now() + self.options.lease;
            match self.claim().await {
                Ok(claims) if !claims.is_empty() => {
                    self.announce(claims, held_until, &stop).await;
                    continue;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "could not claim deliveries");
                    pause(self.options.idle, &stop).await;
                }
            }
            tokio::select! {
                () = self.store.wait_for_work(self.options.idle) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Moves documents that waited for people who have joined since.
    async fn move_joined(self, stop: CancellationToken) {
        const AT_ONCE: usize = 500;
        while !stop.is_cancelled() {
            match self.join_due(AT_ONCE).await {
                Ok(moved) if moved >= AT_ONCE => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "could not move documents of people who joined"),
            }
            self.messenger.look();
            pause(self.options.idle, &stop).await;
        }
    }

    async fn join_due(&self, at_once: usize) -> Result<usize, StoreError> {
        self.store.health().check()?;
        self.store.join_due(at_once, self.store.clock().now()).await
    }

    /// Prepares space for new documents and removes expired ones.
    async fn tidy(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let wait = match self.tidy_once().await {
                Ok(tidied) => {
                    metrics::counter!("seoham_documents_removed_total").increment(tidied.documents);
                    if tidied.more { TIDY_AGAIN } else { TIDY_EVERY }
                }
                Err(error) => {
                    tracing::warn!(%error, "could not remove old documents");
                    TIDY_EVERY
                }
            };
            pause(wait, &stop).await;
        }
    }

    /// Removal cannot be undone, so it uses the certain time.
    async fn tidy_once(&self) -> Result<Tidied, StoreError> {
        self.store.health().check()?;
        self.store.tidy(self.options.retention_days, self.store.clock().certain_now()).await
    }

    /// Records the simulator's reports until the simulator is dropped. A report that cannot be recorded is
    /// not confirmed, so its message is sent again.
    pub async fn record_reports(store: Arc<dyn WorkerStore>, mut reports: mpsc::Receiver<Report>) {
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
        // While the clock or the store is in doubt, this process sends nothing and gives nothing up. Expired
        // documents are dropped with the claim, which uses the certain time.
        self.store.health().check()?;
        if self.work_order().await? == WorkOrder::Held {
            return Ok(Vec::new());
        }
        let now = self.store.clock().certain_now();
        let claimed = self.store.claim(self.options.batch, self.options.lease, now).await?;
        metrics::counter!("seoham_deliveries_total", "outcome" => "expired")
            .increment(claimed.expired as u64);
        Ok(claimed.claims)
    }

    /// The work order for queued documents, cached from the store.
    async fn work_order(&self) -> Result<WorkOrder, StoreError> {
        let known = *self.order.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = known.filter(|(asked, _)| asked.elapsed() < ORDER_EVERY) {
            return Ok(order);
        }
        let order = self.store.work_order().await?;
        if order == WorkOrder::Held && known.is_none_or(|(_, known)| known != WorkOrder::Held) {
            tracing::warn!("deliveries are held after a restore: seoham admin deliveries release");
        }
        metrics::gauge!("seoham_deliveries_held").set(f64::from(u8::from(order == WorkOrder::Held)));
        *self.order.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), order));
        Ok(order)
    }

    /// Whether the document goes into its box without a notification.
    fn is_dropped(&self, claim: &Claim) -> bool {
        let known = *self.order.lock().unwrap_or_else(PoisonError::into_inner);
        known.is_some_and(|(_, order)| order.drops(claim.document, claim.first_attempt_at))
    }

    /// Notifies recipients of claimed documents, and finishes each claim as its result arrives. After `stop`,
    /// messages that were not yet sent are left to their lease. So are messages that could outlast it,
    /// because another worker may hold the claim by then.
    async fn announce(&self, claims: Vec<Claim>, held_until: Instant, stop: &CancellationToken) {
        let in_time = |_: &Claim| {
            let in_time = Instant::now() + self.options.slowest_message < held_until;
            std::future::ready(in_time)
        };
        futures_util::stream::iter(claims)
            .take_until(stop.cancelled())
            .take_while(in_time)
            .map(|claim| self.announce_one(claim))
            .buffer_unordered(self.options.concurrent_messages)
            .ready_chunks(self.options.batch)
            .for_each_concurrent(FINISHING, |finished| self.finish(finished, held_until, stop))
            .await;
    }

    /// The number that a claimed document is announced to, or why it is not announced at all.
    fn reachable(&self, claim: &Claim) -> Result<SecretString, Failure> {
        if self.is_dropped(claim) {
            return Err(Failure::Dropped);
        }
        if claim.sender.notice == Notice::Institution && claim.sender.template.is_none() {
            return Err(Failure::NoTemplate);
        }
        claim.phone_number.clone().ok_or(Failure::NoNumber)
    }

    async fn announce_one(&self, claim: Claim) -> Finished {
        if claim.sender.notice == Notice::None {
            // The claim has put it into the box, and there is nothing to send.
            return finished(&claim, Outcome::Taken, None);
        }
        let to = match self.reachable(&claim) {
            Ok(to) => to,
            Err(failure) => {
                if failure == Failure::Dropped {
                    metrics::counter!("seoham_notifications_total", "outcome" => "dropped").increment(1);
                } else {
                    tracing::warn!(document = %claim.document, %failure, "notification given up");
                    metrics::counter!("seoham_notifications_total", "outcome" => "given_up").increment(1);
                }
                return finished(&claim, Outcome::GivenUp, Some(failure));
            }
        };
        let message = document_arrived(&claim, to, &self.options.box_url);
        let sent = self.notifier.send(&message).await;
        match sent {
            Sent::NotNow { .. } => self.messenger.failed(),
            Sent::Taken | Sent::Refused(_) => self.messenger.answered(),
        }
        let now = self.store.clock().certain_now();
        let outcome = match sent {
            Sent::Taken => Outcome::Taken,
            Sent::Refused(_) => Outcome::GivenUp,
            Sent::NotNow { retry_after, .. } => after_failure(
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
        let failure = match sent {
            Sent::Taken => None,
            Sent::NotNow { failure, .. } | Sent::Refused(failure) => Some(failure),
        };
        finished(&claim, outcome, failure)
    }

    /// Records the results of a batch. If the store rejects them, retries with growing delays for as long as
    /// the lease lasts. A result that is not recorded causes a resend under the same id.
    async fn finish(&self, finished: Vec<Finished>, held_until: Instant, stop: &CancellationToken) {
        let taken = finished.iter().filter(|f| f.outcome == Outcome::Taken).count() as u64;
        let mut wait = self.options.idle;
        loop {
            match self.store.finish(finished.clone(), self.store.clock().now()).await {
                Ok(_) => {
                    metrics::counter!("seoham_deliveries_total", "outcome" => "announced").increment(taken);
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, count = finished.len(), "could not finish deliveries");
                    if stop.is_cancelled() || Instant::now() + wait >= held_until {
                        return;
                    }
                }
            }
            pause(wait, stop).await;
            wait = (wait * 2).min(LONGEST_PAUSE);
        }
    }
}

/// The record of a finished claim.
fn finished(claim: &Claim, outcome: Outcome, failure: Option<Failure>) -> Finished {
    let Claim { ticket, document, institution, .. } = *claim;
    Finished { ticket, document, institution, outcome, failure }
}

/// The loops that run concurrently in a worker.
#[derive(Clone, Copy)]
enum Loop {
    Deliver,
    MoveJoined,
    Tidy,
}

/// How long the cached work order is valid.
const ORDER_EVERY: Duration = Duration::from_secs(1);
/// Concurrent finishes per batch; sending continues meanwhile.
const FINISHING: usize = 4;
/// The longest delay before a retry to record results.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often expired documents are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// The delay between removal batches, so that removal never dominates the machine's load.
const TIDY_AGAIN: Duration = Duration::from_millis(20);

async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.cancelled() => {}
    }
}
