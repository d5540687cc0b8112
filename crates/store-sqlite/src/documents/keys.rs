//! The records of idempotency keys: written with an acceptance, recalled, forgotten after a week.

use rusqlite::{Connection, params};
use seoham_model::{InstitutionId, UnixSeconds};
use seoham_store::idempotency::{REMEMBERED_SECONDS, Record, StoredRecord};
use seoham_vault::BlindIndex;

use crate::columns::Id;

/// Adds a record; `false` when the key has one with its number.
pub(super) fn insert(
    connection: &Connection,
    institution: InstitutionId,
    at: UnixSeconds,
    record: &Record,
) -> rusqlite::Result<bool> {
    let added = connection
        .prepare_cached(
            "INSERT INTO idempotency_records (institution_id, key_tag, seq, recorded_at, verdicts)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(params![Id(institution), record.key_tag, record.seq, at.0, record.verdicts])?;
    Ok(added == 1)
}

/// All records of a key.
pub(super) fn rows(
    connection: &Connection,
    institution: InstitutionId,
    key_tag: BlindIndex,
    now: UnixSeconds,
) -> rusqlite::Result<Vec<StoredRecord>> {
    let mut select = connection.prepare_cached(
        "SELECT seq, recorded_at, verdicts FROM idempotency_records
         WHERE institution_id = ?1 AND key_tag = ?2 ORDER BY seq",
    )?;
    let rows = select.query_map(params![Id(institution), key_tag], |row| {
        let forgotten = now.seconds_since(UnixSeconds(row.get(1)?)) >= REMEMBERED_SECONDS;
        Ok(StoredRecord { seq: row.get(0)?, forgotten, verdicts: row.get(2)? })
    })?;
    rows.collect()
}

/// Removes at most `limit` records whose time is over; gives how many.
pub(crate) fn forget(connection: &Connection, limit: usize, now: UnixSeconds) -> rusqlite::Result<usize> {
    // They are numbered as they were made, so the oldest come first without an index by time.
    connection
        .prepare_cached(
            "DELETE FROM idempotency_records WHERE record_no IN
               (SELECT record_no FROM idempotency_records ORDER BY record_no LIMIT ?1)
             AND recorded_at <= ?2",
        )?
        .execute(params![limit, now.plus(-REMEMBERED_SECONDS).0])
}
