//! Deliveries: claimed in memory, since only one process uses the file. Their rows are deleted when they are
//! finished.

mod announced;
mod book;
mod claim;
mod depths;
mod fallbacks;
mod finish;
mod notices;
pub(crate) mod queue;
pub(crate) mod undelivered;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use seoham_model::{BinderId, UnixSeconds};
use seoham_store::deliveries::{Arrival, Claim, Claimed, Finished, QueueDepth, Receipt};
use seoham_store::handovers::Handed;
use seoham_store::undelivered::{Failure, Kind, Page, Undelivered};
use seoham_store::{Deliveries, Fallbacks, Lane, Notices, QueueDepths, Receipts, Result};

use crate::SqliteStore;
use crate::people::{enter_boxes, move_due, schedule};
use crate::writer::Weight;

pub(crate) use book::ClaimBook;
pub(crate) use finish::{given_up, take_over};
pub(crate) use notices::{has_arrived, record};

/// Finished documents are mostly removed from the queue in whole rows, a fraction of the cost of a document.
const FINISHING: usize = 10;
/// Reports of one parcel change one row together.
const REPORTING: usize = 4;

#[async_trait]
impl Deliveries for SqliteStore {
    async fn claim(&self, limit: usize, lease: Duration, now: UnixSeconds) -> Result<Claimed> {
        let (book, vault) = (Arc::clone(&self.inner.claims), Arc::clone(&self.inner.vault));
        let work =
            move |connection: &Connection| Ok(claim::claim(connection, &vault, &book, limit, lease, now)?);
        let (held, mut read) = self.inner.readers.read(Lane::Bulk, work).await?;
        let (expired, done_with) = (read.over.len(), std::mem::take(&mut read.done_with));
        let claims = if read.is_as_it_was() { read.claims } else { self.look_after(read, now).await? };
        held.keep(done_with);
        Ok(Claimed { claims, expired })
    }

    async fn finish(&self, finished: Vec<Finished>, now: UnixSeconds) -> Result<usize> {
        let finishing = self.inner.claims.begin_to_finish(&finished);
        let held = finishing.held.clone();
        let work = move |connection: &Connection| Ok(finish::finish(connection, &held, now)?);
        let count = self.inner.writer.background(Weight::parts(finished.len(), FINISHING), work).await?;
        finishing.finished();
        Ok(count)
    }

    async fn join_due(&self, limit: usize, now: UnixSeconds) -> Result<usize> {
        let box_index = Arc::clone(&self.inner.box_index);
        self.inner
            .writer
            .background(Weight::rows(limit), move |connection| {
                let mut moved = 0;
                while moved < limit {
                    let Some(now_moved) = move_due(connection, &box_index, limit - moved, now)? else {
                        break;
                    };
                    moved += now_moved.max(1);
                }
                Ok(moved)
            })
            .await
    }

    async fn wait_for_work(&self, at_most: Duration) {
        self.inner.claims.wait(at_most).await;
    }
}

#[async_trait]
impl Receipts for SqliteStore {
    async fn record_receipts(&self, receipts: Vec<Receipt>, now: UnixSeconds) -> Result<()> {
        let falls_back = receipts.iter().any(|receipt| receipt.arrival == Arrival::FallsBack);
        let weight = Weight::parts(receipts.len(), REPORTING);
        let record = move |connection: &Connection| Ok(notices::record_receipts(connection, &receipts, now)?);
        self.inner.writer.background(weight, record).await?;
        if falls_back {
            self.inner.claims.wake();
        }
        Ok(())
    }
}

#[async_trait]
impl Fallbacks for SqliteStore {
    async fn begin_fallbacks(&self, documents: Vec<BinderId>, now: UnixSeconds) -> Result<()> {
        let weight = Weight::rows(documents.len());
        let begin = move |connection: &Connection| Ok(fallbacks::begin(connection, &documents, now)?);
        self.inner.writer.background(weight, begin).await
    }
}

#[async_trait]
impl QueueDepths for SqliteStore {
    async fn queue_depths(&self) -> Result<Vec<QueueDepth>> {
        self.inner.readers.read(Lane::Interactive, |connection| Ok(depths::depths(connection)?)).await
    }
}

#[async_trait]
impl Notices for SqliteStore {
    async fn undelivered(&self, kind: Kind, page: Page) -> Result<Vec<Undelivered>> {
        let list = move |connection: &Connection| Ok(undelivered::list(connection, kind, page)?);
        self.inner.readers.read(Lane::Interactive, list).await
    }

    async fn undelivered_one(&self, document: BinderId) -> Result<Option<Undelivered>> {
        let one = move |connection: &Connection| Ok(undelivered::one(connection, document)?);
        self.inner.readers.read(Lane::Interactive, one).await
    }

    async fn send_again(&self, documents: Vec<BinderId>, now: UnixSeconds) -> Result<usize> {
        let weight = Weight::rows(documents.len());
        let again = move |connection: &Connection| Ok(undelivered::send_again(connection, &documents, now)?);
        let count = self.inner.writer.background(weight, again).await?;
        self.inner.claims.wake();
        Ok(count)
    }
}

/// What was read again of documents of a hand-over.
pub(crate) struct ReadAgain {
    pub(crate) claims: Vec<Claim>,
    /// Past their deadline, or removed.
    pub(crate) over: Vec<BinderId>,
    /// Not to be read.
    pub(crate) unreadable: Vec<BinderId>,
}

/// Reads what the notifications of a hand-over's documents need. Their tickets are 0: the hand-over holds them.
pub(crate) fn read_again(
    connection: &Connection,
    vault: &seoham_vault::Vault,
    handed: &[Handed],
    now: UnixSeconds,
) -> rusqlite::Result<ReadAgain> {
    let taken = |handed: &Handed| claim::Taken {
        ticket: 0,
        of: claim::Free {
            held: book::Held {
                document: handed.document,
                institution: handed.institution,
                is_retry: false,
                as_fallback: false,
            },
            attempts: handed.attempts,
            first_attempt_at: handed.first_attempt_at,
        },
    };
    let taken: Vec<_> = handed.iter().map(taken).collect();
    let read = announced::read(connection, vault, &taken, now)?;
    let documents = |held: Vec<book::Held>| held.into_iter().map(|held| held.document).collect();
    Ok(ReadAgain { claims: read.claims, over: documents(read.over), unreadable: documents(read.unreadable) })
}

impl SqliteStore {
    /// Records what became of claimed documents since they were accepted, and returns the claims.
    async fn look_after(&self, read: announced::Read, now: UnixSeconds) -> Result<Vec<Claim>> {
        let announced::Read { claims, over, unreadable, joined, joining, .. } = read;
        let rows = over.len() + unreadable.len() + joined.len() + joining.len();
        let work = move |connection: &Connection| {
            finish::expire(connection, &over, now)?;
            for held in unreadable {
                finish::give_up(connection, held, Some(Failure::Unreadable), now)?;
            }
            enter_boxes(connection, joined.iter(), now)?;
            for (person, due_at) in joining {
                schedule(connection, person, due_at)?;
            }
            Ok(())
        };
        self.inner.writer.background(Weight::rows(rows), work).await?;
        Ok(claims)
    }
}
