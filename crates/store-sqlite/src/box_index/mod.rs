//! The index from person to documents. A memtable has the persons of the newest parcels; a flush makes a run of them in
//! the database, and runs are merged. What blocks and runs are is decided by the store's `parcel` module. The database
//! records how far it is flushed, so that the memtable is rebuilt after a restart.

mod flush;
mod lookup;
mod memtable;
mod merge;

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use seoham_model::{BinderId, Clock, ParcelId, PersonId};

use crate::readers::ReadError;
use memtable::Memtable;

/// The name of the deployment value with the number of the last flushed parcel.
pub(crate) const FLUSHED_TO: &str = "box_index_flushed_to";

/// Entries in a block. A value is a chain of pages here, which is followed from its beginning to the slice that is read: small
/// blocks have short chains.
const BLOCK_ENTRIES: usize = 1 << 12;

/// The index. Only the writer's thread changes it.
#[derive(Default)]
pub(crate) struct BoxIndex {
    clock: Clock,
    memtable: Mutex<Memtable>,
}

impl BoxIndex {
    /// Opens the index for `connection`: reads the parcels that are not flushed yet, and removes what an interrupted
    /// merge left.
    pub(crate) fn open(connection: &Connection, clock: &Clock) -> rusqlite::Result<Self> {
        let index = Self { clock: clock.clone(), memtable: Mutex::default() };
        flush::read_unflushed(connection, |parcel_no, parcel, persons| {
            index.add(parcel_no, parcel, persons);
        })?;
        index.after_commit(true);
        merge::remove_unlisted(connection)?;
        Ok(index)
    }

    /// Adds a parcel in the current transaction.
    pub(crate) fn add(&self, parcel_no: i64, parcel: ParcelId, persons: &[u8]) {
        self.lock().add(parcel_no, parcel, persons);
    }

    /// The ids of documents of a person, newest first. Some may be of another person with the same tag, or removed:
    /// whoever reads the documents finds out.
    pub(crate) fn documents_of(
        &self,
        connection: &Connection,
        person: PersonId,
    ) -> Result<Vec<BinderId>, ReadError> {
        // What is in memory comes first: a flush in between moves it to the database, where it is found too.
        let mut found = self.lock().documents_of(person);
        found.extend(lookup::search(connection, person)?);
        found.sort_unstable_by(|one, other| other.cmp(one));
        found.dedup();
        Ok(found)
    }

    /// Flushes what is due, in the current transaction.
    pub(crate) fn flush(&self, connection: &Connection) -> rusqlite::Result<()> {
        // Only the writer changes what is flushed next, so the lock need not be held while writing.
        let Some(batch) = self.lock().next_batch() else { return Ok(()) };
        flush::flush(connection, &self.clock, batch.documents, batch.last_no)?;
        self.lock().flushed(batch.parcels);
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

#[cfg(test)]
mod tests {
    use rusqlite::params;
    use seoham_store::parcel::runs::FLUSH_MAX;

    use super::*;
    use crate::columns::Id;
    use crate::open::deployment_value;

    const DOCUMENTS: usize = 128;

    /// Stores a parcel as an acceptance does, as far as the index needs it.
    fn accept(connection: &Connection, index: &BoxIndex, persons: &[u8]) -> ParcelId {
        let parcel = ParcelId::generate(&index.clock);
        connection
            .execute(
                "INSERT INTO parcels (parcel_id, institution_id, contract_id, sent_at, last_deadline_at, head, persons,
                                      texts, parts)
                 VALUES (?1, x'', x'', 0, 0, x'', ?2, x'', x'')",
                params![Id(parcel), persons],
            )
            .expect("written");
        index.add(connection.last_insert_rowid(), parcel, persons);
        parcel
    }

    fn flushed_to(connection: &Connection) -> i64 {
        deployment_value(connection, FLUSHED_TO).expect("read").expect("there")
    }

    #[test]
    fn a_box_is_whole_across_flushes_failed_transactions_and_restarts() {
        let mut connection = Connection::open_in_memory().expect("SQLite");
        crate::migrations::runner().run(&mut connection).expect("the schema");
        let clock = Clock::default();
        let index = BoxIndex::open(&connection, &clock).expect("opens");
        let people: Vec<PersonId> = (0..DOCUMENTS).map(|_| PersonId::generate(&clock)).collect();
        let persons: Vec<u8> = people.iter().flat_map(|person| *person.as_bytes()).collect();
        let mut parcels = Vec::new();
        let is_whole = |index: &BoxIndex, parcels: &[ParcelId]| {
            for position in [0, 77, 127u8] {
                let person = people[usize::from(position)];
                let Ok(found) = index.documents_of(&connection, person) else { panic!("found") };
                let newest_first = parcels.iter().rev().map(|parcel| parcel.document(position));
                let mut expected: Vec<BinderId> = newest_first.collect();
                expected.sort_unstable_by(|one, other| other.cmp(one));
                assert_eq!(found, expected);
            }
        };
        while parcels.len() * DOCUMENTS < FLUSH_MAX {
            assert_eq!(flushed_to(&connection), 0);
            parcels.push(accept(&connection, &index, &persons));
            index.flush(&connection).expect("nothing is due");
            index.after_commit(true);
        }
        is_whole(&index, &parcels);

        // The transaction that flushes fails.
        connection.execute_batch("BEGIN").expect("begins");
        index.flush(&connection).expect("flushes");
        is_whole(&index, &parcels);
        connection.execute_batch("ROLLBACK").expect("rolls back");
        index.after_commit(false);
        is_whole(&index, &parcels);

        parcels.push(accept(&connection, &index, &persons));
        index.flush(&connection).expect("flushes");
        is_whole(&index, &parcels);
        index.after_commit(true);
        is_whole(&index, &parcels);
        assert_eq!(flushed_to(&connection), i64::try_from(parcels.len() - 1).expect("fits"));

        let index = BoxIndex::open(&connection, &clock).expect("opens again");
        is_whole(&index, &parcels);
        assert_eq!(index.lock().documents_of(people[0]).len(), 1, "only the rest is read again");
        // What was removed frees no number: a new parcel is not taken for one that is flushed.
        connection.execute("DELETE FROM parcels", []).expect("removed");
        let new = accept(&connection, &index, &persons);
        index.after_commit(true);
        let index = BoxIndex::open(&connection, &clock).expect("opens again");
        assert_eq!(index.lock().documents_of(people[0]), [new.document(0)]);
    }
}
