//! The rows of the ledger, for readers.

use seoham_model::{InstitutionId, ParcelId, UnixSeconds};
use seoham_store::events::{DocumentSet, FeedEnds, FeedQuery, LedgerRow, Step};
use seoham_store::restore::{feed_epoch, names::FEED_EPOCH, next_epoch};
use seoham_store::{Result, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::columns::{Columns, Id};
use crate::session::Session;

/// Rows forgotten in one step, of each feed.
const FORGOTTEN_AT_ONCE: i64 = 2_000;

const ENDS: &str = "SELECT (SELECT value FROM deployment WHERE name = $2) AS epoch,
    (SELECT last_seq FROM feeds WHERE institution_id = $1) AS last_seq,
    (SELECT last_seq - event_count + 1 FROM ledger WHERE institution_id = $1 ORDER BY last_seq LIMIT 1) AS oldest";

/// The epoch of the feeds, and the ends of the feed of an institution.
pub(super) async fn epoch_and_ends(session: &Session, institution: InstitutionId) -> Result<(u64, FeedEnds)> {
    let row = session.query_opt(ENDS, &[&institution.uuid(), &FEED_EPOCH]).await?;
    let row = row.ok_or(StoreError::damaged("a feed"))?;
    let last = row.value::<Option<i64>>("last_seq")?.map_or(0, i64::unsigned_abs);
    let oldest = row.value::<Option<i64>>("oldest")?.map_or(last + 1, i64::unsigned_abs);
    Ok((feed_epoch(row.value("epoch")?), FeedEnds { oldest, last }))
}

const ROWS: &str = "SELECT last_seq, event_type, at, parcel_id, documents FROM ledger
    WHERE institution_id = $1 AND last_seq > $2 AND last_seq <= $3::bigint + 128 AND last_seq - event_count < $3::bigint
      AND ($4::bigint[] IS NULL OR event_type = ANY($4))
    ORDER BY last_seq LIMIT $5";

/// The rows that a read needs.
pub(super) async fn rows(
    session: &Session,
    institution: InstitutionId,
    query: &FeedQuery,
    ends: FeedEnds,
) -> Result<Vec<LedgerRow>> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX - 128);
    let (after, end) = (number(query.after), number(query.scan_end(ends)));
    let (types, limit) = (query.type_numbers(), i64::try_from(query.limit).unwrap_or(i64::MAX));
    let rows = session.query(ROWS, &[&institution.uuid(), &after, &end, &types, &limit]).await?;
    rows.iter().map(|row| ledger_row(row, institution)).collect()
}

fn ledger_row(row: &Row, institution: InstitutionId) -> Result<LedgerRow> {
    let (parcel, documents): (Option<Uuid>, Option<&[u8]>) =
        (row.value("parcel_id")?, row.value("documents")?);
    let documents = match parcel.zip(documents) {
        Some((parcel, bytes)) => Some((ParcelId::of(parcel), DocumentSet::from_bytes(bytes)?)),
        None => None,
    };
    let (event_type, at) = (row.number("event_type")?, UnixSeconds(row.value("at")?));
    let last_seq = row.value::<i64>("last_seq")?.unsigned_abs();
    Ok(LedgerRow { last_seq, step: Step { institution, event_type, at, documents } })
}

/// The first that is too new, or that a webhook still needs, ends a feed's turn: numbers stay dense from the oldest that is
/// kept.
const FORGET: &str = "WITH oldest AS MATERIALIZED (
      SELECT f.institution_id, l.last_seq, l.is_old FROM feeds f CROSS JOIN LATERAL (
        SELECT last_seq, bool_and(at < $1 AND last_seq <= coalesce(
            (SELECT min(through) FROM webhooks w WHERE w.institution_id = f.institution_id), last_seq))
          OVER (ORDER BY last_seq) AS is_old FROM (
          SELECT last_seq, at FROM ledger WHERE institution_id = f.institution_id ORDER BY last_seq LIMIT $2) AS first)
        AS l)
    DELETE FROM ledger l USING oldest
    WHERE l.institution_id = oldest.institution_id AND l.last_seq = oldest.last_seq AND oldest.is_old
    RETURNING 1";

/// Removes rows from before `before`, each feed from its beginning. Returns how many.
pub(super) async fn forget(session: &Session, before: UnixSeconds) -> Result<usize> {
    let rows = session.write("forgetting events", FORGET, &[&before.0, &FORGOTTEN_AT_ONCE]).await?;
    Ok(rows.len())
}

/// Begins a new epoch, after a restore.
pub(crate) async fn raise_epoch(
    transaction: &tokio_postgres::Transaction<'_>,
    now: UnixSeconds,
) -> std::result::Result<(), tokio_postgres::Error> {
    let sql = "SELECT value FROM deployment WHERE name = $1";
    let stored = transaction.query_opt(sql, &[&FEED_EPOCH]).await?;
    let stored: Option<String> = stored.map(|row| row.try_get(0)).transpose()?;
    let next = next_epoch(feed_epoch(stored.as_deref()), now).to_string();
    let sql = "INSERT INTO deployment (name, value) VALUES ($1, $2)
               ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    transaction.execute(sql, &[&FEED_EPOCH, &next]).await.map(drop)
}
