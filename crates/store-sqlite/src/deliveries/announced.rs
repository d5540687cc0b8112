//! Reads claimed documents: the contents of their notifications, and what became of the documents since they were
//! accepted.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};
use seoham_model::{BinderId, InstitutionId, PersonId, UnixSeconds};
use seoham_store::box_entry::BoxEntry;
use seoham_store::deliveries::Claim;
use seoham_store::parcel::StoredDocument;
use seoham_store::parcel::announce::{self, Announcement, Announcements};
use seoham_vault::Vault;

use super::book::Held;
use super::claim::Taken;
use crate::columns::Id;
use crate::documents::rows;

/// Documents read in one snapshot: the log cannot restart while a reader uses it.
const SNAPSHOT_MAX: usize = 100;

/// What was read, and what must be written before the claims are returned.
#[derive(Default)]
pub(super) struct Read {
    pub(super) claims: Vec<Claim>,
    /// Past their deadline, or removed.
    pub(super) over: Vec<Held>,
    /// Not to be read.
    pub(super) unreadable: Vec<Held>,
    /// The tickets of these: release them.
    pub(super) done_with: Vec<u64>,
    /// Documents whose people joined after they were identified.
    pub(super) joined: Vec<StoredDocument>,
    /// Sandbox people who join by themselves, and when.
    pub(super) joining: Vec<(PersonId, UnixSeconds)>,
}

impl Read {
    pub(super) fn is_as_it_was(&self) -> bool {
        self.over.is_empty()
            && self.unreadable.is_empty()
            && self.joined.is_empty()
            && self.joining.is_empty()
    }
}

pub(super) fn read(
    connection: &Connection,
    vault: &Vault,
    taken: &[Taken],
    now: UnixSeconds,
) -> rusqlite::Result<Read> {
    let mut read = Read::default();
    let mut names = Names { connection, names: HashMap::new() };
    for taken in taken.chunks(SNAPSHOT_MAX) {
        let _snapshot = connection.unchecked_transaction()?;
        let ids: Vec<BinderId> = taken.iter().map(|taken| taken.of.held.document).collect();
        let found = rows::documents(connection, None, &ids)?;
        let documents = || found.values().flatten();
        let people = rows::people(connection, documents().map(|document| document.person))?;
        let open = documents().filter(|document| now < document.deadline_at);
        let slices = rows::slices(connection, open.map(announce::slice))?;
        let mut announcements = Announcements::new(vault, &people, &slices, now);
        for taken in taken {
            let held = taken.of.held;
            match announcements.of(found.get(&held.document)) {
                Announcement::Due { document, text, entry } => {
                    match entry {
                        BoxEntry::Now => read.joined.push(document.clone()),
                        BoxEntry::At(due_at) => read.joining.push((document.person, due_at)),
                        BoxEntry::Entered | BoxEntry::Waiting => {}
                    }
                    read.claims.push(Claim {
                        ticket: taken.ticket,
                        document: held.document,
                        institution: held.institution,
                        institution_name: names.of(held.institution)?,
                        phone_number: text.phone_number,
                        link_token: vault.document_link(held.document),
                        received: entry.is_in_box(),
                        content: text.content,
                        deadline_at: document.deadline_at,
                        attempts: taken.of.attempts,
                        first_attempt_at: taken.of.first_attempt_at,
                    });
                }
                Announcement::Unreadable(error) => {
                    tracing::error!(%error, document = %held.document,
                        "a document cannot be read, and is not announced");
                    read.unreadable.push(held);
                    read.done_with.push(taken.ticket);
                }
                Announcement::Over => {
                    read.over.push(held);
                    read.done_with.push(taken.ticket);
                }
            }
        }
    }
    Ok(read)
}

/// The names of institutions, each read once.
struct Names<'a> {
    connection: &'a Connection,
    names: HashMap<InstitutionId, Arc<str>>,
}

impl Names<'_> {
    fn of(&mut self, id: InstitutionId) -> rusqlite::Result<Arc<str>> {
        if let Some(known) = self.names.get(&id) {
            return Ok(Arc::clone(known));
        }
        let mut statement =
            self.connection.prepare_cached("SELECT name FROM institutions WHERE institution_id = ?1")?;
        let name = statement.query_row([Id(id)], |row| row.get::<_, String>(0)).optional()?;
        let name: Arc<str> = name.unwrap_or_default().into();
        self.names.insert(id, Arc::clone(&name));
        Ok(name)
    }
}
