//! The rows of documents, each looked up by its own key: parcels with their notices, marks, people. What a row means is
//! decided by the store's `parcel` module.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, MAIN_DB, OptionalExtension, Row, params};
use seoham_model::{BinderId, ContractUuid, InstitutionId, ParcelId, PersonId, UnixSeconds};
use seoham_store::parcel::document::{find, open_text};
use seoham_store::parcel::head::{DOCUMENTS_MAX, ParcelHead};
use seoham_store::parcel::sealed::OpenedText;
use seoham_store::parcel::{Column, Found, Mark, Slice, Slices, StoredDocument, StoredParcel, slices};
use seoham_store::people::StoredPerson;
use seoham_store::{AboutEntity, Result, StoreError};
use seoham_vault::{Vault, WrappedKey};

use crate::columns::{Id, moment, number, of_row};
use crate::readers::ReadError;

/// Documents by id, optionally only those of one institution. Reading many of them costs less in a snapshot.
pub(crate) fn documents(
    connection: &Connection,
    institution: Option<InstitutionId>,
    ids: &[BinderId],
) -> rusqlite::Result<Found> {
    let mut of_parcels: BTreeMap<ParcelId, Vec<BinderId>> = BTreeMap::new();
    for id in ids {
        of_parcels.entry(id.parcel()).or_default().push(*id);
    }
    let mut found = HashMap::with_capacity(ids.len());
    for (id, documents) in of_parcels {
        let parcel = match parcel(connection, id)? {
            None => continue,
            Some(Ok(parcel)) if institution.is_some_and(|id| id != parcel.institution) => continue,
            Some(parcel) => parcel,
        };
        let marks = marks(connection, &documents)?;
        let document = |id| Some((id, find(&parcel, id, marks.get(&id).copied())?));
        found.extend(documents.into_iter().filter_map(document));
    }
    Ok(found)
}

/// One document, optionally only of one institution.
pub(crate) fn document(
    connection: &Connection,
    institution: Option<InstitutionId>,
    id: BinderId,
) -> std::result::Result<Option<StoredDocument>, ReadError> {
    Ok(documents(connection, institution, &[id])?.remove(&id).transpose()?)
}

/// A parcel without its sealed columns.
pub(crate) fn parcel(
    connection: &Connection,
    id: ParcelId,
) -> rusqlite::Result<Option<Result<StoredParcel>>> {
    let read = |row: &Row<'_>| {
        let head = match ParcelHead::parse(row.get(3)?) {
            Ok(head) => head,
            Err(error) => return Ok(Err(error)),
        };
        Ok(Ok(StoredParcel {
            id,
            institution: row.get::<_, Id<InstitutionId>>(0)?.0,
            contract: row.get::<_, Id<ContractUuid>>(1)?.0,
            sent_at: UnixSeconds(row.get(2)?),
            head,
            persons: row.get(4)?,
            notices: row.get::<_, Option<Vec<u8>>>(5)?.unwrap_or_default(),
        }))
    };
    connection
        .prepare_cached(
            "SELECT p.institution_id, p.contract_id, p.sent_at, p.head, p.persons,
               (SELECT packed FROM notices n WHERE n.parcel_id = p.parcel_id)
             FROM parcels p WHERE p.parcel_id = ?1",
        )?
        .query_row([Id(id)], |row| of_row(read(row)))
        .optional()
        .map(|read| read.map(|read| read.and_then(|parcel| parcel)))
}

/// The marks of all documents of a parcel.
pub(crate) fn marks_of(
    connection: &Connection,
    parcel: ParcelId,
) -> rusqlite::Result<HashMap<BinderId, Mark>> {
    marks(connection, &[parcel.document(0), last_of(parcel)])
}

/// The marks of documents of one parcel.
fn marks(connection: &Connection, documents: &[BinderId]) -> rusqlite::Result<HashMap<BinderId, Mark>> {
    let Some((first, last)) = documents.iter().min().zip(documents.iter().max()) else {
        return Ok(HashMap::new());
    };
    connection
        .prepare_cached(
            "SELECT document_id, received_at, authenticated_at, token_used_at, read_at, opened_at, withdrawn_at FROM marks
             WHERE document_id BETWEEN ?1 AND ?2",
        )?
        .query_map(params![Id(*first), Id(*last)], |row| {
            let mark = Mark {
                received_at: moment(row, 1)?,
                authenticated_at: moment(row, 2)?,
                token_used_at: moment(row, 3)?,
                read_at: moment(row, 4)?,
                opened_at: moment(row, 5)?,
                withdrawn_at: moment(row, 6)?,
            };
            Ok((row.get::<_, Id<BinderId>>(0)?.0, mark))
        })?
        .collect()
}

