//! The rows of the queue: one for each parcel with notifications left to send, with the positions of its documents.

use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::{BinderId, InstitutionId, ParcelId};

use crate::columns::Id;
use crate::handovers;

/// Queues all documents of a parcel.
pub(crate) fn add(
    connection: &Connection,
    institution: InstitutionId,
    parcel: ParcelId,
    count: u8,
) -> rusqlite::Result<()> {
    let positions: Vec<u8> = (0..count).collect();
    connection
        .prepare_cached("INSERT INTO deliveries (institution_id, parcel_id, positions) VALUES (?1, ?2, ?3)")?
        .execute(params![Id(institution), Id(parcel), positions])?;
    Ok(())
}

/// Takes documents of a parcel off the queue. Returns how many of them were queued.
pub(crate) fn take_off(
    connection: &Connection,
    institution: InstitutionId,
    parcel: ParcelId,
    positions: &[u8],
) -> rusqlite::Result<usize> {
    let Some(queued) = queued(connection, institution, parcel)? else { return Ok(0) };
    let left: Vec<u8> = queued.iter().copied().filter(|position| !positions.contains(position)).collect();
    let key = (Id(institution), Id(parcel));
    if left.is_empty() {
        connection
            .prepare_cached("DELETE FROM deliveries WHERE institution_id = ?1 AND parcel_id = ?2")?
            .execute(params![key.0, key.1])?;
    } else if left.len() < queued.len() {
        connection
            .prepare_cached(
                "UPDATE deliveries SET positions = ?3 WHERE institution_id = ?1 AND parcel_id = ?2",
            )?
            .execute(params![key.0, key.1, left])?;
    }
    Ok(queued.len() - left.len())
}

/// Whether the notification of a document waits, for its first attempt or another, or for the outcome of one.
pub(crate) fn is_queued(
    connection: &Connection,
    institution: InstitutionId,
    document: BinderId,
) -> rusqlite::Result<bool> {
    let queued = queued(connection, institution, document.parcel())?;
    if queued.is_some_and(|positions| positions.contains(&document.position())) {
        return Ok(true);
    }
    let is_retried: bool = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM delivery_retries WHERE document_id = ?1)")?
        .query_row([Id(document)], |row| row.get(0))?;
    Ok(is_retried || handovers::has_document(connection, document)?)
}

fn queued(
    connection: &Connection,
    institution: InstitutionId,
    parcel: ParcelId,
) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT positions FROM deliveries WHERE institution_id = ?1 AND parcel_id = ?2")?
        .query_row(params![Id(institution), Id(parcel)], |row| row.get(0))
        .optional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use seoham_model::Clock;

    #[test]
    fn what_is_taken_off_leaves_the_rest() {
        let mut connection = Connection::open_in_memory().expect("SQLite");
        crate::migrations::runner().run(&mut connection).expect("the schema");
        let clock = Clock::default();
        let (own, other) = (InstitutionId::generate(&clock), InstitutionId::generate(&clock));
        let parcel = ParcelId::generate(&clock);
        add(&connection, own, parcel, 5).expect("queued");
        let waits = |position| is_queued(&connection, own, parcel.document(position)).expect("answers");
        assert_eq!(take_off(&connection, other, parcel, &[0]).expect("answers"), 0, "another institution's");
        assert_eq!(take_off(&connection, own, ParcelId::generate(&clock), &[0]).expect("answers"), 0);
        assert_eq!(take_off(&connection, own, parcel, &[1, 3, 9]).expect("answers"), 2);
        assert_eq!([0, 1, 2, 3, 4].map(waits), [true, false, true, false, true]);
        assert_eq!(take_off(&connection, own, parcel, &[1]).expect("answers"), 0, "it is off already");
        assert_eq!(take_off(&connection, own, parcel, &[0, 1, 2, 3, 4]).expect("answers"), 3);
        let rows: i64 =
            connection.query_row("SELECT count(*) FROM deliveries", [], |row| row.get(0)).expect("answers");
        assert_eq!(rows, 0);
    }
}
