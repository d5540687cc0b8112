//! The packed notices of parcels: what the messengers reported. The rule is in the store's `parcel::notices`; here rows
//! are read, changed and written back unless another node changed them meanwhile.

use std::collections::BTreeMap;

use seoham_model::{BinderId, ParcelId, UnixSeconds};
use seoham_store::deliveries::{Arrival, Receipt};
use seoham_store::documents::Notification;
use seoham_store::parcel::notices::{Report, after_reports};
use seoham_store::{Result, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

use super::fallbacks;
use crate::columns::{Columns, Id, uuids};
use crate::events::outbox::StepColumns;
use crate::session::{Param, Session};

/// How often to retry rows that other nodes change at the same time.
const TRIES_MAX: u32 = 64;

// Not in any order: to sort, the plan would read all parcels by their index and look for each among those asked for.
const READ: &str =
    "SELECT p.parcel_id, p.institution_id, p.sent_at, octet_length(p.persons) / 16 AS count, n.packed
    FROM parcels p LEFT JOIN notices n ON n.parcel_id = ANY (ARRAY[p.parcel_id])
    WHERE p.parcel_id = ANY($1::uuid[])";

/// Writes what is still as it was read, with its steps, and returns those parcels.
const WRITE: &str = "WITH changed AS MATERIALIZED (
      SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS changed (parcel_id, before, after)),
    updated AS (
      UPDATE notices n SET packed = changed.after FROM changed
      WHERE n.parcel_id = ANY (ARRAY[changed.parcel_id]) AND n.packed = changed.before RETURNING n.parcel_id),
    added AS (
      INSERT INTO notices (parcel_id, packed)
      SELECT parcel_id, after FROM changed WHERE before IS NULL ORDER BY parcel_id
      ON CONFLICT DO NOTHING RETURNING parcel_id),
    written AS MATERIALIZED (SELECT parcel_id FROM updated UNION ALL SELECT parcel_id FROM added),
    told AS (
      INSERT INTO outbox (institution_id, event_type, event_count, at, parcel_id, documents)
      SELECT step.institution_id, step.event_type, step.event_count, step.at, step.parcel_id, step.documents
      FROM unnest($4::uuid[], $5::smallint[], $6::smallint[], $7::bigint[], $8::uuid[], $9::bytea[]) WITH ORDINALITY
        AS step (institution_id, event_type, event_count, at, parcel_id, documents, place)
      WHERE step.parcel_id IN (SELECT parcel_id FROM written)
      ORDER BY place)
    SELECT parcel_id FROM written";

/// Records reports. Those for documents that do not exist are ignored.
pub(super) async fn record(session: &Session, reports: Vec<Report>, now: UnixSeconds) -> Result<()> {
    let mut of_parcels: BTreeMap<ParcelId, Vec<Report>> = BTreeMap::new();
    for report in reports {
        of_parcels.entry(report.document.parcel()).or_default().push(report);
    }
    for _ in 0..TRIES_MAX {
        if of_parcels.is_empty() {
            return Ok(());
        }
        let parcels: Vec<ParcelId> = of_parcels.keys().copied().collect();
        let (mut ids, mut before, mut after, mut steps) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let rows = session.query(READ, &[&uuids(&parcels)]).await?;
        let mut rows: Vec<(ParcelId, &Row)> =
            rows.iter().map(|row| Ok((row.id("parcel_id")?, row))).collect::<Result<_>>()?;
        // Written in one order, so that two nodes cannot deadlock.
        rows.sort_by_key(|(parcel, _)| *parcel);
        for (parcel, row) in rows {
            let packed: Option<Vec<u8>> = row.value("packed")?;
            let count = usize::try_from(row.value::<i32>("count")?).unwrap_or(0);
            let sent_at = UnixSeconds(row.value("sent_at")?);
            let reports = of_parcels.get(&parcel).map_or(&[][..], Vec::as_slice);
            if let Some(changed) =
                after_reports(packed.as_deref().unwrap_or_default(), count, sent_at, reports, now)
            {
                ids.push(parcel.uuid());
                before.push(packed);
                steps.extend(changed.steps(row.id("institution_id")?, parcel, now));
                after.push(changed.packed);
            }
        }
        let written = if ids.is_empty() {
            Vec::new()
        } else {
            let steps = StepColumns::of(steps);
            let of_notices: [Param<'_>; 3] = [&ids, &before, &after];
            let params: Vec<Param<'_>> = of_notices.into_iter().chain(steps.params()).collect();
            session.write("reports", WRITE, &params).await?
        };
        let written: Vec<Uuid> = written.iter().map(|row| row.value("parcel_id")).collect::<Result<_>>()?;
        let is_left = |parcel: &ParcelId| ids.contains(&parcel.uuid()) && !written.contains(&parcel.uuid());
        of_parcels.retain(|parcel, _| is_left(parcel));
    }
    Err(StoreError::Overloaded)
}

/// Records the messengers' reports. A notification that arrived after all is no longer given up.
pub(super) async fn record_receipts(session: &Session, receipts: &[Receipt], now: UnixSeconds) -> Result<()> {
    let report = |receipt: &Receipt| Report {
        document: receipt.document,
        outcome: receipt.arrival.notification(),
        at: receipt.at,
    };
    let falls_back = receipts.iter().filter(|receipt| receipt.arrival == Arrival::FallsBack);
    let falls_back: Vec<BinderId> = falls_back.map(|receipt| receipt.document).collect();
    // First: what is queued twice is queued once, and a report that is recorded does not come again.
    fallbacks::queue(session, &falls_back, now).await?;
    record(session, receipts.iter().map(report).collect(), now).await?;
    let delivered = receipts.iter().filter(|receipt| receipt.arrival.is_delivered());
    let delivered: Vec<BinderId> = delivered.map(|receipt| receipt.document).collect();
    if delivered.is_empty() { Ok(()) } else { forget_given_up(session, &delivered).await }
}

/// Removes notifications that arrived after all from those that were given up.
pub(super) async fn forget_given_up(session: &Session, arrived: &[BinderId]) -> Result<()> {
    let sql = "DELETE FROM given_up_notices WHERE document_id = ANY($1::uuid[])";
    session.write("reports", sql, &[&uuids(arrived)]).await.map(drop)
}

/// Records that the deadlines of documents passed before they were announced.
pub(crate) async fn record_expired(
    session: &Session,
    documents: &[BinderId],
    now: UnixSeconds,
) -> Result<()> {
    if documents.is_empty() {
        return Ok(());
    }
    let report =
        |document: &BinderId| Report { document: *document, outcome: Notification::Expired, at: now };
    record(session, documents.iter().map(report).collect(), now).await
}
