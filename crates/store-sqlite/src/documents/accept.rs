//! The rows written for a request: what it refuses, and for its accepted documents a parcel, its delivery, the daily
//! count, its steps in the ledger and its deadline, in one transaction.

use rusqlite::{Connection, params};
use seoham_model::SeoulDay;
use seoham_store::documents::Accepted;
use seoham_store::parcel::Batch;
use seoham_store::statistics::Count;

use super::keys;
use crate::box_index::BoxIndex;
use crate::columns::{Id, Number};
use crate::deliveries::queue;
use crate::events::{expiries, ledger};
use crate::statistics;

pub(super) fn insert(
    connection: &Connection,
    box_index: &BoxIndex,
    batch: &Batch,
) -> rusqlite::Result<Accepted> {
    // Insert the key first: if another request used it meanwhile, there is nothing to undo.
    if let Some(record) = &batch.record
        && !keys::insert(connection, batch.institution, batch.accepted_at, record)?
    {
        return Ok(Accepted::KeyMoved);
    }
    for (counted, documents) in &batch.refused {
        let (counted, documents) = (*counted, *documents);
        let count =
            Count { day: SeoulDay::of(batch.accepted_at), contract: batch.contract, counted, documents };
        statistics::add(connection, batch.institution, count)?;
    }
    let Some(parcel) = &batch.parcel else { return Ok(Accepted::Whole) };
    connection
        .prepare_cached(
            "INSERT INTO parcels (parcel_id, institution_id, contract_id, sent_at, last_deadline_at, head, persons,
                                  texts, parts)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            Id(parcel.id),
            Id(parcel.institution),
            Id(parcel.contract),
            parcel.sent_at.0,
            parcel.last_deadline_at.0,
            parcel.head,
            parcel.persons,
            parcel.texts,
            parcel.parts,
        ])?;
    let parcel_no = connection.last_insert_rowid();
    queue::add(connection, parcel.institution, parcel.id, parcel.count)?;
    connection
        .prepare_cached(
            "INSERT INTO daily_counts (institution_id, day, accepted) VALUES (?1, ?2, ?3)
             ON CONFLICT (institution_id, day) DO UPDATE SET accepted = accepted + excluded.accepted",
        )?
        .execute(params![Id(parcel.institution), Number(SeoulDay::of(parcel.sent_at)), parcel.count])?;
    ledger::append(connection, &parcel.steps())?;
    expiries::add(connection, parcel.id, parcel.expiry())?;
    // Update the index last: a failed batch must not add entries.
    box_index.add(parcel_no, parcel.id, &parcel.persons);
    Ok(Accepted::Whole)
}
