//! Group commit: documents that wait for acceptance at the same time on this node share a transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use seoham_store::documents::Accepted;
use seoham_store::{Result, StoreError};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::accept::{Batch, are_new, insert, insert_unless_known};
use crate::failure::{Doing, key_may_be_known, lacks_partition};
use crate::partitions::Partitions;
use crate::precedence::Precedence;
use crate::session::Session;

/// How long an acceptance may wait for its transaction to begin.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may then wait for the confirmation. Longer than it takes to detect that there is no connection,
/// because that result is certain.
const CONFIRMATION: Duration = Duration::from_secs(12);
/// How long a loop initially waits for a COMMIT, which may be waiting for a standby, or for a primary that silently
/// disappeared. Each consecutive timeout doubles it, so that a loop soon leaves a lost primary, but leaves few
/// sessions behind on a primary that is only waiting.
const COMMIT_TIME: Duration = Duration::from_secs(20);
/// Maximum number of waiting documents.
const ROWS_MAX: usize = 50_000;
/// Maximum size of the waiting documents, in KiB.
const KIB_MAX: usize = 32 * 1024;
/// Number of documents from which a transaction takes no more.
const TRANSACTION_ROWS: usize = 2_000;

/// Queues acceptances. Dropping it finishes the queued ones.
pub(crate) struct GroupCommit {
    waiting: mpsc::UnboundedSender<QueuedBatch>,
    rows: Arc<Semaphore>,
    kib: Arc<Semaphore>,
}

