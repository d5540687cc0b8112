//! The event feed: steps are numbered in the transaction in which they happen.

pub(crate) mod expiries;
pub(crate) mod ledger;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::events::{
    EXPIRY_GRACE_SECONDS, Event, FeedPage, FeedQuery, FeedRead, Pick, events, pick, pick_of_document,
};
use seoham_store::restore::{feed_epoch, names::FEED_EPOCH};
use seoham_store::{FeedKeeping, Feeds, Lane, Result, Timelines};

use crate::SqliteStore;
use crate::documents::{keys_of, rows};
use crate::open::deployment_value;
use crate::writer::Weight;

/// What a parcel weighs whose deadlines are looked at.
const LOOKING: usize = 5;
/// Events forgotten in one step.
const FORGOTTEN_AT_ONCE: usize = 200;

#[async_trait]
impl Feeds for SqliteStore {
    async fn read_feed(&self, institution: InstitutionId, query: FeedQuery) -> Result<FeedRead> {
        let (vault, known) = (Arc::clone(&self.inner.vault), Arc::clone(&self.inner.person_cache));
        let read = self.inner.readers.read(Lane::Bulk, move |connection| {
            let _snapshot = connection.unchecked_transaction()?;
            let epoch = epoch(connection)?;
            let ends = ledger::ends(connection, institution)?;
            let rows = ledger::rows(connection, institution, &query, ends)?;
            let Pick { picked, through, ends } = pick(&rows, &query, ends);
            let mut ids: Vec<_> = picked.iter().filter_map(|picked| picked.document).collect();
            ids.sort_unstable();
            ids.dedup();
            let found = rows::documents(connection, Some(institution), &ids)?;
            let documents = || found.values().flatten();
            let read = rows::slices(connection, documents().map(|document| document.part.clone()))?;
            let keys = keys_of(connection, &known, documents().map(|document| document.person))?;
            let events = events(&vault, &picked, &found, &keys, &read);
            Ok(FeedRead { epoch, ends, page: FeedPage { events, through, more: through < ends.last } })
        });
        read.await
    }

    async fn feed_lasts(&self, institutions: Vec<InstitutionId>) -> Result<HashMap<InstitutionId, u64>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let last = |id: InstitutionId| Ok(ledger::last(connection, id)?.map(|last| (id, last)));
            Ok(institutions
                .into_iter()
                .filter_map(|id| last(id).transpose())
                .collect::<rusqlite::Result<_>>()?)
        });
        read.await
    }

    async fn wait_for_events(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.inner.committed.notified()).await;
    }
}

#[async_trait]
impl Timelines for SqliteStore {
    async fn timeline(
        &self,
        institution: Option<InstitutionId>,
        document: BinderId,
    ) -> Result<Option<Vec<Event>>> {
        let (vault, known) = (Arc::clone(&self.inner.vault), Arc::clone(&self.inner.person_cache));
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let _snapshot = connection.unchecked_transaction()?;
            let found = rows::documents(connection, institution, &[document])?;
            let Some(stored) = found.get(&document).cloned().transpose()? else { return Ok(None) };
            let of_parcel = ledger::rows_of_parcel(connection, stored.institution, document.parcel())?;
            let picked = pick_of_document(&of_parcel, document);
            let read = rows::slices(connection, [stored.part])?;
            let keys = keys_of(connection, &known, std::iter::once(stored.person))?;
            Ok(Some(events(&vault, &picked, &found, &keys, &read)))
        });
        read.await
    }
}

/// The epoch of the feeds.
pub(crate) fn epoch(connection: &Connection) -> rusqlite::Result<u64> {
    Ok(feed_epoch(deployment_value::<String>(connection, FEED_EPOCH)?.as_deref()))
}

#[async_trait]
impl FeedKeeping for SqliteStore {
    async fn tell_expired(&self, limit: usize, now: UnixSeconds) -> Result<usize> {
        let until = now.plus(-EXPIRY_GRACE_SECONDS);
        // Mostly nothing is due, and the writer has other work.
        let has_due = move |connection: &Connection| Ok(expiries::has_due(connection, until)?);
        if !self.inner.readers.read(Lane::Bulk, has_due).await? {
            return Ok(0);
        }
        let tell = move |connection: &Connection| Ok(expiries::tell(connection, limit, until)?);
        self.inner.writer.background(Weight::rows(limit * LOOKING), tell).await
    }

    async fn forget_events(&self, before: UnixSeconds) -> Result<usize> {
        let forget =
            move |connection: &Connection| Ok(ledger::forget(connection, before, FORGOTTEN_AT_ONCE)?);
        self.inner.writer.background(Weight::rows(FORGOTTEN_AT_ONCE), forget).await
    }
}
