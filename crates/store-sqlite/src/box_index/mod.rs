//! The index from person to documents: a memtable of the newest entries, flushed to the database in sorted batches.
//! People arrive in random order, so writing each entry at once would touch a different page every time (see the
//! migration that created the table). The database records how far it is flushed, so the memtable is rebuilt after a
//! restart.

mod flush;
mod memtable;
mod walk;

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use seoham_model::PersonId;

pub(crate) use flush::{flushed_to, remove, rewind};
use memtable::Memtable;
pub(crate) use walk::{PersonDocuments, newest_first};

/// Block size as a power of two: entries of 2^20 consecutive document numbers are stored together.
const BLOCK_BITS: u32 = 20;

fn block_of(document_no: i64) -> i64 {
    document_no >> BLOCK_BITS
}

/// The index. Only the writer's thread changes it.
#[derive(Default)]
pub(crate) struct BoxIndex {
    memtable: Mutex<Memtable>,
}

impl BoxIndex {
    /// Opens the index for `connection` and reads the entries that are not flushed yet.
    pub(crate) fn open(connection: &Connection) -> rusqlite::Result<Self> {
        let index = Self::default();
        flush::read_unflushed(connection, |person, document_no| index.add(person, document_no))?;
        index.after_commit(true);
        Ok(index)
    }

    /// Adds a document in the current transaction.
    pub(crate) fn add(&self, person: PersonId, document_no: i64) {
        self.lock().add(person, document_no);
    }

    /// The numbers of a person's documents that may not be flushed yet, newest first. Call this before reading the
    /// flushed entries: an entry flushed in between would otherwise be missed.
    pub(crate) fn unflushed(&self, person: PersonId) -> Vec<i64> {
        self.lock().of(person)
    }

    /// Makes the next transactions flush everything, even a small batch.
    pub(crate) fn flush_soon(&self) {
        self.lock().flush_soon();
    }

    /// Flushes what is due for a transaction that adds `rows` documents, in that transaction.
    pub(crate) fn flush(&self, connection: &Connection, rows: usize) -> rusqlite::Result<()> {
        // Only the writer changes what is flushed next, so the lock need not be held while writing.
        let (entries, flushed_to) = self.lock().next_to_flush(flush::at_once(rows));
        if entries.is_empty() {
            return Ok(());
        }
        flush::flush(connection, &entries, flushed_to)?;
        self.lock().flushed(entries.len());
        Ok(())
    }

    /// Ends the current transaction.
    pub(crate) fn after_commit(&self, committed: bool) {
        self.lock().after_commit(committed);
    }

    fn lock(&self) -> MutexGuard<'_, Memtable> {
        self.memtable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
