//! Whose documents are whose. What was accepted last is kept in memory, and filed into the database a lot
//! at a time, in order: people are in no order, and an entry for each document as it comes would change a
//! page of its own (see the migration that made the table). The database says how far it is filed, so what
//! memory loses is read again.

mod filing;
mod recent;
mod walk;

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use seoham_model::PersonId;

pub(crate) use filing::{filed_to, remove, set_back};
use recent::Recent;
pub(crate) use walk::{PersonDocuments, newest_first};

/// Documents of which the entries lie together.
const BLOCK_BITS: u32 = 20;

fn block_of(document_no: i64) -> i64 {
    document_no >> BLOCK_BITS
}

/// The index; only the writer's thread changes it.
#[derive(Default)]
pub(crate) struct BoxIndex {
    recent: Mutex<Recent>,
}

impl BoxIndex {
    /// The index of what `connection` holds: reads what is not filed yet.
    pub(crate) fn open(connection: &Connection) -> rusqlite::Result<Self> {
        let index = Self::default();
        filing::read_unfiled(connection, |person, document_no| index.add(person, document_no))?;
        index.ended(true);
        Ok(index)
    }

    /// The transaction under way adds a document.
    pub(crate) fn add(&self, person: PersonId, document_no: i64) {
        self.lock().add(person, document_no);
    }

    /// The numbers of a person's documents that may not be filed yet, the newest first. To be asked before
    /// what is filed is read: meanwhile these may be filed as well, and would be missed otherwise.
    pub(crate) fn recent(&self, person: PersonId) -> Vec<i64> {
        self.lock().of(person)
    }

    /// Has everything filed with the next transactions, however little it is.
    pub(crate) fn file_soon(&self) {
        self.lock().file_soon();
    }

    /// Files what is due beside `rows` documents, in the transaction under way.
    pub(crate) fn file(&self, connection: &Connection, rows: usize) -> rusqlite::Result<()> {
        // Only the writer changes what is filed next, so nobody needs to wait while it is written.
        let (entries, filed_to) = self.lock().next_to_file(filing::at_once(rows));
        if entries.is_empty() {
            return Ok(());
        }
        filing::file(connection, &entries, filed_to)?;
        self.lock().filed(entries.len());
        Ok(())
    }

    /// The transaction has ended.
    pub(crate) fn ended(&self, committed: bool) {
        self.lock().ended(committed);
    }

    fn lock(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
