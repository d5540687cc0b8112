//! Batches finishes: those that wait at the same time on this node share a statement. Documents of one parcel finish
//! in any order, and two statements that split the same row would wait for each other.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use seoham_model::{BinderId, UnixSeconds};
use seoham_store::{Lane, Result, StoreError};
use tokio::sync::oneshot;

use super::finish::{self, Done};
use crate::session::Sessions;

/// Maximum number of documents that one statement finishes. The rest waits for the next.
const AT_ONCE_MAX: usize = 5_000;

/// The finishes that wait on this node. Bounded by what its workers hold.
#[derive(Default)]
pub(crate) struct FinishBatcher {
    waiting: Mutex<Vec<QueuedFinish>>,
    turn: tokio::sync::Mutex<()>,
}

struct QueuedFinish {
    done: Vec<Done>,
    answer: oneshot::Sender<Result<usize>>,
}

/// The reply to a caller.
pub(super) struct Counted {
    /// How many of its own documents were finished.
    pub(super) documents: usize,
    /// Rows of the queue that its statement removed or split; 0 if another caller's statement did.
    pub(super) rows_gone: usize,
}

impl FinishBatcher {
    /// Finishes the deliveries that are still held, together with everything else that waits.
    pub(super) async fn finish(
        &self,
        sessions: &Sessions,
        done: Vec<Done>,
        now: UnixSeconds,
    ) -> Result<Counted> {
        let (answer, mut answered) = oneshot::channel();
        self.lock().push(QueuedFinish { done, answer });
        let mut rows_gone = 0;
        loop {
            let _turn = self.turn.lock().await;
            match answered.try_recv() {
                Ok(documents) => return documents.map(|documents| Counted { documents, rows_gone }),
                // The caller that was executing it was cancelled.
                Err(oneshot::error::TryRecvError::Closed) => {
                    return Err(StoreError::Uncertain("finished deliveries"));
                }
                Err(oneshot::error::TryRecvError::Empty) => {
                    rows_gone += self.finish_next(sessions, now).await;
                }
            }
        }
    }

    /// Finishes the next waiting batch in one statement. Returns the number of rows it removed or split.
    async fn finish_next(&self, sessions: &Sessions, now: UnixSeconds) -> usize {
        // Callers that arrive during this wait join the batch.
        let session = sessions.for_many(Lane::Bulk).await;
        let mut taken = self.take();
        let all: Vec<Done> = taken.iter_mut().flat_map(|waiting| waiting.done.iter().copied()).collect();
        let finished = match session {
            Ok(session) => finish::finish(&session, &all, now).await,
            Err(error) => Err(error),
        };
        let rows_gone = finished.as_ref().map_or(0, |finished| finished.rows_gone);
        let documents = finished.map(|finished| finished.documents);
        for waiting in taken {
            let own = |finished: &HashSet<(BinderId, i64)>| {
                waiting.done.iter().filter(|done| finished.contains(&(done.document, done.ticket))).count()
            };
            // The caller may be gone and needs no reply.
            let _ = waiting.answer.send(documents.as_ref().map(own).map_err(Clone::clone));
        }
        rows_gone
    }

    fn take(&self) -> Vec<QueuedFinish> {
        let mut waiting = self.lock();
        let mut documents = 0;
        let fits = waiting.iter().take_while(|waiting| {
            documents += waiting.done.len();
            documents <= AT_ONCE_MAX
        });
        let count = fits.count().max(1).min(waiting.len());
        waiting.drain(..count).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<QueuedFinish>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
