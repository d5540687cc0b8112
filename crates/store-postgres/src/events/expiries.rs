//! Expiry as an event: the rows of parcels whose deadlines are to pass. What became of a parcel is decided in the
//! store's `events`.

use seoham_model::{EventType, ParcelId, UnixSeconds};
use seoham_store::events::{Expiry, Step, after_expiry};
use seoham_store::{Result, StoreError};
use tokio_postgres::Row;

use super::outbox;
use crate::columns::{Columns, uuids};
use crate::documents::rows;
use crate::session::Session;

pub(crate) const ADD: &str = "INSERT INTO expiries (due_at, parcel_id, told_to)
    SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bigint[])";

const TAKE: &str = "DELETE FROM expiries e USING (
      SELECT due_at, parcel_id FROM expiries WHERE due_at <= $1 ORDER BY due_at, parcel_id LIMIT $2
      FOR UPDATE SKIP LOCKED) AS due
    WHERE e.due_at = ANY (ARRAY[due.due_at]) AND e.parcel_id = due.parcel_id
    RETURNING e.due_at, e.parcel_id, e.told_to";

/// The deadline that is told of next.
pub(crate) async fn next_due(session: &Session) -> Result<Option<UnixSeconds>> {
    let sql = "SELECT (SELECT due_at FROM expiries ORDER BY due_at LIMIT 1) AS due_at";
    session.query_opt(sql, &[]).await?.ok_or(StoreError::damaged("the deadlines"))?.moment("due_at")
}

pub(super) async fn has_due(session: &Session, until: UnixSeconds) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM expiries WHERE due_at <= $1) AS has_due";
    let row = session.query_opt(sql, &[&until.0]).await?;
    row.ok_or(StoreError::damaged("the deadlines"))?.value("has_due")
}

/// Tells of deadlines that passed until `until`, of at most `limit` parcels, in a transaction. Returns how many were
/// looked at.
pub(super) async fn tell(session: &Session, limit: usize, until: UnixSeconds) -> Result<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let taken = session.query(TAKE, &[&until.0, &limit]).await?;
    let row = |row: &Row| {
        let (due_at, told_to) = (UnixSeconds(row.value("due_at")?), UnixSeconds(row.value("told_to")?));
        Ok((row.id("parcel_id")?, Expiry { due_at, told_to }))
    };
    let due: Vec<(ParcelId, Expiry)> = taken.iter().map(row).collect::<Result<_>>()?;
    let ids: Vec<ParcelId> = due.iter().map(|(id, _)| *id).collect();
    let (parcels, marks) = rows::parcels_with_marks(session, &ids).await?;
    let (mut steps, mut next) = (Vec::new(), Vec::new());
    for (id, row) in due {
        // One that was removed by retention is told of no more.
        let Some(parcel) = parcels.get(&id) else { continue };
        let found = after_expiry(parcel, |document| marks.get(&document).copied(), row, until);
        if let Ok(parcel) = parcel {
            let expired = found.expired.into_iter();
            steps.extend(expired.map(|(at, documents)| {
                Step::of_parcel(parcel.institution, EventType::Expired, at, id, documents)
            }));
        }
        next.extend(found.next.map(|next| (id, next)));
    }
    outbox::add(session, steps).await?;
    if !next.is_empty() {
        let ids: Vec<ParcelId> = next.iter().map(|(id, _)| *id).collect();
        let due_at: Vec<i64> = next.iter().map(|(_, next)| next.due_at.0).collect();
        let told_to: Vec<i64> = next.iter().map(|(_, next)| next.told_to.0).collect();
        session.query(ADD, &[&due_at, &uuids(&ids), &told_to]).await?;
    }
    Ok(taken.len())
}
