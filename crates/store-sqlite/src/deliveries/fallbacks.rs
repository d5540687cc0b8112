//! Our own fallback: which documents have begun one.

use std::collections::HashSet;

use rusqlite::{Connection, params};
use seoham_model::{BinderId, UnixSeconds};
use seoham_store::deliveries::may_fall_back;

use super::announced::Senders;
use crate::columns::Id;
use crate::documents::rows;

const BEGIN: &str = "INSERT INTO fallback_notices (document_id, institution_id, begun_at)
    SELECT ?1, institution_id, ?3 FROM parcels WHERE parcel_id = ?2 ON CONFLICT DO NOTHING";

/// What waits already is due now, with a day of attempts before it.
const QUEUE: &str =
    "INSERT INTO delivery_retries (document_id, institution_id, not_before, attempts, first_attempt_at)
    VALUES (?1, ?2, ?3, 0, ?3) ON CONFLICT (document_id) DO UPDATE
      SET not_before = excluded.not_before, attempts = 0, first_attempt_at = excluded.first_attempt_at";

/// Makes the fallback due of a document that somebody holds as its notification. Returns `false` if it has begun none.
pub(super) fn is_owed(
    connection: &Connection,
    document: BinderId,
    now: UnixSeconds,
) -> rusqlite::Result<bool> {
    let sql = "UPDATE delivery_retries SET not_before = ?2
               WHERE document_id = ?1 AND EXISTS (SELECT 1 FROM fallback_notices f WHERE f.document_id = ?1)";
    Ok(connection.prepare_cached(sql)?.execute(params![Id(document), now.0])? > 0)
}

/// Records that documents begin their fallback.
pub(super) fn begin(
    connection: &Connection,
    documents: &[BinderId],
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    let mut begin = connection.prepare_cached(BEGIN)?;
    for document in documents {
        begin.execute(params![Id(*document), Id(document.parcel()), now.0])?;
    }
    Ok(())
}

/// Queues the fallback of documents of which a messenger reported that their notification did not arrive.
pub(super) fn queue(connection: &Connection, failed: &[BinderId], now: UnixSeconds) -> rusqlite::Result<()> {
    let (mut begin, mut queue) = (connection.prepare_cached(BEGIN)?, connection.prepare_cached(QUEUE)?);
    let mut senders = Senders::new(connection);
    for document in rows::documents(connection, None, failed)?.into_values().flatten() {
        let parcel = document.id.parcel();
        if may_fall_back(&document, &*senders.of(document.contract)?, now)
            && begin.execute(params![Id(document.id), Id(parcel), now.0])? > 0
        {
            queue.execute(params![Id(document.id), Id(document.institution), now.0])?;
        }
    }
    Ok(())
}

/// Those of the documents that have begun their fallback.
pub(super) fn begun(connection: &Connection, documents: &[BinderId]) -> rusqlite::Result<HashSet<BinderId>> {
    let mut begun = HashSet::new();
    let any = "SELECT EXISTS (SELECT 1 FROM fallback_notices)";
    if !connection.prepare_cached(any)?.query_row([], |row| row.get(0))? {
        return Ok(begun);
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM fallback_notices WHERE document_id = ?1)";
    let mut has_begun = connection.prepare_cached(sql)?;
    for document in documents {
        if has_begun.query_row([Id(*document)], |row| row.get(0))? {
            begun.insert(*document);
        }
    }
    Ok(begun)
}
