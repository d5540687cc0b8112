//! Documents in a box. Opening one runs in the writer.

use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::status::{Opening, token_expires_at};
use seoham_model::{BinderId, InstitutionId, PersonId, UnixSeconds};
use seoham_store::accounts::{Authentication, Institution};
use seoham_store::boxes::{BoxDocument, OpenVerdict, Opener, Shelf};
use seoham_store::{Boxes, Lane, Result};
use seoham_vault::{TokenHash, Vault};

use crate::SqliteStore;
use crate::accounts::card;
use crate::box_index::{PersonDocuments, newest_first};
use crate::columns::{Id, TIMES, known, times};
use crate::documents::{stored_status, text};
use crate::readers::ReadError;
use crate::writer::WriteError;

#[async_trait]
impl Boxes for SqliteStore {
    async fn shelf(
        &self,
        person: PersonId,
        shelf: Shelf,
        before: Option<BinderId>,
        limit: usize,
        now: UnixSeconds,
    ) -> Result<Vec<BoxDocument>> {
        let (vault, box_index) = (Arc::clone(&self.inner.vault), Arc::clone(&self.inner.box_index));
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let documents = box_index.documents(person);
            // One snapshot for all reads: the number of a removed document may be reused.
            let _snapshot = connection.unchecked_transaction()?;
            let before = before.map_or(Ok(i64::MAX), |id| number(connection, person, id))?;
            on_shelf(connection, &documents, shelf, before, limit, now)?
                .into_iter()
                .map(|document_no| box_document(connection, &vault, document_no))
                .collect()
        });
        read.await
    }

    async fn box_document(&self, person: PersonId, document: BinderId) -> Result<Option<BoxDocument>> {
        let vault = Arc::clone(&self.inner.vault);
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let found = connection
                .prepare_cached(
                    "SELECT document_no FROM documents
                     WHERE document_id = ?1 AND person_id = ?2 AND received_at IS NOT NULL",
                )?
                .query_row(params![Id(document), Id(person)], |row| row.get(0))
                .optional()?;
            found.map(|document_no| box_document(connection, &vault, document_no)).transpose()
        });
        read.await
    }

    async fn unread(&self, person: PersonId, limit: usize, now: UnixSeconds) -> Result<usize> {
        let box_index = Arc::clone(&self.inner.box_index);
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let documents = box_index.documents(person);
            Ok(on_shelf(connection, &documents, Shelf::Unread, i64::MAX, limit, now)?.len())
        });
        read.await
    }

    async fn refused_institutions(&self, person: PersonId) -> Result<Vec<Institution>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let refused = connection
                .prepare_cached(
                    "SELECT i.institution_id, i.name, i.created_at FROM refusals r JOIN institutions i USING (institution_id)
                     WHERE r.person_id = ?1 AND r.refused ORDER BY i.institution_id LIMIT 1000",
                )?
                .query_map([Id(person)], |row| {
                    Ok(Institution {
                        id: row.get::<_, Id<InstitutionId>>(0)?.0,
                        name: row.get(1)?,
                        created_at: UnixSeconds(row.get(2)?),
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok(refused)
        });
        read.await
    }

    async fn open(
        &self,
        opener: Opener,
        document: BinderId,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<OpenVerdict> {
        let vault = Arc::clone(&self.inner.vault);
        self.inner
            .writer
            .interactive(move |connection| open(connection, &vault, opener, document, token, now))
            .await
    }
}

/// The number of a person's document, or `i64::MAX` if it is not theirs.
fn number(connection: &Connection, person: PersonId, id: BinderId) -> rusqlite::Result<i64> {
    let found = connection
        .prepare_cached("SELECT document_no FROM documents WHERE document_id = ?1 AND person_id = ?2")?
        .query_row(params![Id(id), Id(person)], |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(i64::MAX))
}

/// The documents on a shelf before number `before`, newest first.
fn on_shelf(
    connection: &Connection,
    documents: &PersonDocuments,
    shelf: Shelf,
    before: i64,
    limit: usize,
    now: UnixSeconds,
) -> rusqlite::Result<Vec<i64>> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT {TIMES}, d.deadline_at FROM documents d WHERE d.document_no = ?1 AND d.person_id = ?2"
        )
    });
    let person = documents.person;
    // Read documents have an index of their own.
    if shelf == Shelf::Read {
        return connection
            .prepare_cached(
                "SELECT document_no FROM documents
                 WHERE person_id = ?1 AND read_at IS NOT NULL AND received_at IS NOT NULL AND document_no < ?2
                 ORDER BY document_no DESC LIMIT ?3",
            )?
            .query_map(params![Id(person), before, limit], |row| row.get(0))?
            .collect();
    }
    let mut document = connection.prepare_cached(&SQL)?;
    let mut shelf_of = |document_no: i64| {
        let shelf = document.query_row(params![document_no, Id(person)], |row| {
            Ok(Shelf::of(&times(row, 0)?, UnixSeconds(row.get(6)?), now))
        });
        Ok::<_, rusqlite::Error>(shelf.optional()?.flatten())
    };
    let mut found = Vec::new();
    newest_first(connection, documents, before, |document_no| {
        if found.len() < limit && shelf_of(document_no)? == Some(shelf) {
            found.push(document_no);
        }
        Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(found)
}

fn box_document(
    connection: &Connection,
    vault: &Vault,
    document_no: i64,
) -> std::result::Result<BoxDocument, ReadError> {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        format!(
            "SELECT d.document_id, d.institution_id, i.name, c.authentication, {TIMES}, d.deadline_at,
               coalesce((SELECT refused FROM refusals r
                         WHERE r.person_id = d.person_id AND r.institution_id = d.institution_id), 0),
               EXISTS (SELECT 1 FROM institution_marks m WHERE m.institution_id = d.institution_id), c.card, d.hash
             FROM documents d JOIN institutions i USING (institution_id) JOIN contracts c USING (contract_id)
             WHERE d.document_no = ?1"
        )
    });
    let text = text(connection, vault, document_no)?;
    let document = connection.prepare_cached(&SQL)?.query_row([document_no], |row| {
        Ok(BoxDocument {
            id: row.get::<_, Id<BinderId>>(0)?.0,
            institution: row.get::<_, Id<InstitutionId>>(1)?.0,
            institution_name: row.get(2)?,
            authentication: known(3, Authentication::from_name(row.get_ref(3)?.as_str()?))?,
            times: times(row, 4)?,
            deadline_at: UnixSeconds(row.get(10)?),
            refused: row.get(11)?,
            has_mark: row.get(12)?,
            shown: card(row, 13)?.unwrap_or_default().shown(text.own.payload.as_deref()),
            hash: row.get(14)?,
            content: text.content,
        })
    })?;
    Ok(document)
}

