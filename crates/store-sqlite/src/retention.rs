//! Retention: garbage collection of parcels past their retention time, in small batches beside other bulk work.

use std::sync::PoisonError;

use async_trait::async_trait;
use rusqlite::{Connection, params};
use seoham_model::{InstitutionId, ParcelId, UnixSeconds};
use seoham_store::retention::{RETENTION_DAYS_MIN, Tidied, closed_by};
use seoham_store::{Result, Retention};

use crate::SqliteStore;
use crate::columns::Id;
use crate::documents::{forget, rows};
use crate::events::expiries;
use crate::visits;
use crate::writer::Weight;

/// Idempotency records per batch.
const BATCH_ROWS: usize = 200;
/// Parcels per batch: a few milliseconds of the writer's time.
const BATCH_PARCELS: usize = 20;
const DAY_SECONDS: i64 = 24 * 60 * 60;

#[async_trait]
impl Retention for SqliteStore {
    async fn tidy(&self, days: Option<u32>, now: UnixSeconds) -> Result<Tidied> {
        let forget = move |connection: &Connection| {
            visits::clear_ended(connection, now)?;
            Ok(forget(connection, BATCH_ROWS, now)?)
        };
        let forgotten = self.inner.writer.background(Weight::rows(BATCH_ROWS), forget).await?;
        // Boxes are found whole without it, only slower.
        let has_merged = self.merge_runs().await.unwrap_or_else(|error| {
            tracing::error!(%error, "runs of the box index could not be merged");
            false
        });
        let more = forgotten == BATCH_ROWS || has_merged;
        let Some(days) = days else { return Ok(Tidied { documents: 0, more }) };
        let sent_before = now.plus(-DAY_SECONDS * i64::from(days.max(RETENTION_DAYS_MIN)));
        let cursor = self.inner.retention_cursor.clone();
        let work = move |connection: &Connection| {
            let mut cursor = cursor.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(remove_batch(
                connection,
                &mut cursor,
                sent_before,
                closed_by(now, expiries::next_due(connection)?),
            )?)
        };
        let removed = self.inner.writer.background(Weight::rows(BATCH_ROWS), work).await?;
        if removed.has_ended {
            self.remove_empty_runs().await?;
        }
        Ok(Tidied { documents: removed.documents, more: removed.more || more })
    }
}

/// The result of a batch.
struct Removed {
    documents: u64,
    more: bool,
    /// A round that removed some has ended.
    has_ended: bool,
}

/// How far the current round has got.
#[derive(Default)]
pub(crate) struct RetentionCursor {
    after: Option<ParcelId>,
    has_removed: bool,
}

/// Checks the next old parcels after `cursor`, and removes those that are due. Skips parcels with a document that can
/// still be opened, and checks them again in the next round.
fn remove_batch(
    connection: &Connection,
    cursor: &mut RetentionCursor,
    sent_before: UnixSeconds,
    closed_by: UnixSeconds,
) -> rusqlite::Result<Removed> {
    // The id contains the time of acceptance: a parcel with a time in the future, from a wrong clock, is not in the way.
    let end = ParcelId::first_at(u64::try_from(sent_before.0).unwrap_or(0) * 1000);
    let after = cursor.after.unwrap_or(ParcelId::first_at(0));
    let old: Vec<(ParcelId, i64, u64, InstitutionId)> = connection
        .prepare_cached(
            "SELECT parcel_id, last_deadline_at, length(persons) / 16, institution_id FROM parcels
             WHERE parcel_id > ?1 AND parcel_id < ?2 ORDER BY parcel_id LIMIT ?3",
        )?
        .query_map(params![Id(after), Id(end), BATCH_PARCELS], |row| {
            let (parcel, institution) =
                (row.get::<_, Id<ParcelId>>(0)?.0, row.get::<_, Id<InstitutionId>>(3)?.0);
            Ok((parcel, row.get(1)?, row.get(2)?, institution))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut documents = 0;
    for (parcel, _, count, institution) in old.iter().filter(|(_, deadline, ..)| *deadline <= closed_by.0) {
        remove(connection, *institution, *parcel)?;
        documents += count;
    }
    cursor.has_removed |= documents > 0;
    let more = old.len() == BATCH_PARCELS;
    if more {
        cursor.after = old.last().map(|(parcel, ..)| *parcel);
        return Ok(Removed { documents, more, has_ended: false });
    }
    Ok(Removed { documents, more, has_ended: std::mem::take(cursor).has_removed })
}

fn remove(connection: &Connection, institution: InstitutionId, parcel: ParcelId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM deliveries WHERE institution_id = ?1 AND parcel_id = ?2")?
        .execute(params![Id(institution), Id(parcel)])?;
    for sql in [
        "DELETE FROM one_time_tokens WHERE document_id BETWEEN ?1 AND ?2",
        "DELETE FROM delivery_retries WHERE document_id BETWEEN ?1 AND ?2",
        "DELETE FROM given_up_notices WHERE document_id BETWEEN ?1 AND ?2",
        "DELETE FROM fallback_notices WHERE document_id BETWEEN ?1 AND ?2",
        "DELETE FROM uncertain_notices WHERE document_id BETWEEN ?1 AND ?2",
        "DELETE FROM marks WHERE document_id BETWEEN ?1 AND ?2",
    ] {
        connection.prepare_cached(sql)?.execute(params![Id(parcel), Id(rows::last_of(parcel))])?;
    }
    for sql in ["DELETE FROM notices WHERE parcel_id = ?1", "DELETE FROM parcels WHERE parcel_id = ?1"] {
        connection.prepare_cached(sql)?.execute([Id(parcel)])?;
    }
    Ok(())
}
