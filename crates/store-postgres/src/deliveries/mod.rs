//! The outbox of notifications: a work queue of delivery rows, which workers of any node hold under leases. Claims go
//! round robin over institutions, for fairness.

mod claim;
mod depths;
mod fallbacks;
mod finish;
mod finish_batch;
mod notices;
mod sweep;
mod undelivered;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::deliveries::{Claimed, Finished, QueueDepth, Receipt};
use seoham_store::undelivered::{Kind, Page, Undelivered};
use seoham_store::{Deliveries, Fallbacks, Lane, Notices, QueueDepths, Receipts, Result};

use self::finish::{Done, DoneOutcome};
use crate::PostgresStore;
use crate::documents::rows;
use crate::people;

pub(crate) use claim::read_again;
pub(crate) use finish::take_over;
pub(crate) use finish_batch::FinishBatcher;
pub(crate) use notices::record_expired;
pub(crate) use sweep::{Sweeper, Swept};

/// The institution that had the last turn on this node.
#[derive(Default)]
pub(crate) struct RoundRobin(Mutex<Option<InstitutionId>>);

impl RoundRobin {
    fn last(&self) -> Option<InstitutionId> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_last(&self, institution: InstitutionId) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(institution);
    }
}

#[async_trait]
impl Deliveries for PostgresStore {
    async fn claim(&self, limit: usize, lease: Duration, now: UnixSeconds) -> Result<Claimed> {
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        claim::claim(&session, &self.inner, limit, lease, now).await
    }

    async fn finish(&self, finished: Vec<Finished>, now: UnixSeconds) -> Result<usize> {
        let mut done: Vec<Done> = finished.iter().map(Done::from).collect();
        self.keep_what_arrived(&mut done).await?;
        let given_up = given_up(&done);
        let counted = self.inner.finish_batcher.finish(&self.inner.sessions, done, now).await?;
        self.inner.sweeper.gone(Swept::Deliveries, counted.rows_gone);
        // A report may have come in between.
        self.forget_what_arrived(&given_up).await?;
        Ok(counted.documents)
    }

    async fn join_due(&self, limit: usize, now: UnixSeconds) -> Result<usize> {
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        let mut moved = 0;
        while moved < limit {
            let Some(now_moved) = people::move_due(&session, limit - moved, now).await? else { break };
            moved += now_moved.max(1);
        }
        Ok(moved)
    }

    async fn wait_for_work(&self, at_most: Duration) {
        self.inner.signals.wait(at_most).await;
    }
}

impl PostgresStore {
    /// A notification that arrived before it was given up is not given up.
    async fn keep_what_arrived(&self, done: &mut [Done]) -> Result<()> {
        let arrived = self.arrived(&given_up(done)).await?;
        for done in done.iter_mut().filter(|done| arrived.contains(&done.document)) {
            done.outcome = DoneOutcome::Taken;
        }
        Ok(())
    }

    pub(crate) async fn forget_what_arrived(&self, given_up: &[BinderId]) -> Result<()> {
        let arrived = self.arrived(given_up).await?;
        if arrived.is_empty() {
            return Ok(());
        }
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        notices::forget_given_up(&session, &arrived).await
    }

    /// Those of `documents` whose notification arrived.
    async fn arrived(&self, documents: &[BinderId]) -> Result<Vec<BinderId>> {
        if documents.is_empty() {
            return Ok(Vec::new());
        }
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        let found = rows::documents(&session, None, documents).await?;
        let arrived = found.into_values().flatten().filter(|document| document.times.notified_at.is_some());
        Ok(arrived.map(|document| document.id).collect())
    }
}

/// The documents whose notification is to be given up.
fn given_up(done: &[Done]) -> Vec<BinderId> {
    let given_up = done.iter().filter(|done| matches!(done.outcome, DoneOutcome::GivenUp));
    given_up.map(|done| done.document).collect()
}

#[async_trait]
impl Receipts for PostgresStore {
    async fn record_receipts(&self, receipts: Vec<Receipt>, now: UnixSeconds) -> Result<()> {
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        notices::record_receipts(&session, &receipts, now).await
    }
}

#[async_trait]
impl Fallbacks for PostgresStore {
    async fn begin_fallbacks(&self, documents: Vec<BinderId>, now: UnixSeconds) -> Result<()> {
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        fallbacks::begin(&session, &documents, now).await
    }
}

#[async_trait]
impl QueueDepths for PostgresStore {
    async fn queue_depths(&self) -> Result<Vec<QueueDepth>> {
        let session = self.inner.sessions.interactive().await?;
        depths::depths(&session).await
    }
}

#[async_trait]
impl Notices for PostgresStore {
    async fn undelivered(&self, kind: Kind, page: Page) -> Result<Vec<Undelivered>> {
        let session = self.inner.sessions.interactive().await?;
        undelivered::list(&session, kind, page).await
    }

    async fn undelivered_one(&self, document: BinderId) -> Result<Option<Undelivered>> {
        let session = self.inner.sessions.interactive().await?;
        undelivered::one(&session, document).await
    }

    async fn send_again(&self, documents: Vec<BinderId>, now: UnixSeconds) -> Result<usize> {
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        undelivered::send_again(&session, &documents, now).await
    }
}
