//! Deliveries: rows that workers of any node hold under leases.

mod claim;
mod finish;
mod finishing;
pub(crate) mod parcels;
mod sweeping;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::deliveries::{Claimed, Finished, QueueDepth, Receipt};
use seoham_store::{Deliveries, Lane, Result};

use crate::PostgresStore;
use crate::columns::{Columns, Id};
use crate::people;

pub(crate) use finishing::Finishing;
pub(crate) use sweeping::Sweeper;

/// Which institution had the last turn on this node.
#[derive(Default)]
pub(crate) struct Turns(Mutex<Option<InstitutionId>>);

impl Turns {
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
        let done = finished.iter().map(finish::Done::from).collect();
        let counted = self.inner.finishing.finish(&self.inner.sessions, done, now).await?;
        self.inner.sweeper.gone(counted.rows_gone);
        Ok(counted.documents)
    }

    async fn record_receipts(&self, receipts: Vec<Receipt>, now: UnixSeconds) -> Result<()> {
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        finish::record_receipts(&session, &receipts, now).await
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

    async fn queue_depths(&self) -> Result<Vec<QueueDepth>> {
        let session = self.inner.sessions.interactive().await?;
        // An id carries the time of its acceptance, and the oldest one sorts first.
        let sql = "SELECT institution_id, sum(documents)::bigint AS waiting, (array_agg(oldest ORDER BY oldest))[1] AS oldest
                   FROM (SELECT institution_id, cardinality(document_ids) AS documents, document_ids[1] AS oldest
                         FROM delivery_parcels
                         UNION ALL SELECT institution_id, 1, document_id FROM delivery_retries
                         UNION ALL SELECT institution_id, 1, document_id FROM deliveries) AS queue
                   GROUP BY institution_id ORDER BY institution_id";
        let depth = |row: &tokio_postgres::Row| {
            let waiting: i64 = row.value("waiting")?;
            let oldest: BinderId = row.id("oldest")?;
            let accepted_at = i64::try_from(oldest.unix_millis() / 1000).unwrap_or(0);
            Ok(QueueDepth {
                institution: row.id("institution_id")?,
                waiting: waiting.unsigned_abs(),
                oldest_accepted_at: UnixSeconds(accepted_at),
            })
        };
        session.query(sql, &[]).await?.iter().map(depth).collect()
    }

    async fn given_up(&self, before: Option<BinderId>, limit: usize) -> Result<Vec<BinderId>> {
        let sql = "SELECT document_id FROM documents
                   WHERE notification = 2 AND ($1::uuid IS NULL OR document_id < $1)
                   ORDER BY document_id DESC LIMIT $2";
        let session = self.inner.sessions.interactive().await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = session.query(sql, &[&before.map(|id| id.uuid()), &limit]).await?;
        rows.iter().map(|row| row.id("document_id")).collect()
    }

    async fn wait_for_work(&self, at_most: Duration) {
        self.inner.signals.wait(at_most).await;
    }
}
