//! The rows of documents, each looked up by its own key: parcels with their notices, marks, people. Reads several at
//! once, without joins between them. What a row means is decided by the store's `parcel` module.

use std::collections::HashMap;

use seoham_model::{BinderId, InstitutionId, ParcelId, PersonId, UnixSeconds};
use seoham_store::parcel::document::{find, open_text};
use seoham_store::parcel::head::ParcelHead;
use seoham_store::parcel::sealed::OpenedText;
use seoham_store::parcel::{Column, Found, Mark, Slice, Slices, StoredDocument, StoredParcel, slices};
use seoham_store::people::StoredPerson;
use seoham_store::{AboutEntity, Result, StoreError};
use seoham_vault::{Vault, WrappedKey};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::columns::{Columns, Id, uuids};
use crate::session::{Param, Session};

const PARCELS: &str =
    "SELECT p.parcel_id, p.institution_id, p.contract_id, p.sent_at, p.head, p.persons, n.packed
    FROM parcels p LEFT JOIN notices n ON n.parcel_id = ANY (ARRAY[p.parcel_id])
    WHERE p.parcel_id = ANY($1::uuid[]) AND ($2::uuid IS NULL OR p.institution_id = $2)";

const MARKS: &str =
    "SELECT m.document_id, m.received_at, m.opened_at, m.authenticated_at, m.token_used_at, m.read_at,
      m.withdrawn_at
    FROM marks m WHERE m.document_id = ANY($1::uuid[])";

const MARKS_OF_PARCELS: &str =
    "SELECT m.document_id, m.received_at, m.opened_at, m.authenticated_at, m.token_used_at, m.read_at, m.withdrawn_at
    FROM unnest($1::uuid[]) AS asked (id)
    JOIN marks m ON m.document_id BETWEEN asked.id AND document_in(asked.id, 127)
    FOR SHARE OF m";

/// Documents by id, optionally only those of one institution.
pub(crate) async fn documents(
    session: &Session,
    institution: Option<InstitutionId>,
    ids: &[BinderId],
) -> Result<Found> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut parcels: Vec<ParcelId> = ids.iter().map(|id| id.parcel()).collect();
    parcels.sort_unstable();
    parcels.dedup();
    let (asked, of) = (uuids(&parcels), institution.map(|id| id.uuid()));
    let marked = uuids(ids);
    let (of_parcels, of_marks): ([Param<'_>; 2], [Param<'_>; 1]) = ([&asked, &of], [&marked]);
    let (parcels, marks) =
        futures_util::try_join!(session.query(PARCELS, &of_parcels), session.query(MARKS, &of_marks))?;
    let (parcels, marks) = (by_id(&parcels)?, marks_by_id(&marks)?);
    let document = |id: &BinderId| find(parcels.get(&id.parcel())?, *id, marks.get(id).copied());
    Ok(ids.iter().filter_map(|id| Some((*id, document(id)?))).collect())
}

type Parcels = HashMap<ParcelId, Result<StoredParcel>>;
type Marks = HashMap<BinderId, Mark>;

/// Parcels with the marks of all their documents, in a transaction: until its end nobody changes these marks.
pub(crate) async fn parcels_with_marks(session: &Session, ids: &[ParcelId]) -> Result<(Parcels, Marks)> {
    let (asked, of) = (uuids(ids), None::<Uuid>);
    let (of_parcels, of_marks): ([Param<'_>; 2], [Param<'_>; 1]) = ([&asked, &of], [&asked]);
    let (parcels, marks) = futures_util::try_join!(
        session.query(PARCELS, &of_parcels),
        session.query(MARKS_OF_PARCELS, &of_marks)
    )?;
    Ok((by_id(&parcels)?, marks_by_id(&marks)?))
}

fn by_id(rows: &[Row]) -> Result<Parcels> {
    rows.iter().map(|row| Ok((row.id("parcel_id")?, parcel(row)))).collect()
}

fn marks_by_id(rows: &[Row]) -> Result<Marks> {
    rows.iter().map(|row| Ok((row.id("document_id")?, mark(row)?))).collect()
}

/// One document, optionally only of one institution.
pub(crate) async fn document(
    session: &Session,
    institution: Option<InstitutionId>,
    id: BinderId,
) -> Result<Option<StoredDocument>> {
    documents(session, institution, &[id]).await?.remove(&id).transpose()
}

