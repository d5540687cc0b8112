//! Group commit: documents that wait for acceptance at the same time on this node share a transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use seoham_store::documents::Accepted;
use seoham_store::parcel::Batch;
use seoham_store::{Result, StoreError};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::accept::are_new;
use super::conflict_lane::ConflictLane;
use super::transaction::{AcceptTransactions, Way, Written};
use crate::partitions::Partitions;
use crate::precedence::Precedence;

/// How long an acceptance may wait for its transaction to begin.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may then wait for the confirmation. Longer than it takes to detect that there is no connection,
/// because that result is certain.
const CONFIRMATION: Duration = Duration::from_secs(12);
/// Maximum number of waiting documents.
const ROWS_MAX: usize = 50_000;
/// Maximum size of the waiting documents, in KiB.
const KIB_MAX: usize = 32 * 1024;
/// Number of documents from which a transaction takes no more.
pub(super) const TRANSACTION_ROWS: usize = 2_000;

/// Queues acceptances. Dropping it finishes the queued ones.
pub(crate) struct GroupCommit {
    waiting: mpsc::UnboundedSender<QueuedBatch>,
    rows: Arc<Semaphore>,
    kib: Arc<Semaphore>,
}

pub(super) struct QueuedBatch {
    pub(super) batch: Batch,
    since: Instant,
    /// Set by whoever takes the batch first: a loop to write it, or the caller to give up.
    claimed: Arc<AtomicBool>,
    answer: oneshot::Sender<Result<Accepted>>,
    // Permits that bound the queue, released when the caller gets its reply.
    room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl QueuedBatch {
    pub(super) fn answer(self, result: Result<Accepted>) {
        // The caller may be gone and needs no reply.
        let _ = self.answer.send(result);
        drop(self.room);
    }
}

impl GroupCommit {
    /// Starts one loop per connection of `pool`. Batches whose key may be known go on over connections of `bulk`.
    pub(crate) fn start(
        pool: &Pool,
        connections: usize,
        bulk: &Pool,
        partitions: &Arc<Partitions>,
        precedence: &Arc<Precedence>,
    ) -> Self {
        let (waiting, arrived) = mpsc::unbounded_channel();
        let arrived = Arc::new(Mutex::new(arrived));
        let conflicts = ConflictLane::start(bulk, partitions);
        for _ in 0..connections {
            let writer = AcceptLoop {
                transactions: AcceptTransactions::new(pool, partitions),
                arrived: Arc::clone(&arrived),
                precedence: Arc::clone(precedence),
                conflicts: conflicts.clone(),
            };
            tokio::spawn(writer.keep_running());
        }
        let (rows, kib) = (Semaphore::new(ROWS_MAX), Semaphore::new(KIB_MAX));
        Self { waiting, rows: Arc::new(rows), kib: Arc::new(kib) }
    }

    /// Writes a batch together with others that wait. Returns after the COMMIT.
    pub(crate) async fn accept(&self, batch: Batch) -> Result<Accepted> {
        let take = |room: &Arc<Semaphore>, wanted: usize| {
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            Arc::clone(room).try_acquire_many_owned(wanted).map_err(|_| StoreError::Overloaded)
        };
        let room =
            (take(&self.rows, batch.documents().max(1))?, take(&self.kib, batch.bytes().div_ceil(1024))?);
        let (answer, mut answered) = oneshot::channel();
        let claimed = Arc::new(AtomicBool::new(false));
        let waiting =
            QueuedBatch { batch, since: Instant::now(), claimed: Arc::clone(&claimed), answer, room };
        self.waiting.send(waiting).map_err(|_| StoreError::Unavailable("closing".to_owned()))?;
        // A missing reply means that the loop panicked during a transaction, or that the database did not confirm it.
        let uncertain = || Err(StoreError::Uncertain("an acceptance"));
        if let Ok(answer) = tokio::time::timeout(PATIENCE, &mut answered).await {
            return answer.unwrap_or_else(|_| uncertain());
        }
        if !claimed.swap(true, Ordering::AcqRel) {
            // The loop has not started it, and now never will.
            return Err(StoreError::Unavailable("the database does not keep up".to_owned()));
        }
        match tokio::time::timeout(CONFIRMATION, answered).await {
            Ok(answer) => answer.unwrap_or_else(|_| uncertain()),
            Err(_) => uncertain(),
        }
    }
}

/// A loop that writes batches, one transaction at a time.
#[derive(Clone)]
struct AcceptLoop {
    transactions: AcceptTransactions,
    arrived: Arc<Mutex<mpsc::UnboundedReceiver<QueuedBatch>>>,
    precedence: Arc<Precedence>,
    conflicts: ConflictLane,
}

impl AcceptLoop {
    /// Runs until the queue is closed. If the loop panics, logs that and starts it again.
    async fn keep_running(self) {
        while let Err(error) = tokio::spawn(self.clone().run()).await {
            if error.is_cancelled() {
                return;
            }
            tracing::error!(%error, "accepting broke off");
        }
    }

