//! Walking over the documents of one person.

use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::PersonId;

use super::{BoxIndex, block_of};
use crate::columns::Id;

/// A person and those of their documents that may not be flushed yet.
pub(crate) struct PersonDocuments {
    pub(crate) person: PersonId,
    /// Newest first.
    unflushed: Vec<i64>,
}

impl BoxIndex {
    /// The documents of `person`, to walk over. Call this before taking a snapshot of the database.
    pub(crate) fn documents(&self, person: PersonId) -> PersonDocuments {
        PersonDocuments { person, unflushed: self.unflushed(person) }
    }
}

/// Calls `each` with the numbers of a person's documents below `before`, newest first, until it breaks.
/// Another transaction may be adding or removing some of them, so `each` must check that the document exists and
/// belongs to the person.
pub(crate) fn newest_first(
    connection: &Connection,
    documents: &PersonDocuments,
    before: i64,
    mut each: impl FnMut(i64) -> rusqlite::Result<ControlFlow<()>>,
) -> rusqlite::Result<()> {
    let PersonDocuments { person, unflushed } = documents;
    for document_no in unflushed.iter().filter(|no| **no < before) {
        if each(*document_no)?.is_break() {
            return Ok(());
        }
    }
    let mut next_block = connection
        .prepare_cached("SELECT block FROM box_entries WHERE block <= ?1 ORDER BY block DESC LIMIT 1")?;
    let mut of_block = connection.prepare_cached(
        "SELECT document_no FROM box_entries WHERE block = ?1 AND person_id = ?2 AND document_no < ?3
         ORDER BY document_no DESC",
    )?;
    let mut at = block_of(before);
    while let Some(block) = next_block.query_row([at], |row| row.get::<_, i64>(0)).optional()? {
        let mut rows = of_block.query(params![block, Id(*person), before])?;
        while let Some(row) = rows.next()? {
            let document_no: i64 = row.get(0)?;
            // Skips entries flushed meanwhile: they were already visited.
            let is_unflushed = unflushed.binary_search_by(|unflushed| document_no.cmp(unflushed)).is_ok();
            if !is_unflushed && each(document_no)?.is_break() {
                return Ok(());
            }
        }
        at = block - 1;
    }
    Ok(())
}
