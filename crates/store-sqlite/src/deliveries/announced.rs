//! Reads claimed documents: the contents of their notifications, and what became of the documents since they were
//! accepted.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Row};
use seoham_model::{BinderId, ContractUuid, PersonId, UnixSeconds};
use seoham_store::box_entry::BoxEntry;
use seoham_store::deliveries::{Claim, ClaimSender};
use seoham_store::parcel::StoredDocument;
use seoham_store::parcel::announce::{self, Announcement, Announcements};
use seoham_vault::Vault;

use super::book::Held;
use super::claim::Taken;
use super::fallbacks;
use crate::columns::{Id, known};
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
    let mut senders = Senders::new(connection);
    for taken in taken.chunks(SNAPSHOT_MAX) {
        let _snapshot = connection.unchecked_transaction()?;
        let ids: Vec<BinderId> = taken.iter().map(|taken| taken.of.held.document).collect();
        let found = rows::documents(connection, None, &ids)?;
        let fallbacks = fallbacks::begun(connection, &ids)?;
        let documents = || found.values().flatten();
        let people = rows::people(connection, documents().map(|document| document.person))?;
        let open = documents().filter(|document| !document.is_over(now));
        let slices = rows::slices(connection, open.map(announce::slice))?;
        let mut announcements = Announcements::new(vault, &people, &slices, now);
        for taken in taken {
            let held = taken.of.held;
            let as_fallback =
                if held.is_retry { held.as_fallback } else { fallbacks.contains(&held.document) };
            match announcements.of(found.get(&held.document)) {
                // The notification has arrived after all.
                Announcement::Due { document, .. } if as_fallback && document.times.notified_at.is_some() => {
                    read.over.push(held);
                    read.done_with.push(taken.ticket);
                }
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
                        sender: senders.of(document.contract)?,
                        addresses: text.addresses,
                        link_token: vault.document_link(held.document),
                        received: entry.is_in_box(),
                        content: text.content,
                        deadline_at: document.deadline_at,
                        attempts: taken.of.attempts,
                        first_attempt_at: taken.of.first_attempt_at,
                        as_fallback,
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

/// The senders of documents by contract, each read once.
pub(super) struct Senders<'a> {
    connection: &'a Connection,
    senders: HashMap<ContractUuid, Arc<ClaimSender>>,
}

impl<'a> Senders<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, senders: HashMap::new() }
    }

    pub(super) fn of(&mut self, contract: ContractUuid) -> rusqlite::Result<Arc<ClaimSender>> {
        if let Some(known) = self.senders.get(&contract) {
            return Ok(Arc::clone(known));
        }
        let sql =
            "SELECT i.name, c.notice, t.content, p.content FROM contracts c JOIN institutions i USING (institution_id)
                   LEFT JOIN institution_templates t
                     ON t.institution_id = c.institution_id AND t.kind = 'document_arrived'
                   LEFT JOIN platform_templates p ON p.kind = 'document_arrived'
                   WHERE c.contract_id = ?1";
        let sender = |row: &Row<'_>| {
            let (own, platform): (Option<String>, Option<String>) = (row.get(2)?, row.get(3)?);
            let notice = row.get_ref(1)?.as_str()?;
            let sender = ClaimSender::stored(row.get(0)?, notice, own.as_deref(), platform.as_deref());
            known(1, sender.ok())
        };
        let found = self.connection.prepare_cached(sql)?.query_row([Id(contract)], sender).optional()?;
        let sender = Arc::new(found.unwrap_or_else(ClaimSender::unknown));
        self.senders.insert(contract, Arc::clone(&sender));
        Ok(sender)
    }
}