    async fn run(self) {
        while let Some(group) = self.next().await {
            for queued in &group {
                metrics::histogram!("seoham_writer_wait_seconds", "lane" => "bulk")
                    .record(queued.since.elapsed().as_secs_f64());
            }
            // A key that is continued may be written by another request at the same time.
            let is_new = |queued: &QueuedBatch| are_new(&[&queued.batch]);
            let (new, continued): (Vec<_>, Vec<_>) = group.into_iter().partition(is_new);
            for queued in continued {
                self.conflicts.add(queued);
            }
            if !new.is_empty() {
                self.write(new).await;
            }
        }
    }

    /// Writes batches in one transaction. If a key already exists, or is being written, the batches with a key move to
    /// their own lane, and only the others are written here.
    async fn write(&self, mut group: Vec<QueuedBatch>) {
        let result = match self.write_together(&group).await {
            Ok(Written::KeyMayBeKnown) => {
                let is_keyed = |queued: &QueuedBatch| queued.batch.record.is_some();
                let (keyed, others): (Vec<_>, Vec<_>) = group.into_iter().partition(is_keyed);
                for queued in keyed {
                    self.conflicts.add(queued);
                }
                group = others;
                if group.is_empty() {
                    return;
                }
                self.write_together(&group).await
            }
            other => other,
        };
        let is_single = group.len() == 1;
        match result {
            Ok(Written::Whole(accepted)) => {
                for (queued, accepted) in group.into_iter().zip(accepted) {
                    queued.answer(Ok(accepted));
                }
            }
            // One of the batches caused the failure: write each alone, so that the others succeed.
            Err(StoreError::Failed(_)) if !is_single => {
                for queued in group {
                    Box::pin(self.write(vec![queued])).await;
                }
            }
            Err(error) => group.into_iter().for_each(|queued| queued.answer(Err(error.clone()))),
            Ok(Written::KeyMayBeKnown) => {
                let error = StoreError::Failed("a conflict without a key".to_owned());
                for queued in group {
                    queued.answer(Err(error.clone()));
                }
            }
        }
    }

    async fn write_together(&self, group: &[QueuedBatch]) -> Result<Written> {
        let batches: Vec<&Batch> = group.iter().map(|queued| &queued.batch).collect();
        Box::pin(self.transactions.write(&batches, Way::AllNew)).await
    }

    /// The next waiting batch, and as many more as fit into one transaction.
    async fn next(&self) -> Option<Vec<QueuedBatch>> {
        let mut arrived = self.arrived.lock().await;
        let (mut rows, mut taken, mut has_waited) = (0, Vec::new(), false);
        loop {
            let next = if taken.is_empty() {
                arrived.recv().await?
            } else {
                match arrived.try_recv() {
                    Ok(next) => next,
                    Err(_) => return Some(taken),
                }
            };
            if next.claimed.swap(true, Ordering::AcqRel) {
                // Its caller has given up.
                continue;
            }
            let is_bulk = next.batch.documents() > 1;
            rows += next.batch.documents().max(1);
            taken.push(next);
            if rows >= TRANSACTION_ROWS {
                return Some(taken);
            }
            if is_bulk && !has_waited {
                // Batches that arrive meanwhile share this transaction.
                self.precedence.after_people().await;
                has_waited = true;
            }
        }
    }
}
