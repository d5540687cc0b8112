//! The index from person to documents: a memtable of the newest entries, flushed to the database in sorted batches. People
//! come in no order, and an entry for each document as it comes would change a page of its own (see the migration that made
//! the table). The database says how far it is flushed, so what memory loses is read again.

mod flush;
mod memtable;
mod walk;

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use seoham_model::PersonId;

pub(crate) use flush::{flushed_to, remove, rewind};
use memtable::Memtable;
pub(crate) use walk::{PersonDocuments, newest_first};

/// Documents of which the entries lie together.
const BLOCK_BITS: u32 = 20;

fn block_of(document_no: i64) -> i64 {
    document_no >> BLOCK_BITS
}

/// The index; only the writer's thread changes it.
#[derive(Default)]
pub(crate) struct BoxIndex {
    memtable: Mutex<Memtable>,
}

impl BoxIndex {
    /// The index of what `connection` holds: reads what is not flushed yet.
    pub(crate) fn open(connection: &Connection) -> rusqlite::Result<Self> {
        let index = Self::default();
        flush::read_unflushed(connection, |person, document_no| index.add(person, document_no))?;
        index.after_commit(true);
        Ok(index)
    }

    /// The transaction under way adds a document.
    pub(crate) fn add(&self, person: PersonId, document_no: i64) {
        self.lock().add(person, document_no);
    }

    /// The numbers of a person's documents that may not be flushed yet, the newest first. To be asked
    /// before what is flushed is read: meanwhile these may be flushed as well, and would be missed otherwise.
    pub(crate) fn unflushed(&self, person: PersonId) -> Vec<i64> {
        self.lock().of(person)
    }

    /// Has everything flushed with the next transactions, however little it is.
    pub(crate) fn flush_soon(&self) {
        self.lock().flush_soon();
    }

    /// Flushes what is due beside `rows` documents, in the transaction under way.
    pub(crate) fn flush(&self, connection: &Connection, rows: usize) -> rusqlite::Result<()> {
        // Only the writer changes what is flushed next, so nobody needs to wait while it is written.
        let (entries, flushed_to) = self.lock().next_to_flush(flush::at_once(rows));
        if entries.is_empty() {
            return Ok(());
        }
        flush::flush(connection, &entries, flushed_to)?;
        self.lock().flushed(entries.len());
        Ok(())
    }

    /// The transaction has ended.
    pub(crate) fn after_commit(&self, committed: bool) {
        self.lock().after_commit(committed);
    }

    fn lock(&self) -> MutexGuard<'_, Memtable> {
        self.memtable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
