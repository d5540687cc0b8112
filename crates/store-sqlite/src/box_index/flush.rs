//! Flushing entries into the database, and removing them again.

use rusqlite::{Connection, params};
use seoham_model::PersonId;

use super::block_of;
use super::memtable::Entry;
use crate::columns::Id;

/// Entries flushed per new document. More than one, so that a batch is flushed before the next is due.
const FOR_EACH: usize = 2;
/// Maximum number of entries flushed in one transaction: a few milliseconds of work.
const AT_ONCE_MAX: usize = 4_000;

/// The maximum number of entries to flush in a transaction that adds `rows` documents.
pub(super) fn at_once(rows: usize) -> usize {
    (rows * FOR_EACH).min(AT_ONCE_MAX)
}

/// Flushes `entries`. If they complete a batch, also records the number up to which everything is flushed.
pub(super) fn flush(
    connection: &Connection,
    entries: &[Entry],
    flushed_to: Option<i64>,
) -> rusqlite::Result<()> {
    // Entries may already be there if the process ended in the middle of a batch.
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO box_entries (block, person_id, document_no) VALUES (?1, ?2, ?3)",
    )?;
    for entry in entries {
        insert.execute(params![entry.block, Id(entry.person), entry.document_no])?;
    }
    if let Some(last_no) = flushed_to {
        connection
            .prepare_cached("UPDATE deployment SET value = ?1 WHERE name = 'filed_to'")?
            .execute([last_no])?;
    }
    Ok(())
}

/// Calls `each` for every document that is not flushed yet.
pub(super) fn read_unflushed(
    connection: &Connection,
    mut each: impl FnMut(PersonId, i64),
) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare("SELECT person_id, document_no FROM documents WHERE document_no > ?1")?;
    let mut rows = statement.query([flushed_to(connection)?])?;
    while let Some(row) = rows.next()? {
        each(row.get::<_, Id<PersonId>>(0)?.0, row.get(1)?);
    }
    Ok(())
}

/// The number of the last flushed document. The row keeps the name that the first migration gave it.
pub(crate) fn flushed_to(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT value FROM deployment WHERE name = 'filed_to'")?
        .query_row([], |row| row.get(0))
}

/// Removes the entry of a flushed document.
pub(crate) fn remove(connection: &Connection, document_no: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM box_entries WHERE block = ?1 AND document_no = ?2
             AND person_id = (SELECT person_id FROM documents WHERE document_no = ?2)",
        )?
        .execute(params![block_of(document_no), document_no])?;
    Ok(())
}

/// Adjusts `filed_to` after documents were removed. If they were the last ones, SQLite may reuse their numbers for
/// new documents, which are not flushed yet.
pub(crate) fn rewind(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE deployment SET value = (SELECT coalesce(max(document_no), 0) FROM documents)
             WHERE name = 'filed_to' AND value > (SELECT coalesce(max(document_no), 0) FROM documents)",
        )?
        .execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use seoham_model::{BinderId, Clock, InstitutionId};

    use super::*;
    use crate::box_index::{BoxIndex, newest_first};

    fn add(connection: &Connection, index: &BoxIndex, person: PersonId, document_no: i64) {
        let clock = Clock::default();
        let (document, institution) = (BinderId::generate(&clock), InstitutionId::generate(&clock));
        connection
            .execute(
                "INSERT INTO documents (document_no, document_id, institution_id, contract_id, person_id, sealed,
                                        deadline_at, sent_at)
                 VALUES (?1, ?2, ?3, x'', ?4, x'', 0, 0)",
                params![document_no, Id(document), Id(institution), Id(person)],
            )
            .unwrap();
        index.add(person, document_no);
    }

    fn of(connection: &Connection, index: &BoxIndex, person: PersonId, before: i64) -> Vec<i64> {
        let mut found = Vec::new();
        newest_first(connection, &index.documents(person), before, |no| {
            found.push(no);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
        found
    }

    #[test]
    fn what_memory_loses_is_read_again() {
        let mut connection = Connection::open_in_memory().expect("SQLite");
        crate::migrations::runner().run(&mut connection).expect("the schema");
        let (clock, block) = (Clock::default(), 1 << super::super::BLOCK_BITS);
        let (one, other) = (PersonId::generate(&clock), PersonId::generate(&clock));
        let index = BoxIndex::open(&connection).unwrap();
        for document_no in [1, 2, block, block + 1, 5 * block] {
            add(&connection, &index, if document_no == 2 { other } else { one }, document_no);
        }
        index.after_commit(true);
        let all = [5 * block, block + 1, block, 1];
        assert_eq!(of(&connection, &index, one, i64::MAX), all);

        // Three of five are flushed when the process ends.
        index.flush_soon();
        index.flush(&connection, 1).unwrap();
        index.after_commit(true);
        index.flush(&connection, 1).unwrap();
        index.after_commit(true);
        assert_eq!(of(&connection, &index, one, i64::MAX), all, "each once, flushed or not");
        assert_eq!(flushed_to(&connection).unwrap(), 0);
        let index = BoxIndex::open(&connection).unwrap();
        assert_eq!(of(&connection, &index, one, i64::MAX), all);

        index.flush_soon();
        while flushed_to(&connection).unwrap() == 0 {
            index.flush(&connection, 1).unwrap();
            index.after_commit(true);
        }
        let index = BoxIndex::open(&connection).unwrap();
        assert!(index.unflushed(one).is_empty(), "nothing needs to be read again");
        assert_eq!(of(&connection, &index, one, block + 1), [block, 1]);
        assert_eq!(of(&connection, &index, other, i64::MAX), [2]);
    }

    #[test]
    fn a_number_that_is_given_anew_is_not_flushed() {
        let mut connection = Connection::open_in_memory().expect("SQLite");
        crate::migrations::runner().run(&mut connection).expect("the schema");
        let (clock, index) = (Clock::default(), BoxIndex::default());
        let (before, after) = (PersonId::generate(&clock), PersonId::generate(&clock));
        add(&connection, &index, before, 1);
        index.after_commit(true);
        index.flush_soon();
        index.flush(&connection, 1).unwrap();
        index.after_commit(true);
        assert_eq!(flushed_to(&connection).unwrap(), 1);
        remove(&connection, 1).unwrap();
        connection.execute("DELETE FROM documents", []).unwrap();
        rewind(&connection).unwrap();
        add(&connection, &index, after, 1);
        let index = BoxIndex::open(&connection).unwrap();
        assert_eq!(of(&connection, &index, after, i64::MAX), [1]);
        assert!(of(&connection, &index, before, i64::MAX).is_empty());
    }
}
