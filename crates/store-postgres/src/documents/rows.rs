//! The rows of documents, each looked up by its own key: documents, people and shared texts by id. Reads several at
//! once, without joins.

use std::collections::HashMap;

use seoham_model::person::Behaviour;
use seoham_model::status::Times;
use seoham_model::{BinderId, ContractUuid, InstitutionId, PersonId, UnixSeconds};
use seoham_store::sealing::{OpenedText, SealedContent, StoredText, open_with_recipient};
use seoham_store::{AboutEntity, Result, StoreError};
use seoham_vault::{Vault, WrappedKey};
use tokio_postgres::Row;

use crate::columns::{Columns, Id, uuids};
use crate::session::Session;

/// A stored document.
pub(crate) struct DocumentRow {
    pub(crate) id: BinderId,
    pub(crate) institution: InstitutionId,
    pub(crate) contract: ContractUuid,
    pub(crate) person: PersonId,
    pub(crate) content: Option<BinderId>,
    pub(crate) sealed: Vec<u8>,
    pub(crate) hash: Option<String>,
    pub(crate) deadline_at: UnixSeconds,
    pub(crate) notification: i16,
    pub(crate) times: Times,
}

/// A stored person.
pub(crate) struct PersonRow {
    pub(crate) key: WrappedKey,
    pub(crate) sealed: Vec<u8>,
    pub(crate) behaviour: Behaviour,
    pub(crate) member_since: Option<UnixSeconds>,
}

/// Documents by id, optionally only those of one institution.
pub(crate) async fn documents(
    session: &Session,
    institution: Option<InstitutionId>,
    ids: &[BinderId],
) -> Result<HashMap<BinderId, DocumentRow>> {
    let sql =
        "SELECT d.document_id, d.institution_id, d.contract_id, d.person_id, d.content_id, d.sealed, d.hash,
                 d.deadline_at, d.notification, d.sent_at, d.received_at, d.authenticated_at, d.token_used_at,
                 d.read_at, d.notified_at
               FROM unnest($1::uuid[]) AS asked (id) JOIN documents d ON d.document_id = asked.id
               WHERE $2::uuid IS NULL OR d.institution_id = $2";
    let rows = session.query(sql, &[&uuids(ids), &institution.map(|id| id.uuid())]).await?;
    rows.iter().map(|row| document(row).map(|document| (document.id, document))).collect()
}

/// One document of `institution`.
pub(crate) async fn own_document(
    session: &Session,
    institution: InstitutionId,
    id: BinderId,
) -> Result<Option<DocumentRow>> {
    Ok(documents(session, Some(institution), &[id]).await?.remove(&id))
}

fn document(row: &Row) -> Result<DocumentRow> {
    let id: BinderId = row.id("document_id")?;
    let read = || {
        Ok(DocumentRow {
            id,
            institution: row.id("institution_id")?,
            contract: row.id("contract_id")?,
            person: row.id("person_id")?,
            content: row.value::<Option<uuid::Uuid>>("content_id")?.map(BinderId::of),
            sealed: row.value("sealed")?,
            hash: row.value("hash")?,
            deadline_at: UnixSeconds(row.value("deadline_at")?),
            notification: row.value("notification")?,
            times: row.times()?,
        })
    };
    read().about(id)
}

/// The people to whom documents belong.
pub(crate) async fn people<'a>(
    session: &Session,
    documents: impl Iterator<Item = &'a DocumentRow>,
) -> Result<HashMap<PersonId, PersonRow>> {
    let mut ids: Vec<PersonId> = documents.map(|d| d.person).collect();
    ids.sort();
    ids.dedup();
    let sql = "SELECT p.person_id, p.wrapped_key, p.sealed, p.behaviour, p.member_since
               FROM unnest($1::uuid[]) AS asked (id) JOIN people p ON p.person_id = asked.id";
    let rows = session.query(sql, &[&uuids(&ids)]).await?;
    let person = |row: &Row| {
        Ok(PersonRow {
            key: WrappedKey(row.value("wrapped_key")?),
            sealed: row.value("sealed")?,
            behaviour: row.number("behaviour")?,
            member_since: row.moment("member_since")?,
        })
    };
    let read = |row: &Row| {
        let id: PersonId = row.id("person_id")?;
        Ok((id, person(row).about(id)?))
    };
    rows.iter().map(read).collect()
}

/// The shared texts of documents.
pub(crate) async fn contents<'a>(
    session: &Session,
    documents: impl Iterator<Item = &'a DocumentRow>,
) -> Result<HashMap<BinderId, Vec<u8>>> {
    let mut ids: Vec<BinderId> = documents.filter_map(|d| d.content).collect();
    ids.sort();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "SELECT c.content_id, c.sealed
               FROM unnest($1::uuid[]) AS asked (id) JOIN contents c ON c.content_id = asked.id";
    let rows = session.query(sql, &[&uuids(&ids)]).await?;
    rows.iter().map(|row| Ok((row.id("content_id")?, row.value("sealed")?))).collect()
}

/// Decrypts a document's text and its recipient.
pub(crate) fn open_text(
    vault: &Vault,
    document: &DocumentRow,
    person: &PersonRow,
    contents: &HashMap<BinderId, Vec<u8>>,
) -> Result<OpenedText> {
    let content = match document.content {
        None => None,
        Some(id) => {
            let sealed = contents
                .get(&id)
                .ok_or_else(|| StoreError::damaged("the missing shared text").about(document.id))?;
            Some(SealedContent { id, sealed: sealed.clone() })
        }
    };
    let stored = StoredText {
        id: document.id,
        person: document.person,
        key: person.key.clone(),
        sealed: document.sealed.clone(),
        content,
    };
    open_with_recipient(vault, &stored, &person.sealed)
}

/// Reads and decrypts one document's text.
pub(crate) async fn text(
    session: &Session,
    vault: &Vault,
    document: &DocumentRow,
) -> Result<(OpenedText, PersonRow)> {
    let one = || std::iter::once(document);
    let (mut people, contents) = futures_util::try_join!(people(session, one()), contents(session, one()))?;
    let person = people
        .remove(&document.person)
        .ok_or_else(|| StoreError::damaged("the missing person").about(document.id))?;
    Ok((open_text(vault, document, &person, &contents)?, person))
}
