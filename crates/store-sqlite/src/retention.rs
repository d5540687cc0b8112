//! Retention: garbage collection of documents past their retention time, in small batches beside other bulk work.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::retention::{RETENTION_DAYS_MIN, Tidied};
use seoham_store::{Result, Retention};

use crate::SqliteStore;
use crate::box_index::{self, BoxIndex};
use crate::columns::Id;
use crate::deliveries::ranges;
use crate::documents::forget;
use crate::visits;
use crate::writer::Weight;

/// Documents per batch: a few milliseconds of the writer's time.
const BATCH_ROWS: usize = 200;
const DAY_SECONDS: i64 = 24 * 60 * 60;
/// The times in the ids of one request differ by at most this much.
const REQUEST_MILLIS: u64 = 60_000;

#[async_trait]
impl Retention for SqliteStore {
    async fn tidy(&self, days: Option<u32>, now: UnixSeconds) -> Result<Tidied> {
        let forget = move |connection: &Connection| {
            visits::clear_ended(connection, now)?;
            Ok(forget(connection, BATCH_ROWS, now)?)
        };
        let forgotten = self.inner.writer.background(Weight::rows(BATCH_ROWS), forget).await?;
        let more = forgotten == BATCH_ROWS;
        let Some(days) = days else { return Ok(Tidied { documents: 0, more }) };
        let sent_before = now.plus(-DAY_SECONDS * i64::from(days.max(RETENTION_DAYS_MIN)));
        let (cursor, index) = (self.inner.retention_cursor.clone(), Arc::clone(&self.inner.box_index));
        let work = move |connection: &Connection| {
            let mut cursor = cursor.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            Ok(remove_batch(connection, &index, &mut cursor, sent_before, now)?)
        };
        let tidied = self.inner.writer.background(Weight::rows(BATCH_ROWS), work).await?;
        Ok(Tidied { more: tidied.more || more, ..tidied })
    }
}

/// Checks the next documents after `cursor`, in order of acceptance, and removes those that are due. Skips documents
/// that can still be opened and checks them again in the next round.
fn remove_batch(
    connection: &Connection,
    index: &BoxIndex,
    cursor: &mut i64,
    sent_before: UnixSeconds,
    now: UnixSeconds,
) -> rusqlite::Result<Tidied> {
    let mut next = connection.prepare_cached(
        "SELECT document_no, deadline_at, sent_at FROM documents
         WHERE document_no > ?1 ORDER BY document_no LIMIT ?2",
    )?;
    let mut old: Vec<(i64, i64)> = Vec::with_capacity(BATCH_ROWS);
    let flushed_to = box_index::flushed_to(connection)?;
    let mut unflushed = false;
    let mut rows = next.query(params![*cursor, BATCH_ROWS])?;
    // Documents are numbered in order of acceptance, so the first recent one ends the round.
    while let Some(row) = rows.next()?
        && row.get::<_, i64>(2)? < sent_before.0
    {
        let document_no = row.get(0)?;
        if document_no > flushed_to {
            // So few documents came after it that it is not flushed yet: flush it first.
            index.flush_soon();
            unflushed = true;
            break;
        }
        old.push((document_no, row.get(1)?));
    }
    drop(rows);
    let mut removed = 0;
    for (document_no, _) in old.iter().filter(|(_, deadline_at)| *deadline_at <= now.0) {
        box_index::remove(connection, *document_no)?;
        remove(connection, *document_no)?;
        removed += 1;
    }
    if removed > 0 {
        box_index::rewind(connection)?;
    }
    let more = old.len() == BATCH_ROWS || unflushed;
    *cursor = if more { old.last().map_or(*cursor, |(no, _)| *no) } else { 0 };
    let contents = remove_contents(connection)?;
    Ok(Tidied { documents: removed, more: more || contents == BATCH_ROWS })
}

fn remove(connection: &Connection, document_no: i64) -> rusqlite::Result<()> {
    let institution: Id<InstitutionId> = connection
        .prepare_cached("SELECT institution_id FROM documents WHERE document_no = ?1")?
        .query_row([document_no], |row| row.get(0))?;
    ranges::take_out(connection, institution.0, document_no, document_no)?;
    for sql in [
        "DELETE FROM one_time_tokens WHERE document_no = ?1",
        "DELETE FROM delivery_retries WHERE document_no = ?1",
        "DELETE FROM given_up_notices WHERE document_no = ?1",
        "DELETE FROM documents WHERE document_no = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([document_no])?;
    }
    Ok(())
}

/// Removes shared texts that are older than every remaining document. Returns how many.
fn remove_contents(connection: &Connection) -> rusqlite::Result<usize> {
    let oldest = connection
        .prepare_cached("SELECT document_id FROM documents ORDER BY document_id LIMIT 1")?
        .query_row([], |row| row.get::<_, Id<BinderId>>(0))
        .optional()?;
    let oldest_millis = oldest.map_or(u64::MAX, |Id(oldest)| oldest.unix_millis());
    let before = BinderId::first_at(oldest_millis.saturating_sub(REQUEST_MILLIS));
    connection
        .prepare_cached(
            "DELETE FROM contents WHERE content_id IN
               (SELECT content_id FROM contents WHERE content_id < ?1 ORDER BY content_id LIMIT ?2)",
        )?
        .execute(params![Id(before), BATCH_ROWS])
}
