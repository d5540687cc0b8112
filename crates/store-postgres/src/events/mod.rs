//! The event feed: steps are written to the outbox in the transaction in which they happen, and a sequencer moves what
//! was committed into the ledger.

pub(crate) mod expiries;
mod ledger;
pub(crate) mod outbox;
mod sequencer;

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::events::{
    EXPIRY_GRACE_SECONDS, Event, FeedPage, FeedQuery, FeedRead, Pick, events, pick, pick_of_document,
};
use seoham_store::{FeedKeeping, Feeds, Lane, Result, Timelines};

use crate::PostgresStore;
use crate::columns::{Columns, uuids};
use crate::deliveries::Swept;
use crate::documents::rows::{documents, slices};
use crate::retention::database_now;

pub(crate) use expiries::ADD as ADD_EXPIRIES;
pub(crate) use ledger::raise_epoch;
pub(crate) use sequencer::Sequencer;

#[async_trait]
impl Feeds for PostgresStore {
    async fn read_feed(&self, institution: InstitutionId, query: FeedQuery) -> Result<FeedRead> {
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        let ledger::Read { epoch, ends, rows } = ledger::read(&session, institution, &query).await?;
        let Pick { picked, through, ends } = pick(&rows, &query, ends);
        let mut ids: Vec<_> = picked.iter().filter_map(|picked| picked.document).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = documents(&session, Some(institution), &ids).await?;
        let found_documents = || found.values().flatten();
        let (keys, read) = futures_util::try_join!(
            self.inner.key_cache.of(&session, found_documents().map(|document| document.person)),
            slices(&session, found_documents().map(|document| document.part.clone()))
        )?;
        drop(session);
        let events = events(&self.inner.vault, &picked, &found, &keys, &read);
        Ok(FeedRead { epoch, ends, page: FeedPage { events, through, more: through < ends.last } })
    }

    async fn feed_lasts(&self, institutions: Vec<InstitutionId>) -> Result<HashMap<InstitutionId, u64>> {
        let session = self.inner.sessions.of(Lane::Bulk).await?;
        let sql = "SELECT institution_id, last_seq FROM feeds WHERE institution_id = ANY($1::uuid[])";
        let rows = session.query(sql, &[&uuids(&institutions)]).await?;
        let last = |row: &tokio_postgres::Row| {
            Ok((row.id("institution_id")?, row.value::<i64>("last_seq")?.unsigned_abs()))
        };
        rows.iter().map(last).collect()
    }

    async fn wait_for_events(&self, at_most: Duration) {
        self.inner.signals.wait_for_events(at_most).await;
    }
}

#[async_trait]
impl Timelines for PostgresStore {
    async fn timeline(
        &self,
        institution: Option<InstitutionId>,
        document: BinderId,
    ) -> Result<Option<Vec<Event>>> {
        let session = self.inner.sessions.interactive().await?;
        let found = documents(&session, institution, &[document]).await?;
        let Some(stored) = found.get(&document).cloned().transpose()? else { return Ok(None) };
        let rows = ledger::rows_of_parcel(&session, stored.institution, document.parcel()).await?;
        let (keys, read) = futures_util::try_join!(
            self.inner.key_cache.of(&session, std::iter::once(stored.person)),
            slices(&session, [stored.part])
        )?;
        let picked = pick_of_document(&rows, document);
        Ok(Some(events(&self.inner.vault, &picked, &found, &keys, &read)))
    }
}

#[async_trait]
impl FeedKeeping for PostgresStore {
    async fn tell_expired(&self, limit: usize, now: UnixSeconds) -> Result<usize> {
        let session = self.inner.sessions.bulk().await?;
        // A machine with a wrong clock must not tell of deadlines to come.
        let now = now.min(database_now(&session, self.inner.clock.advanced_seconds()).await?);
        let until = now.plus(-EXPIRY_GRACE_SECONDS);
        if !expiries::has_due(&session, until).await? {
            return Ok(0);
        }
        let tell = expiries::tell(&session, limit, until);
        let looked_at = Box::pin(session.transaction("telling of deadlines", tell)).await?;
        self.inner.sweeper.gone(Swept::Expiries, looked_at);
        Ok(looked_at)
    }

    async fn forget_events(&self, before: UnixSeconds) -> Result<usize> {
        let session = self.inner.sessions.bulk().await?;
        ledger::forget(&session, before).await
    }
}
