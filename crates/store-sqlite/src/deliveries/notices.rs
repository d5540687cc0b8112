//! Reads claimed documents: the contents of their notifications, and what became of the documents since they were
//! accepted.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};
use seoham_model::document::Content;
use seoham_model::person::Behaviour;
use seoham_model::{BinderId, InstitutionId, PersonId, UnixSeconds};
use seoham_store::box_entry::BoxEntry;
use seoham_store::deliveries::Claim;
use seoham_store::sealing::{SealedContent, SealedNotice, open_content, open_notice};
use seoham_store::{AboutEntity, StoreError};
use seoham_vault::{Vault, WrappedKey};

use super::book::Held;
use super::claim::Taken;
use crate::columns::{Id, number};
use crate::readers::ReadError;

/// Documents read in one snapshot.
const SNAPSHOT_MAX: usize = 50;

/// What was read, and what must be written before the claims are returned.
#[derive(Default)]
pub(super) struct Read {
    pub(super) claims: Vec<Claim>,
    /// Past their deadline.
    pub(super) over: Vec<Held>,
    /// The tickets of these, and of documents that no longer exist: release them.
    pub(super) done_with: Vec<u64>,
    /// Documents whose people joined after they were identified.
    pub(super) joined: Vec<i64>,
    /// Sandbox people who join by themselves, and when.
    pub(super) joining: Vec<(PersonId, UnixSeconds)>,
}

impl Read {
    pub(super) fn is_as_it_was(&self) -> bool {
        self.over.is_empty() && self.joined.is_empty() && self.joining.is_empty()
    }
}

struct DocumentRow {
    document: BinderId,
    person: PersonId,
    received: bool,
    deadline_at: UnixSeconds,
    sent_at: UnixSeconds,
    sealed: Vec<u8>,
    content: Option<BinderId>,
    member: bool,
    behaviour: Behaviour,
    key: WrappedKey,
    of_person: Vec<u8>,
}

pub(super) fn read(
    connection: &Connection,
    vault: &Vault,
    taken: Vec<Taken>,
    now: UnixSeconds,
) -> Result<Read, ReadError> {
    let mut read = Read::default();
    let mut shared = Shared { connection, vault, contents: HashMap::new(), names: HashMap::new() };
    let mut document = connection.prepare_cached(
        "SELECT d.document_id, d.person_id, d.received_at IS NOT NULL, d.deadline_at, d.sent_at, d.sealed,
                d.content_id, p.member_since IS NOT NULL, p.behaviour, p.wrapped_key, p.sealed
         FROM documents d JOIN people p USING (person_id) WHERE d.document_no = ?1",
    )?;
    // The log cannot restart while a reader uses it, so keep snapshots short.
    let mut snapshot = None;
    for (n, taken) in taken.into_iter().enumerate() {
        if n % SNAPSHOT_MAX == 0 {
            drop(snapshot.take());
            snapshot = Some(connection.unchecked_transaction()?);
        }
        // A document removed by retention since it was claimed is not announced.
        let Some(row) = document.query_row([taken.of.held.document_no], document_row).optional()? else {
            read.done_with.push(taken.ticket);
            continue;
        };
        if now >= row.deadline_at {
            read.over.push(taken.of.held);
            read.done_with.push(taken.ticket);
            continue;
        }
        match row.box_entry() {
            BoxEntry::Now => read.joined.push(taken.of.held.document_no),
            BoxEntry::At(due_at) => read.joining.push((row.person, due_at)),
            BoxEntry::Entered | BoxEntry::Waiting => {}
        }
        match shared.claim(&taken, &row) {
            Ok(claim) => read.claims.push(claim),
            // It stays held until its lease expires, so that it does not block the others.
            Err(ReadError::Store(error)) => {
                tracing::error!(%error, document = %row.document, "a document does not open");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

impl DocumentRow {
    fn box_entry(&self) -> BoxEntry {
        BoxEntry::of(self.received, self.member, self.behaviour, self.sent_at)
    }
}

fn document_row(row: &Row<'_>) -> rusqlite::Result<DocumentRow> {
    Ok(DocumentRow {
        document: row.get::<_, Id<BinderId>>(0)?.0,
        person: row.get::<_, Id<PersonId>>(1)?.0,
        received: row.get(2)?,
        deadline_at: UnixSeconds(row.get(3)?),
        sent_at: UnixSeconds(row.get(4)?),
        sealed: row.get(5)?,
        content: row.get::<_, Option<Id<BinderId>>>(6)?.map(|id| id.0),
        member: row.get(7)?,
        behaviour: number::<Behaviour>(row, 8)?,
        key: WrappedKey(row.get(9)?),
        of_person: row.get(10)?,
    })
}

/// Data that many claims share, read and decrypted once.
struct Shared<'a> {
    connection: &'a Connection,
    vault: &'a Vault,
    contents: HashMap<BinderId, Arc<Content>>,
    names: HashMap<InstitutionId, Arc<str>>,
}

impl Shared<'_> {
    fn claim(&mut self, taken: &Taken, row: &DocumentRow) -> Result<Claim, ReadError> {
        let shared = row.content.map(|id| self.content(id)).transpose()?;
        let sealed = SealedNotice {
            document: row.document,
            person: row.person,
            key: &row.key,
            own: &row.sealed,
            of_person: &row.of_person,
        };
        let notice = open_notice(self.vault, &sealed, shared)?;
        Ok(Claim {
            ticket: taken.ticket,
            document: row.document,
            institution: taken.of.held.institution,
            institution_name: self.name(taken.of.held.institution)?,
            phone_number: notice.phone_number,
            link_token: self.vault.document_link(row.document),
            received: row.box_entry().is_in_box(),
            content: notice.content,
            deadline_at: row.deadline_at,
            attempts: taken.of.attempts,
            first_attempt_at: taken.of.first_attempt_at,
        })
    }

    fn content(&mut self, id: BinderId) -> Result<Arc<Content>, ReadError> {
        if let Some(known) = self.contents.get(&id) {
            return Ok(Arc::clone(known));
        }
        let mut statement =
            self.connection.prepare_cached("SELECT sealed FROM contents WHERE content_id = ?1")?;
        let sealed = statement.query_row([Id(id)], |row| row.get(0)).optional()?;
        let sealed = sealed.ok_or_else(|| StoreError::damaged("the missing shared text").about(id))?;
        let content = Arc::new(open_content(self.vault, &SealedContent { id, sealed })?);
        self.contents.insert(id, Arc::clone(&content));
        Ok(content)
    }

    fn name(&mut self, id: InstitutionId) -> rusqlite::Result<Arc<str>> {
        if let Some(known) = self.names.get(&id) {
            return Ok(Arc::clone(known));
        }
        let mut statement =
            self.connection.prepare_cached("SELECT name FROM institutions WHERE institution_id = ?1")?;
        let name: Arc<str> = statement.query_row([Id(id)], |row| row.get::<_, String>(0))?.into();
        self.names.insert(id, Arc::clone(&name));
        Ok(name)
    }
}
