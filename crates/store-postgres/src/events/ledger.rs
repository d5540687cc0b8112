//! The rows of the ledger, for readers.

use seoham_model::{InstitutionId, ParcelId, UnixSeconds};
use seoham_store::events::{
    DocumentSet, FeedEnds, FeedQuery, FoundRow, LedgerRow, RowContent, SCAN_EVENTS_MAX, Step,
};
use seoham_store::restore::{feed_epoch, names::FEED_EPOCH, next_epoch};
use seoham_store::{Result, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::columns::{Columns, Id};
use crate::session::{Param, Session};

/// Rows forgotten in one step.
const FORGOTTEN_AT_ONCE: i64 = 2_000;

/// The ends of a feed with the rows that a read needs, in one snapshot. A row of the ledger has at most 128 events.
const READ: &str = "WITH ends AS MATERIALIZED (
      SELECT coalesce(f.last_seq, 0) AS last, coalesce(
          (SELECT l.last_seq - l.event_count + 1 FROM ledger l
           WHERE l.institution_id = $1 AND l.last_seq > coalesce(f.forgotten_to, 0) ORDER BY l.last_seq LIMIT 1),
          coalesce(f.last_seq, 0) + 1) AS oldest
      FROM (SELECT 1) AS one LEFT JOIN feeds f ON f.institution_id = $1)
    SELECT ends.last, ends.oldest, (SELECT value FROM deployment WHERE name = $6) AS epoch,
           found.last_seq, found.event_type, found.at, found.parcel_id, found.documents
    FROM ends LEFT JOIN LATERAL (
      SELECT l.last_seq, l.event_type, l.at, l.parcel_id, l.documents FROM ledger l
      WHERE l.institution_id = $1 AND l.last_seq > $2
        AND l.last_seq <= least($2 + $3, ends.last) + 128 AND l.last_seq - l.event_count < least($2 + $3, ends.last)
        AND ($4::bigint[] IS NULL OR l.event_type = ANY($4))
      ORDER BY l.last_seq LIMIT $5) AS found ON true
    ORDER BY found.last_seq";

/// What one read finds.
pub(super) struct Read {
    pub(super) epoch: u64,
    pub(super) ends: FeedEnds,
    pub(super) rows: Vec<FoundRow>,
}

pub(super) async fn read(session: &Session, institution: InstitutionId, query: &FeedQuery) -> Result<Read> {
    let after = i64::try_from(query.after).unwrap_or(i64::MAX).min(i64::MAX / 2);
    let scan = i64::try_from(SCAN_EVENTS_MAX).unwrap_or(i64::MAX / 4);
    let (types, limit) = (query.type_numbers(), i64::try_from(query.limit).unwrap_or(i64::MAX));
    let params: [Param<'_>; 6] = [&institution.uuid(), &after, &scan, &types, &limit, &FEED_EPOCH];
    let rows = session.query(READ, &params).await?;
    let first = rows.first().ok_or(StoreError::damaged("a feed"))?;
    let number = |column| first.value::<i64>(column).map(i64::unsigned_abs);
    let (epoch, ends) =
        (feed_epoch(first.value("epoch")?), FeedEnds { oldest: number("oldest")?, last: number("last")? });
    let found = |row: &Row| {
        let last_seq = row.value::<Option<i64>>("last_seq").transpose()?;
        let found = |last_seq: i64| -> Result<FoundRow> {
            let content =
                RowContent::of(row.value::<i16>("event_type")?.into(), ledger_row(row, institution));
            Ok(FoundRow { last_seq: last_seq.unsigned_abs(), content })
        };
        Some(last_seq.and_then(found))
    };
    let rows = rows.iter().filter_map(found).collect::<Result<_>>()?;
    Ok(Read { epoch, ends, rows })
}

const OF_PARCEL: &str = "SELECT last_seq, event_type, at, parcel_id, documents FROM ledger
    WHERE parcel_id = $1 AND institution_id = $2";

/// The rows of a parcel.
pub(super) async fn rows_of_parcel(
    session: &Session,
    institution: InstitutionId,
    parcel: ParcelId,
) -> Result<Vec<LedgerRow>> {
    let rows = session.query(OF_PARCEL, &[&parcel.uuid(), &institution.uuid()]).await?;
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

/// A feed whose oldest row is to be forgotten.
const OLD_FEED: &str = "SELECT f.institution_id FROM feeds f CROSS JOIN LATERAL (
      SELECT l.last_seq, l.at FROM ledger l WHERE l.institution_id = f.institution_id AND l.last_seq > f.forgotten_to
      ORDER BY l.last_seq LIMIT 1) AS first
    WHERE first.at < $1 AND first.last_seq <= coalesce(
      (SELECT min(through) FROM webhooks w WHERE w.institution_id = f.institution_id), first.last_seq) LIMIT 1";

/// The first that is too new, or that a webhook still needs, ends it: numbers stay dense from the oldest that is kept.
const FORGET: &str = "WITH oldest AS MATERIALIZED (
      SELECT last_seq, bool_and(at < $2 AND last_seq <= needed) OVER (ORDER BY last_seq) AS is_old FROM (
        SELECT l.last_seq, l.at, coalesce(
            (SELECT min(through) FROM webhooks w WHERE w.institution_id = $1), 9223372036854775807) AS needed
        FROM ledger l
        WHERE l.institution_id = $1 AND l.last_seq > (SELECT forgotten_to FROM feeds WHERE institution_id = $1)
        ORDER BY l.last_seq LIMIT $3) AS first),
    gone AS (
      DELETE FROM ledger l USING oldest
      WHERE l.institution_id = $1 AND l.last_seq = ANY (ARRAY[oldest.last_seq]) AND oldest.is_old RETURNING l.last_seq),
    moved AS (
      UPDATE feeds SET forgotten_to = greatest(forgotten_to, (SELECT max(last_seq) FROM gone))
      WHERE institution_id = $1 AND EXISTS (SELECT FROM gone))
    SELECT last_seq FROM gone";

/// Removes rows from before `before` from the beginning of one feed. Returns how many.
pub(super) async fn forget(session: &Session, before: UnixSeconds) -> Result<usize> {
    let Some(feed) = session.query_opt(OLD_FEED, &[&before.0]).await? else { return Ok(0) };
    let institution: Uuid = feed.value("institution_id")?;
    let rows =
        session.write("forgetting events", FORGET, &[&institution, &before.0, &FORGOTTEN_AT_ONCE]).await?;
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