fn parcel(row: &Row) -> Result<StoredParcel> {
    Ok(StoredParcel {
        id: row.id("parcel_id")?,
        institution: row.id("institution_id")?,
        contract: row.id("contract_id")?,
        sent_at: UnixSeconds(row.value("sent_at")?),
        head: ParcelHead::parse(row.value("head")?)?,
        persons: row.value("persons")?,
        notices: row.value::<Option<Vec<u8>>>("packed")?.unwrap_or_default(),
    })
}

fn mark(row: &Row) -> Result<Mark> {
    Ok(Mark {
        received_at: row.moment("received_at")?,
        opened_at: row.moment("opened_at")?,
        withdrawn_at: row.moment("withdrawn_at")?,
        authenticated_at: row.moment("authenticated_at")?,
        token_used_at: row.moment("token_used_at")?,
        read_at: row.moment("read_at")?,
    })
}

const SLICES: &str = "SELECT asked.place,
      CASE WHEN asked.of_texts THEN substr(p.texts, asked.start, asked.length)
           ELSE substr(p.parts, asked.start, asked.length) END AS bytes
    FROM unnest($1::uuid[], $2::boolean[], $3::integer[], $4::integer[]) WITH ORDINALITY
      AS asked (id, of_texts, start, length, place)
    JOIN parcels p ON p.parcel_id = ANY (ARRAY[asked.id])";

/// Reads slices of sealed columns. One whose parcel is gone meanwhile is missing from the result.
pub(crate) async fn slices(session: &Session, wanted: impl IntoIterator<Item = Slice>) -> Result<Slices> {
    // One that PostgreSQL cannot address is damage of the documents that need it: it is not read.
    let is_possible = |slice: &Slice| i32::try_from(slice.end).is_ok();
    let planned: Vec<Slice> = slices::plan(wanted.into_iter().filter(is_possible));
    let mut read = Slices::default();
    if planned.is_empty() {
        return Ok(read);
    }
    let parcels: Vec<Uuid> = planned.iter().map(|slice| slice.parcel.uuid()).collect();
    let of_texts: Vec<bool> = planned.iter().map(|slice| slice.column == Column::Texts).collect();
    let number = |n: usize| i32::try_from(n).map_err(|_| StoreError::damaged("an offset of a parcel"));
    // The first byte has the number one.
    let starts: Vec<i32> = planned.iter().map(|slice| number(slice.start + 1)).collect::<Result<_>>()?;
    let lengths: Vec<i32> = planned.iter().map(|slice| number(slice.len())).collect::<Result<_>>()?;
    for row in session.query(SLICES, &[&parcels, &of_texts, &starts, &lengths]).await? {
        let place = usize::try_from(row.value::<i64>("place")? - 1).ok();
        let slice = place.and_then(|place| planned.get(place)).ok_or(StoreError::damaged("a slice"))?;
        read.add(slice, row.value("bytes")?);
    }
    Ok(read)
}

/// The people to whom documents belong. One that cannot be read is missing from the result, and logged.
pub(crate) async fn people(
    session: &Session,
    ids: impl IntoIterator<Item = PersonId>,
) -> Result<HashMap<PersonId, StoredPerson>> {
    let mut ids: Vec<PersonId> = ids.into_iter().collect();
    ids.sort();
    ids.dedup();
    let sql = "SELECT p.person_id, p.wrapped_key, p.sealed, p.behaviour, p.member_since
               FROM people p WHERE p.person_id = ANY($1::uuid[])";
    let rows = session.query(sql, &[&uuids(&ids)]).await?;
    let person = |row: &Row| {
        Ok(StoredPerson {
            key: WrappedKey(row.value("wrapped_key")?),
            sealed: row.value("sealed")?,
            behaviour: row.number("behaviour")?,
            member_since: row.moment("member_since")?,
        })
    };
    let mut people = HashMap::with_capacity(rows.len());
    for row in &rows {
        let id: PersonId = row.id("person_id")?;
        match person(row).about(id) {
            Ok(person) => {
                people.insert(id, person);
            }
            Err(error) => tracing::error!(%error, person = %id, "a person cannot be read"),
        }
    }
    Ok(people)
}

/// Reads and opens one document's text.
pub(crate) async fn text(
    session: &Session,
    vault: &Vault,
    document: &StoredDocument,
) -> Result<(OpenedText, StoredPerson)> {
    let (mut people, read) =
        futures_util::try_join!(people(session, [document.person]), slices(session, document.slices()))?;
    let person = people
        .remove(&document.person)
        .ok_or_else(|| StoreError::damaged("the missing person").about(document.id))?;
    Ok((open_text(vault, document, Some(&person), &read)?, person))
}
