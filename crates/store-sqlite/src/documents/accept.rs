//! The rows written for accepted documents: documents, deliveries and the daily count, in one transaction.

use rusqlite::{Connection, params};
use seoham_model::{ContractUuid, InstitutionId, SeoulDay, UnixSeconds};
use seoham_store::documents::Accepted;
use seoham_store::idempotency::Record;
use seoham_store::sealing::{SealedContent, SealedDocument};

use super::keys;
use crate::box_index::BoxIndex;
use crate::columns::{Id, Number};
use crate::deliveries::ranges;

pub(super) struct Batch {
    pub(super) institution: InstitutionId,
    pub(super) contract: ContractUuid,
    pub(super) accepted_at: UnixSeconds,
    pub(super) contents: Vec<SealedContent>,
    pub(super) documents: Vec<SealedDocument>,
    pub(super) record: Option<Record>,
}

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
    let mut content =
        connection.prepare_cached("INSERT INTO contents (content_id, sealed) VALUES (?1, ?2)")?;
    for shared in &batch.contents {
        content.execute(params![Id(shared.id), shared.sealed])?;
    }
    let mut document = connection.prepare_cached(
        "INSERT INTO documents (document_id, institution_id, contract_id, person_id, content_id, sealed, hash,
                                deadline_at, sent_at, received_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for accepted in &batch.documents {
        document.execute(params![
            Id(accepted.id),
            Id(batch.institution),
            Id(batch.contract),
            Id(accepted.person),
            accepted.content.map(Id),
            accepted.sealed,
            accepted.hash,
            accepted.deadline_at,
            batch.accepted_at.0,
            accepted.member.then_some(batch.accepted_at.0),
        ])?;
    }
    let Some(others) = batch.documents.len().checked_sub(1) else { return Ok(Accepted::Whole) };
    // Document numbers are consecutive, since nobody else writes.
    let last_no = connection.last_insert_rowid();
    let first_no = last_no - i64::try_from(others).unwrap_or(i64::MAX);
    ranges::add(connection, batch.institution, first_no, last_no)?;
    connection
        .prepare_cached(
            "INSERT INTO daily_counts (institution_id, day, accepted) VALUES (?1, ?2, ?3)
             ON CONFLICT (institution_id, day) DO UPDATE SET accepted = accepted + excluded.accepted",
        )?
        .execute(params![
            Id(batch.institution),
            Number(SeoulDay::of(batch.accepted_at)),
            batch.documents.len(),
        ])?;
    // Update the index last: a failed batch must not add entries.
    for (document, document_no) in batch.documents.iter().zip(first_no..) {
        box_index.add(document.person, document_no);
    }
    Ok(Accepted::Whole)
}
