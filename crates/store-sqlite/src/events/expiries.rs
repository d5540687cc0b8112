//! Expiry as an event: the rows of parcels whose deadlines are to pass. What became of a parcel is decided in the
//! store's `events`.

use rusqlite::{Connection, params};
use seoham_model::{EventType, ParcelId, UnixSeconds};
use seoham_store::events::{Expiry, Step, after_expiry};

use super::ledger;
use crate::columns::{Id, moment};
use crate::documents::rows;

pub(crate) fn add(connection: &Connection, parcel: ParcelId, row: Expiry) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO expiries (due_at, parcel_id, told_to) VALUES (?1, ?2, ?3)")?
        .execute(params![row.due_at.0, Id(parcel), row.told_to.0])?;
    Ok(())
}

/// The deadline that is told of next.
pub(crate) fn next_due(connection: &Connection) -> rusqlite::Result<Option<UnixSeconds>> {
    connection.query_row("SELECT min(due_at) FROM expiries", [], |row| moment(row, 0))
}

pub(super) fn has_due(connection: &Connection, until: UnixSeconds) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM expiries WHERE due_at <= ?1)")?
        .query_row([until.0], |row| row.get(0))
}

/// Tells of deadlines that passed until `until`, of at most `limit` parcels. Returns how many were looked at.
pub(super) fn tell(connection: &Connection, limit: usize, until: UnixSeconds) -> rusqlite::Result<usize> {
    let due: Vec<(ParcelId, Expiry)> = connection
        .prepare_cached(
            "SELECT parcel_id, due_at, told_to FROM expiries WHERE due_at <= ?1 ORDER BY due_at, parcel_id LIMIT ?2",
        )?
        .query_map(params![until.0, limit], |row| {
            let expiry = Expiry { due_at: UnixSeconds(row.get(1)?), told_to: UnixSeconds(row.get(2)?) };
            Ok((row.get::<_, Id<ParcelId>>(0)?.0, expiry))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (id, row) in &due {
        connection
            .prepare_cached("DELETE FROM expiries WHERE due_at = ?1 AND parcel_id = ?2")?
            .execute(params![row.due_at.0, Id(*id)])?;
        // One that was removed by retention is told of no more.
        let Some(parcel) = rows::parcel(connection, *id)? else { continue };
        let marks = rows::marks_of(connection, *id)?;
        let found = after_expiry(&parcel, |document| marks.get(&document).copied(), *row, until);
        if let Ok(parcel) = &parcel {
            let step =
                |(at, documents)| Step::of_parcel(parcel.institution, EventType::Expired, at, *id, documents);
            ledger::append(connection, &found.expired.into_iter().map(step).collect::<Vec<_>>())?;
        }
        if let Some(next) = found.next {
            add(connection, *id, next)?;
        }
    }
    Ok(due.len())
}