fn open(
    connection: &Connection,
    vault: &Vault,
    opener: Opener,
    document: BinderId,
    token: TokenHash,
    now: UnixSeconds,
) -> std::result::Result<OpenVerdict, WriteError> {
    let sender = match opener {
        Opener::Institution(institution) => Some(institution),
        Opener::Recipient(person) => connection
            .prepare_cached("SELECT institution_id FROM documents WHERE document_id = ?1 AND person_id = ?2")?
            .query_row(params![Id(document), Id(person)], |row| row.get::<_, Id<InstitutionId>>(0))
            .optional()?
            .map(|id| id.0),
    };
    let Some(sender) = sender else { return Ok(OpenVerdict::Unknown) };
    let Some((stored, _)) = stored_status(connection, sender, document)? else {
        return Ok(OpenVerdict::Unknown);
    };
    match stored.times.opening(stored.deadline_at, now) {
        Opening::TooLate => return Ok(OpenVerdict::Expired),
        Opening::NotInBox => return Ok(OpenVerdict::NotInBox),
        Opening::Open => {}
    }
    let authentication = connection
        .prepare_cached("SELECT c.authentication FROM documents d JOIN contracts c USING (contract_id) WHERE d.document_id = ?1")?
        .query_row([Id(document)], |row| known(0, Authentication::from_name(row.get_ref(0)?.as_str()?)))?;
    // Read the text first: if that fails, no token or time must be stored.
    let text = text(connection, vault, stored.document_no)?;
    let token_expires_at = token_expires_at(stored.deadline_at, now);
    connection
        .prepare_cached(
            "INSERT INTO one_time_tokens (token_hash, document_no, expires_at) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![token.0, stored.document_no, token_expires_at.0])?;
    if authentication != Authentication::None {
        connection
            .prepare_cached(
                "UPDATE documents SET authenticated_at = max(?2, sent_at, coalesce(received_at, 0))
                 WHERE document_no = ?1 AND authenticated_at IS NULL",
            )?
            .execute(params![stored.document_no, now.0])?;
    }
    Ok(OpenVerdict::Opened {
        link: text.content.link,
        external_document_uuid: text.own.external_document_uuid,
        token_expires_at,
    })
}