/// Reads slices of sealed columns. One whose parcel is gone is missing from the result.
pub(crate) fn slices(
    connection: &Connection,
    wanted: impl IntoIterator<Item = Slice>,
) -> rusqlite::Result<Slices> {
    let mut number = connection.prepare_cached("SELECT parcel_no FROM parcels WHERE parcel_id = ?1")?;
    let (mut read, mut blobs) = (Slices::default(), HashMap::new());
    let mut last: Option<(ParcelId, i64)> = None;
    for slice in slices::plan(wanted) {
        let known = last.filter(|(parcel, _)| *parcel == slice.parcel);
        let parcel_no = match known {
            Some((_, parcel_no)) => Some(parcel_no),
            None => number.query_row([Id(slice.parcel)], |row| row.get(0)).optional()?,
        };
        let Some(parcel_no) = parcel_no else { continue };
        last = Some((slice.parcel, parcel_no));
        // An open blob moves to another row for less than it costs to open one.
        let blob = match blobs.entry(slice.column) {
            std::collections::hash_map::Entry::Occupied(entry) => {
                let blob: &mut rusqlite::blob::Blob<'_> = entry.into_mut();
                blob.reopen(parcel_no)?;
                blob
            }
            std::collections::hash_map::Entry::Vacant(entry) => {
                let column = match slice.column {
                    Column::Texts => "texts",
                    Column::Parts => "parts",
                };
                entry.insert(connection.blob_open(MAIN_DB, "parcels", column, parcel_no, true)?)
            }
        };
        // A head that points beyond its column is damage of the documents that need it.
        let end = slice.end.min(blob.len());
        let mut bytes = vec![0; end.saturating_sub(slice.start)];
        if !bytes.is_empty() {
            blob.read_at_exact(&mut bytes, slice.start)?;
            read.add(&slice, bytes);
        }
    }
    Ok(read)
}

/// The people to whom documents belong. One that cannot be read is missing from the result, and logged.
pub(crate) fn people(
    connection: &Connection,
    ids: impl IntoIterator<Item = PersonId>,
) -> rusqlite::Result<HashMap<PersonId, StoredPerson>> {
    let mut select = connection.prepare_cached(
        "SELECT wrapped_key, sealed, behaviour, member_since FROM people WHERE person_id = ?1",
    )?;
    let read = |row: &Row<'_>| {
        Ok(StoredPerson {
            key: WrappedKey(row.get(0)?),
            sealed: row.get(1)?,
            behaviour: number(row, 2)?,
            member_since: moment(row, 3)?,
        })
    };
    let mut people = HashMap::new();
    for id in ids {
        if people.contains_key(&id) {
            continue;
        }
        match select.query_row([Id(id)], |row| of_row(read(row))).optional()? {
            None => {}
            Some(Ok(person)) => {
                people.insert(id, person);
            }
            Some(Err(error)) => {
                let error = error.about(id);
                tracing::error!(%error, person = %id, "a person cannot be read");
            }
        }
    }
    Ok(people)
}

/// Reads and opens one document's text.
pub(crate) fn text(
    connection: &Connection,
    vault: &Vault,
    document: &StoredDocument,
) -> std::result::Result<(OpenedText, StoredPerson), ReadError> {
    let person = people(connection, [document.person])?.remove(&document.person);
    let person = person.ok_or_else(|| StoreError::damaged("the missing person").about(document.id))?;
    let read = slices(connection, document.slices())?;
    Ok((open_text(vault, document, Some(&person), &read)?, person))
}

/// The last document id of a parcel, taken or not: the end of its range.
pub(crate) fn last_of(parcel: ParcelId) -> BinderId {
    let last = u8::try_from(DOCUMENTS_MAX - 1).unwrap_or(u8::MAX);
    parcel.document(last)
}
