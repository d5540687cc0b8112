//! Group commit: what is to be accepted at the same time on this node shares a transaction.

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

/// How long an acceptance may wait to be begun.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it may then wait for its confirmation: longer than it takes to learn that there is no
/// connection, which is certain.
const CONFIRMATION: Duration = Duration::from_secs(12);
/// How long a loop itself waits for a COMMIT at first. It may wait for a standby, or for a primary
/// that is gone without a word: each time in a row that it was in vain it waits twice as long, so
/// that a lost primary is soon left and few sessions are left behind on one that only waits.
const COMMIT_TIME: Duration = Duration::from_secs(20);
/// Documents that may wait.
const ROWS_MAX: usize = 50_000;
/// Kibibytes that they may have.
const KIB_MAX: usize = 32 * 1024;
/// Documents after which a transaction takes no more.
const TRANSACTION_ROWS: usize = 2_000;

/// Takes acceptances in; dropped, it finishes those that it took.
pub(crate) struct GroupCommit {
    waiting: mpsc::UnboundedSender<QueuedBatch>,
    rows: Arc<Semaphore>,
    kib: Arc<Semaphore>,
}

struct QueuedBatch {
    batch: Batch,
    since: Instant,
    /// Whoever sets it first has the batch: a loop to write it, or the caller to give it up.
    claimed: Arc<AtomicBool>,
    answer: oneshot::Sender<Result<Accepted>>,
    // Given back when it is answered: they bound what waits.
    room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl GroupCommit {
    /// Starts as many loops as there are connections.
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

    /// Writes a batch with whatever else waits; returns after the COMMIT.
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
        // No answer means that the loop broke off in the middle of a transaction, or that the
        // database does not confirm it.
        let uncertain = || Err(StoreError::Uncertain("an acceptance"));
        if let Ok(answer) = tokio::time::timeout(PATIENCE, &mut answered).await {
            return answer.unwrap_or_else(|_| uncertain());
        }
        if !claimed.swap(true, Ordering::AcqRel) {
            // Never begun, and now never will be.
            return Err(StoreError::Unavailable("the database does not keep up".to_owned()));
        }
        match tokio::time::timeout(CONFIRMATION, answered).await {
            Ok(answer) => answer.unwrap_or_else(|_| uncertain()),
            Err(_) => uncertain(),
        }
    }
}

/// How batches are written.
#[derive(Clone, Copy)]
enum Way {
    /// No key is thought to be known: all in one go.
    AllNew,
    /// Some may be: those that are leave their documents out.
    UnlessKnown,
}

/// One connection's worth of accepting.
#[derive(Clone)]
struct AcceptLoop {
    pool: Pool,
    arrived: Arc<Mutex<mpsc::UnboundedReceiver<QueuedBatch>>>,
    partitions: Arc<Partitions>,
    precedence: Arc<Precedence>,
    /// Where this loop counts the day's documents.
    slot: i16,
    /// How often in a row a COMMIT was not confirmed.
    in_vain: Arc<AtomicU32>,
}

impl AcceptLoop {
    /// Runs until nothing can come any more; a defect that breaks it off is logged, and it begins
    /// anew.
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
                // One of them is the cause; it must not take the others with it.
                for (result, batch) in results.iter_mut().zip(&batches) {
                    if matches!(result, Err(StoreError::Failed(_))) {
                        *result = self.write_all(&[*batch]).await.remove(0);
                    }
                }
            }
            for ((answer, room), result) in answers.into_iter().zip(results) {
                // A caller that has gone needs no answer.
                let _ = answer.send(result);
                drop(room);
            }
        }
    }

    /// Writes them in one transaction; gives what became of each. Where a key is known already it is two:
    /// what has no key does not wait for what others have sent under one.
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

    /// The next of what waits, with as much else as one transaction takes.
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
                // Its caller has given it up.
                continue;
            }
            let is_bulk = next.batch.documents.len() > 1;
            rows += next.batch.documents.len().max(1);
            taken.push(next);
            if rows >= TRANSACTION_ROWS {
                return Some(taken);
            }
            if is_bulk && !has_waited {
                // What comes meanwhile shares its transaction.
                self.precedence.after_people().await;
                has_waited = true;
            }
        }
    }

    /// One transaction. `known` tells whether it was refused for a key, so that nothing was written.
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
            // Whatever became of the month, the documents were taken back.
            let made = self.partitions.make_for(&session, ids).await;
            made.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            partitions_made = true;
        }
    }
}
