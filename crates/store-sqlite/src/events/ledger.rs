//! The rows of the ledger. The writer numbers steps itself, so that a step and its numbers are one transaction.

use std::rc::Rc;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params};
use seoham_model::{InstitutionId, ParcelId, UnixSeconds};
use seoham_store::events::{DocumentSet, FeedEnds, FeedQuery, FoundRow, LedgerRow, RowContent, Step};

use crate::columns::{Id, Number, known, number, of_row};
use crate::statistics;

/// Numbers, writes and counts steps of one institution, in order. Those without documents are skipped.
pub(crate) fn append(connection: &Connection, steps: &[Step]) -> rusqlite::Result<()> {
    let Some(institution) = steps.first().map(|step| step.institution) else { return Ok(()) };
    let count: i64 = steps.iter().map(|step| i64::from(step.event_count())).sum();
    if count == 0 {
        return Ok(());
    }
    let mut last: i64 = connection
        .prepare_cached(
            "INSERT INTO feeds (institution_id, last_seq) VALUES (?1, ?2)
             ON CONFLICT (institution_id) DO UPDATE SET last_seq = last_seq + excluded.last_seq RETURNING last_seq",
        )?
        .query_row(params![Id(institution), count], |row| row.get(0))?;
    last -= count;
    let mut insert = connection.prepare_cached(
        "INSERT INTO ledger (institution_id, last_seq, event_count, event_type, at, parcel_id, documents)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for step in steps.iter().filter(|step| step.event_count() > 0) {
        last += i64::from(step.event_count());
        let (parcel, documents) = step.documents.unzip();
        insert.execute(params![
            Id(institution),
            last,
            step.event_count(),
            Number(step.event_type),
            step.at.0,
            parcel.map(Id),
            documents.map(DocumentSet::to_bytes),
        ])?;
    }
    statistics::count_steps(connection, institution, steps)
}

/// The number of the last event of an institution; `None` if it has none.
pub(crate) fn last(connection: &Connection, institution: InstitutionId) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached("SELECT last_seq FROM feeds WHERE institution_id = ?1")?
        .query_row([Id(institution)], |row| row.get::<_, i64>(0))
        .optional()
        .map(|last| last.map(i64::unsigned_abs))
}

pub(super) fn ends(connection: &Connection, institution: InstitutionId) -> rusqlite::Result<FeedEnds> {
    let last = last(connection, institution)?.unwrap_or(0);
    let oldest = connection
        .prepare_cached(
            "SELECT last_seq - event_count + 1 FROM ledger WHERE institution_id = ?1 ORDER BY last_seq LIMIT 1",
        )?
        .query_row([Id(institution)], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(FeedEnds { oldest: oldest.map_or(last + 1, i64::unsigned_abs), last })
}

/// The rows that a read needs.
pub(super) fn rows(
    connection: &Connection,
    institution: InstitutionId,
    query: &FeedQuery,
    ends: FeedEnds,
) -> rusqlite::Result<Vec<FoundRow>> {
    let types = query.type_numbers();
    let values = types.iter().flatten().map(|number| Value::Integer(*number)).collect::<Vec<_>>();
    let end = query.scan_end(ends);
    connection
        .prepare_cached(
            "SELECT last_seq, event_type, at, parcel_id, documents FROM ledger
             WHERE institution_id = ?1 AND last_seq > ?2 AND last_seq - event_count < ?3
               AND last_seq <= ?3 + 128 AND (?4 OR event_type IN (SELECT value FROM rarray(?5)))
             ORDER BY last_seq LIMIT ?6",
        )?
        .query_map(
            params![
                Id(institution),
                i64::try_from(query.after).unwrap_or(i64::MAX),
                i64::try_from(end).unwrap_or(i64::MAX - 128),
                types.is_none(),
                Rc::new(values),
                query.limit
            ],
            |row| {
                let last_seq = row.get::<_, i64>(0)?.unsigned_abs();
                let read = of_row(ledger_row(row, institution))?;
                Ok(FoundRow { last_seq, content: RowContent::of(row.get(1)?, read) })
            },
        )?
        .collect()
}

/// The rows of a parcel.
pub(super) fn rows_of_parcel(
    connection: &Connection,
    institution: InstitutionId,
    parcel: ParcelId,
) -> rusqlite::Result<Vec<LedgerRow>> {
    connection
        .prepare_cached(
            "SELECT last_seq, event_type, at, parcel_id, documents FROM ledger
             WHERE parcel_id = ?1 AND institution_id = ?2",
        )?
        .query_map(params![Id(parcel), Id(institution)], |row| ledger_row(row, institution))?
        .collect()
}

fn ledger_row(row: &Row<'_>, institution: InstitutionId) -> rusqlite::Result<LedgerRow> {
    let parcel: Option<Id<ParcelId>> = row.get(3)?;
    let documents: Option<Vec<u8>> = row.get(4)?;
    let documents = match (parcel, documents) {
        (Some(Id(parcel)), Some(bytes)) => Some((parcel, known(4, DocumentSet::from_bytes(&bytes).ok())?)),
        _ => None,
    };
    let step = Step { institution, event_type: number(row, 1)?, at: UnixSeconds(row.get(2)?), documents };
    Ok(LedgerRow { last_seq: row.get::<_, i64>(0)?.unsigned_abs(), step })
}

/// Removes at most `limit` rows from before `before`, each feed from its beginning. Returns how many.
pub(super) fn forget(connection: &Connection, before: UnixSeconds, limit: usize) -> rusqlite::Result<usize> {
    let institutions: Vec<Id<InstitutionId>> = connection
        .prepare_cached("SELECT institution_id FROM feeds")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut oldest = connection.prepare_cached(
        "SELECT last_seq, at FROM ledger WHERE institution_id = ?1 ORDER BY last_seq LIMIT ?2",
    )?;
    let mut remove =
        connection.prepare_cached("DELETE FROM ledger WHERE institution_id = ?1 AND last_seq <= ?2")?;
    let mut needed = connection.prepare_cached(
        "SELECT coalesce(min(through), 9223372036854775807) FROM webhooks WHERE institution_id = ?1",
    )?;
    let mut first = connection
        .prepare_cached("SELECT at FROM ledger WHERE institution_id = ?1 ORDER BY last_seq LIMIT 1")?;
    let mut removed = 0;
    for institution in institutions {
        if removed >= limit {
            break;
        }
        // Mostly nothing of a feed is old.
        let oldest_at: Option<i64> = first.query_row([&institution], |row| row.get(0)).optional()?;
        if oldest_at.is_none_or(|at| at >= before.0) {
            continue;
        }
        let rows = oldest.query_map(params![&institution, limit - removed], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let needed: i64 = needed.query_row([&institution], |row| row.get(0))?;
        // The first that is too new, or that a webhook still needs, ends a feed's turn: numbers stay dense from the oldest
        // that is kept.
        let old = rows.iter().take_while(|(last, at)| *at < before.0 && *last <= needed);
        if let Some((last, _)) = old.last() {
            removed += remove.execute(params![institution, last])?;
        }
    }
    Ok(removed)
}