struct QueuedBatch {
    batch: Batch,
    since: Instant,
    /// Set by whoever takes the batch first: a loop to write it, or the caller to give up.
    claimed: Arc<AtomicBool>,
    answer: oneshot::Sender<Result<Accepted>>,
    // Permits that bound the queue, released when the caller gets its reply.
    room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl GroupCommit {
    /// Starts one loop per connection.
    pub(crate) fn start(
        pool: &Pool,
        connections: usize,
        partitions: &Arc<Partitions>,
        precedence: &Arc<Precedence>,
    ) -> Self {
        let (waiting, arrived) = mpsc::unbounded_channel();
        let arrived = Arc::new(Mutex::new(arrived));
        for _ in 0..connections {
            let writer = AcceptLoop {
                pool: pool.clone(),
                arrived: Arc::clone(&arrived),
                partitions: Arc::clone(partitions),
                precedence: Arc::clone(precedence),
                slot: rand::random(),
                in_vain: Arc::default(),
            };
            tokio::spawn(writer.keep_running());
        }
        let (rows, kib) = (Semaphore::new(ROWS_MAX), Semaphore::new(KIB_MAX));
        Self { waiting, rows: Arc::new(rows), kib: Arc::new(kib) }
    }

    /// Writes a batch together with others that wait. Returns after the COMMIT.
    pub(crate) async fn accept(&self, batch: Batch) -> Result<Accepted> {
        let bytes: usize = batch.documents.iter().map(|d| d.sealed.len() + 200).sum::<usize>()
            + batch.contents.iter().map(|c| c.sealed.len()).sum::<usize>()
            + batch.record.as_ref().map_or(0, |r| r.verdicts.len());
        let take = |room: &Arc<Semaphore>, wanted: usize| {
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            Arc::clone(room).try_acquire_many_owned(wanted).map_err(|_| StoreError::Overloaded)
        };
        let room = (take(&self.rows, batch.documents.len().max(1))?, take(&self.kib, bytes.div_ceil(1024))?);
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

/// How to write batches.
#[derive(Clone, Copy)]
enum Way {
    /// No key is expected to exist: pipeline everything.
    AllNew,
    /// Some keys may exist: leave out their documents.
    UnlessKnown,
}

/// A loop that writes batches, one transaction at a time.
#[derive(Clone)]
struct AcceptLoop {
    pool: Pool,
    arrived: Arc<Mutex<mpsc::UnboundedReceiver<QueuedBatch>>>,
    partitions: Arc<Partitions>,
    precedence: Arc<Precedence>,
    /// The slot in which this loop counts the day's documents.
    slot: i16,
    /// Number of consecutive unconfirmed COMMITs.
    in_vain: Arc<AtomicU32>,
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
        while let Some(waiting) = self.next().await {
            let (answers, batches): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .map(|w| {
                    metrics::histogram!("seoham_writer_wait_seconds", "lane" => "bulk")
                        .record(w.since.elapsed().as_secs_f64());
                    ((w.answer, w.room), w.batch)
                })
                .unzip();
            let batches: Vec<&Batch> = batches.iter().collect();
            let mut results = self.write_all(&batches).await;
            if batches.len() > 1 {
                // One of the batches caused the failure: write each alone, so that the others succeed.
                for (result, batch) in results.iter_mut().zip(&batches) {
                    if matches!(result, Err(StoreError::Failed(_))) {
                        *result = self.write_all(&[*batch]).await.remove(0);
                    }
                }
            }
            for ((answer, room), result) in answers.into_iter().zip(results) {
                // The caller may be gone and needs no reply.
                let _ = answer.send(result);
                drop(room);
            }
        }
    }

    /// Writes the batches in one transaction and returns the result of each. If a key already exists, uses two
    /// transactions, so that batches without a key do not wait for those with one.
    async fn write_all(&self, batches: &[&Batch]) -> Vec<Result<Accepted>> {
        if are_new(batches) {
            let mut known = false;
            match Box::pin(self.write(batches, Way::AllNew, &mut known)).await {
                Err(_) if known => {}
                Err(error) => return vec![Err(error); batches.len()],
                Ok(accepted) => return accepted.into_iter().map(Ok).collect(),
            }
        }
        let mut results = vec![Ok(Accepted::Whole); batches.len()];
        for (keyed, way) in [(false, Way::AllNew), (true, Way::UnlessKnown)] {
            let places = (0..batches.len()).filter(|i| batches[*i].record.is_some() == keyed);
            let places: Vec<usize> = places.collect();
            if places.is_empty() {
                continue;
            }
            let chosen: Vec<&Batch> = places.iter().map(|i| batches[*i]).collect();
            let written = Box::pin(self.write(&chosen, way, &mut false)).await;
            for (i, place) in places.into_iter().enumerate() {
                results[place] = written.as_ref().map(|accepted| accepted[i]).map_err(Clone::clone);
            }
        }
        results
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
            let is_bulk = next.batch.documents.len() > 1;
            rows += next.batch.documents.len().max(1);
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

    /// Writes one transaction. Sets `known` if it failed because of an existing key, so that nothing was written.
    async fn write(&self, batches: &[&Batch], way: Way, known: &mut bool) -> Result<Vec<Accepted>> {
        let started = Instant::now();
        let rows: usize = batches.iter().map(|b| b.documents.len()).sum();
        let session = Session::from(&self.pool).await?;
        let mut partitions_made = false;
        loop {
            let doing = Doing::Writing("an acceptance");
            let mut lacking = false;
            let work = async {
                let client = session.client();
                let written = match way {
                    Way::AllNew => {
                        let whole = vec![Accepted::Whole; batches.len()];
                        insert(client, batches, self.slot).await.map(|()| whole)
                    }
                    Way::UnlessKnown => insert_unless_known(client, batches, self.slot).await,
                };
                written.inspect_err(|e| {
                    lacking = lacks_partition(e);
                    *known = key_may_be_known(e);
                })
            };
            let in_vain = self.in_vain.load(Ordering::Relaxed);
            let time = COMMIT_TIME * 2_u32.pow(in_vain.min(6));
            let result = Box::pin(session.at_most(time, doing, work)).await;
            match result {
                Ok(_) => self.in_vain.store(0, Ordering::Relaxed),
                Err(StoreError::Uncertain(_)) => self.in_vain.store(in_vain + 1, Ordering::Relaxed),
                Err(_) => {}
            }
            metrics::histogram!("seoham_commit_rows")
                .record(f64::from(u32::try_from(rows).unwrap_or(u32::MAX)));
            metrics::histogram!("seoham_commit_seconds").record(started.elapsed().as_secs_f64());
            if result.is_ok() || !lacking || partitions_made {
                return result;
            }
            let ids = batches.iter().flat_map(|b| &b.documents).map(|d| d.id);
            // The documents were rolled back, whether or not the month can be created.
            let made = self.partitions.make_for(&session, ids).await;
            made.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            partitions_made = true;
        }
    }
}
