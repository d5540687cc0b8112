//! The lane of keyed acceptances whose idempotency key may already exist. They wait here for whoever is writing the
//! same key, perhaps a node that was lost, so that nobody else waits with them.

use std::sync::Arc;

use deadpool_postgres::Pool;
use seoham_store::documents::Accepted;
use seoham_store::parcel::Batch;
use seoham_store::{Result, StoreError};
use tokio::sync::{Mutex, Semaphore, mpsc};

use super::group_commit::{QueuedBatch, TRANSACTION_ROWS};
use super::keys::{BEGIN_OPTIMISTIC, BEGIN_PATIENT};
use super::transaction::{AcceptTransactions, Way, Written};
use crate::partitions::Partitions;

/// Batches that wait for another transaction's key at the same time, each on a connection of the bulk lane. Beyond it
/// a conflicting request is refused, and can be repeated.
const PATIENT_MAX: usize = 3;

/// Sends batches to the lane. What waits in it holds the permits of the accepting queue, which bounds it.
#[derive(Clone)]
pub(super) struct ConflictLane(mpsc::UnboundedSender<QueuedBatch>);

impl ConflictLane {
    /// Starts the lane.
    pub(super) fn start(pool: &Pool, partitions: &Arc<Partitions>) -> Self {
        let (waiting, arrived) = mpsc::unbounded_channel();
        let lane = LaneTask {
            transactions: AcceptTransactions::new(pool, partitions),
            arrived: Arc::new(Mutex::new(arrived)),
            patient: Arc::new(Semaphore::new(PATIENT_MAX)),
        };
        tokio::spawn(lane.keep_running());
        Self(waiting)
    }

    /// Adds a batch, which is answered by the lane.
    pub(super) fn add(&self, batch: QueuedBatch) {
        if let Err(closed) = self.0.send(batch) {
            closed.0.answer(Err(StoreError::Unavailable("closing".to_owned())));
        }
    }
}

/// The loop that writes the lane's batches.
#[derive(Clone)]
struct LaneTask {
    transactions: AcceptTransactions,
    arrived: Arc<Mutex<mpsc::UnboundedReceiver<QueuedBatch>>>,
    patient: Arc<Semaphore>,
}

impl LaneTask {
    /// Runs until the lane is closed. If the loop panics, logs that and starts it again.
    async fn keep_running(self) {
        while let Err(error) = tokio::spawn(self.clone().run()).await {
            if error.is_cancelled() {
                return;
            }
            tracing::error!(%error, "accepting keyed requests broke off");
        }
    }

    async fn run(self) {
        let mut arrived = self.arrived.lock().await;
        while let Some(first) = arrived.recv().await {
            let mut rows = first.batch.documents();
            let mut group = vec![first];
            while rows < TRANSACTION_ROWS
                && let Ok(next) = arrived.try_recv()
            {
                rows += next.batch.documents();
                group.push(next);
            }
            self.write(group).await;
        }
    }

    /// Writes batches together if none of them has to wait or fails, otherwise each alone.
    async fn write(&self, group: Vec<QueuedBatch>) {
        let batches: Vec<&Batch> = group.iter().map(|queued| &queued.batch).collect();
        match self.transactions.write(&batches, Way::UnlessKnown(BEGIN_OPTIMISTIC)).await {
            Ok(Written::Whole(accepted)) => {
                for (queued, accepted) in group.into_iter().zip(accepted) {
                    queued.answer(Ok(accepted));
                }
            }
            // Nothing was written.
            Ok(Written::KeyMayBeKnown) | Err(StoreError::Failed(_)) if group.len() > 1 => {
                for queued in group {
                    Box::pin(self.write(vec![queued])).await;
                }
            }
            Ok(Written::KeyMayBeKnown) => group.into_iter().for_each(|queued| self.wait(queued)),
            Err(error) => group.into_iter().for_each(|queued| queued.answer(Err(error.clone()))),
        }
    }

    /// Has a batch wait for whoever is writing its key, beside the others.
    fn wait(&self, queued: QueuedBatch) {
        let Ok(permit) = Arc::clone(&self.patient).try_acquire_owned() else {
            return queued.answer(in_progress());
        };
        let transactions = self.transactions.clone();
        tokio::spawn(async move {
            let written = transactions.write(&[&queued.batch], Way::UnlessKnown(BEGIN_PATIENT)).await;
            let result = match written {
                Ok(Written::Whole(accepted)) => accepted.first().copied().map_or_else(in_progress, Ok),
                Ok(Written::KeyMayBeKnown) => in_progress(),
                Err(error) => Err(error),
            };
            queued.answer(result);
            drop(permit);
        });
    }
}

fn in_progress() -> Result<Accepted> {
    Err(StoreError::Unavailable("another request with the same key is in progress".to_owned()))
}
