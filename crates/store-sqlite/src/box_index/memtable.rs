//! The memtable of the box index: the persons of the newest parcels, as their rows have them.

use std::collections::VecDeque;

use seoham_model::{BinderId, ParcelId, PersonId};
use seoham_store::parcel::blocks::{PersonTag, tagged};
use seoham_store::parcel::document::{self, PERSON_BYTES};
use seoham_store::parcel::runs::FLUSH_MAX;

struct Waiting {
    parcel_no: i64,
    parcel: ParcelId,
    persons: Box<[u8]>,
}

impl Waiting {
    fn documents(&self) -> usize {
        self.persons.len() / PERSON_BYTES
    }
}

#[derive(Default)]
pub(super) struct Memtable {
    /// Parcels added in the current transaction.
    added: Vec<Waiting>,
    waiting: VecDeque<Waiting>,
    /// The documents of the waiting parcels.
    documents: usize,
    /// The parcels at the front that the current transaction flushed.
    flushed: usize,
}

/// The next parcels to flush.
pub(super) struct Batch {
    pub(super) parcels: usize,
    /// The number of the last of them.
    pub(super) last_no: i64,
    pub(super) documents: Vec<(PersonTag, BinderId)>,
}

impl Memtable {
    pub(super) fn add(&mut self, parcel_no: i64, parcel: ParcelId, persons: &[u8]) {
        self.added.push(Waiting { parcel_no, parcel, persons: persons.into() });
    }

    /// A person's documents; also those of the current transaction, so that it finds its own.
    pub(super) fn documents_of(&self, person: PersonId) -> Vec<BinderId> {
        let of = |waiting: &Waiting| {
            document::documents_of(waiting.parcel, &waiting.persons, person).collect::<Vec<_>>()
        };
        self.waiting.iter().chain(&self.added).flat_map(of).collect()
    }

    /// The parcels of a full block; `None` if there are too few.
    pub(super) fn next_batch(&self) -> Option<Batch> {
        if self.documents < FLUSH_MAX {
            return None;
        }
        let mut batch = Batch { parcels: 0, last_no: 0, documents: Vec::with_capacity(FLUSH_MAX) };
        for waiting in &self.waiting {
            if batch.documents.len() + waiting.documents() > FLUSH_MAX {
                break;
            }
            batch.documents.extend(tagged(waiting.parcel, &waiting.persons));
            batch.parcels += 1;
            batch.last_no = waiting.parcel_no;
        }
        Some(batch)
    }

    /// Records that the current transaction flushed the next batch.
    pub(super) fn flushed(&mut self, parcels: usize) {
        self.flushed = parcels;
    }

    pub(super) fn after_commit(&mut self, committed: bool) {
        let (added, flushed) = (std::mem::take(&mut self.added), std::mem::take(&mut self.flushed));
        if !committed {
            return;
        }
        for gone in self.waiting.drain(..flushed.min(self.waiting.len())) {
            self.documents -= gone.documents();
        }
        self.documents += added.iter().map(Waiting::documents).sum::<usize>();
        self.waiting.extend(added);
    }
}

#[cfg(test)]
mod tests {
    use seoham_model::Clock;

    use super::*;

    fn people(count: usize) -> Vec<PersonId> {
        let clock = Clock::default();
        (0..count).map(|_| PersonId::generate(&clock)).collect()
    }

    fn persons(people: &[PersonId]) -> Vec<u8> {
        people.iter().flat_map(|person| *person.as_bytes()).collect()
    }

    #[test]
    fn what_was_taken_back_is_nobodys() {
        let (mut memtable, people, parcel) =
            (Memtable::default(), people(2), ParcelId::generate(&Clock::default()));
        memtable.add(1, parcel, &persons(&people));
        assert_eq!(memtable.documents_of(people[1]), [parcel.document(1)], "the transaction itself finds it");
        memtable.after_commit(false);
        assert!(memtable.documents_of(people[1]).is_empty());
        memtable.add(1, parcel, &persons(&people[..1]));
        memtable.after_commit(true);
        assert_eq!(memtable.documents_of(people[0]), [parcel.document(0)]);
        assert!(memtable.documents_of(people[1]).is_empty());
    }

    #[test]
    fn a_full_block_is_found_until_it_is_flushed_for_good() {
        let (mut memtable, people, clock) = (Memtable::default(), people(100), Clock::default());
        let parcels = FLUSH_MAX.div_ceil(100);
        for parcel_no in 0..parcels {
            assert!(memtable.next_batch().is_none(), "too few to be due");
            memtable.add(
                i64::try_from(parcel_no).expect("fits"),
                ParcelId::generate(&clock),
                &persons(&people),
            );
            memtable.after_commit(true);
        }
        let batch = memtable.next_batch().expect("due");
        assert_eq!((batch.parcels, batch.documents.len()), (parcels - 1, (parcels - 1) * 100));
        assert_eq!(batch.last_no, i64::try_from(parcels - 2).expect("fits"));
        memtable.flushed(batch.parcels);
        memtable.after_commit(false);
        assert_eq!(memtable.documents_of(people[0]).len(), parcels, "it was not written");
        memtable.flushed(memtable.next_batch().expect("due again").parcels);
        assert_eq!(memtable.documents_of(people[0]).len(), parcels, "not committed yet");
        memtable.after_commit(true);
        assert_eq!(memtable.documents_of(people[0]).len(), 1, "the database has the others");
        assert!(memtable.next_batch().is_none());
    }
}
