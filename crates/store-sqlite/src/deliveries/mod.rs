//! Deliveries: claimed in memory, since one process has the file; rows go when they are done.

mod book;
mod claim;
mod finish;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use seoham_model::{BinderId, UnixSeconds};
use seoham_store::deliveries::{Claim, Claimed, Finished, QueueDepth, Receipt};
use seoham_store::sealing::OpenedText;
use seoham_store::{Deliveries, Lane, Result};

use crate::SqliteStore;
use crate::documents::text;
use crate::people::move_due;
use crate::readers::ReadError;
use crate::writer::Weight;

pub(crate) use book::ClaimBook;

#[async_trait]
impl Deliveries for SqliteStore {
    async fn claim(&self, limit: usize, lease: Duration, now: UnixSeconds) -> Result<Claimed> {
        let (book, held) = (Arc::clone(&self.inner.claims), claim::Tickets::default());
        let of_job = held.clone();
        let claimed = self
            .inner
            .writer
            .bulk(Weight::rows(limit), move |connection| {
                Ok(claim::claim(connection, &book, &of_job, limit, lease, now)?)
            })
            .await;
        let (taken, expired) = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                // Not committed: the rows are where they were.
                self.inner.claims.release(&held.all());
                return Err(error);
            }
        };
        let vault = Arc::clone(&self.inner.vault);
        let read = self.inner.readers.read(Lane::Bulk, move |connection| {
            let mut claims = Vec::with_capacity(taken.len());
            for taken in taken {
                match text(connection, &vault, taken.document_no) {
                    Ok(text) => claims.push(to_claim(taken, text)),
                    // It stays held until its lease runs out, so that it stops nobody else.
                    Err(ReadError::Store(error)) => {
                        tracing::error!(%error, document = %taken.document, "a document does not open");
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(claims)
        });
        match read.await {
            Ok(claims) => Ok(Claimed { claims, expired }),
            Err(error) => {
                self.inner.claims.release(&held.all());
                Err(error)
            }
        }
    }

    async fn finish(&self, finished: Vec<Finished>, now: UnixSeconds) -> Result<usize> {
        let book = Arc::clone(&self.inner.claims);
        let tickets: Vec<u64> = finished.iter().map(|f| f.ticket).collect();
        let result = self
            .inner
            .writer
            .bulk(Weight::rows(finished.len()), move |connection| {
                Ok(finish::finish(connection, &book, &finished, now)?)
            })
            .await?;
        self.inner.claims.release(&tickets);
        Ok(result)
    }

    async fn record_receipts(&self, receipts: Vec<Receipt>, now: UnixSeconds) -> Result<()> {
        self.inner
            .writer
            .bulk(Weight::rows(receipts.len()), move |connection| {
                Ok(finish::record_receipts(connection, &receipts, now)?)
            })
            .await
    }

    async fn join_due(&self, limit: usize, now: UnixSeconds) -> Result<usize> {
        self.inner
            .writer
            .bulk(Weight::rows(limit), move |connection| {
                let mut moved = 0;
                while moved < limit {
                    let Some(now_moved) = move_due(connection, limit - moved, now)? else { break };
                    moved += now_moved.max(1);
                }
                Ok(moved)
            })
            .await
    }

    async fn queue_depths(&self) -> Result<Vec<QueueDepth>> {
        self.inner.readers.read(Lane::Interactive, |connection| Ok(queue::depths(connection)?)).await
    }

    async fn given_up(&self, before: Option<BinderId>, limit: usize) -> Result<Vec<BinderId>> {
        let read = self
            .inner
            .readers
            .read(Lane::Interactive, move |connection| Ok(queue::given_up(connection, before, limit)?));
        read.await
    }

    async fn wait_for_work(&self, at_most: Duration) {
        self.inner.claims.wait(at_most).await;
    }
}

fn to_claim(taken: claim::Taken, text: OpenedText) -> Claim {
    let OpenedText { content, mut recipient, .. } = text;
    Claim {
        ticket: taken.ticket,
        document: taken.document,
        institution: taken.institution,
        institution_name: taken.institution_name,
        phone_number: std::mem::take(&mut recipient.phone_number).into(),
        received: taken.received,
        content,
        deadline_at: taken.deadline_at,
        attempts: taken.attempts,
        first_attempt_at: taken.first_attempt_at,
    }
}
