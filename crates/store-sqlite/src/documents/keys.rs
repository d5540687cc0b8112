//! The records of idempotency keys: written with an acceptance, replayed on a retry, deleted after a week.

use rusqlite::{Connection, params};
use seoham_model::{InstitutionId, UnixSeconds};
use seoham_store::idempotency::{KEPT_SECONDS, REMEMBERED_SECONDS, Record, StoredRecord};
use seoham_vault::BlindIndex;

use crate::columns::Id;

/// Adds a record. Returns `false` if the key already has a record with this number, or lacks the preceding one.
pub(super) fn insert(
    connection: &Connection,
    institution: InstitutionId,
    at: UnixSeconds,
    record: &Record,
) -> rusqlite::Result<bool> {
    let added = connection
        .prepare_cached(
            "INSERT INTO idempotency_records (institution_id, key_tag, seq, recorded_at, verdicts)
             SELECT ?1, ?2, ?3, ?4, ?5
             WHERE ?3 = 0 OR EXISTS (SELECT 1 FROM idempotency_records
                                     WHERE institution_id = ?1 AND key_tag = ?2 AND seq = ?3 - 1)
             ON CONFLICT DO NOTHING",
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

/// Removes at most `limit` records of expired keys. Returns how many.
pub(crate) fn forget(connection: &Connection, limit: usize, now: UnixSeconds) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "DELETE FROM idempotency_records WHERE record_no IN
               (SELECT old.record_no FROM idempotency_records old
                WHERE old.recorded_at <= ?2 AND NOT EXISTS
                  (SELECT 1 FROM idempotency_records young
                   WHERE young.institution_id = old.institution_id AND young.key_tag = old.key_tag
                     AND young.recorded_at > ?2)
                ORDER BY old.recorded_at LIMIT ?1)",
        )?
        .execute(params![limit, now.plus(-KEPT_SECONDS).0])
}
