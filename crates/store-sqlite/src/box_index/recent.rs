//! The entries that are not filed yet, in memory: those of the last documents, and the lot that is being
//! filed. Some two lots, since filing is faster than what comes.

use std::collections::BTreeSet;

use seoham_model::PersonId;

use super::block_of;

/// Entries that are filed together: enough that several of them share a page of their block, and few enough
/// to be read again at the start in a fraction of a second.
const LOT: usize = 65_536;

/// An entry, in the order in which they are filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) block: i64,
    pub(super) person: PersonId,
    pub(super) document_no: i64,
}

#[derive(Default)]
pub(super) struct Recent {
    /// Added in the transaction under way.
    added: Vec<Entry>,
    entries: BTreeSet<Entry>,
    lot: Lot,
    /// Whether a lot is due however small it is.
    soon: bool,
}

/// Entries that are being filed, over one or several transactions.
#[derive(Default)]
struct Lot {
    /// In their order.
    entries: Vec<Entry>,
    /// How many of them are filed in transactions that were committed.
    committed: usize,
    /// The same with the transaction under way.
    filed: usize,
}

impl Recent {
    pub(super) fn add(&mut self, person: PersonId, document_no: i64) {
        self.added.push(Entry { block: block_of(document_no), person, document_no });
    }

    pub(super) fn file_soon(&mut self) {
        self.soon = true;
    }

    /// A person's documents, the newest first.
    pub(super) fn of(&self, person: PersonId) -> Vec<i64> {
        let mut found: Vec<i64> =
            self.added.iter().filter(|entry| entry.person == person).map(|entry| entry.document_no).collect();
        for block in self.blocks() {
            let entry = |document_no| Entry { block, person, document_no };
            let (first, last) = (entry(i64::MIN), entry(i64::MAX));
            found.extend(self.entries.range(first..=last).map(|entry| entry.document_no));
            let begin = self.lot.entries.partition_point(|entry| *entry < first);
            let of_lot = self.lot.entries[begin..].iter().take_while(|entry| **entry <= last);
            found.extend(of_lot.map(|entry| entry.document_no));
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found
    }

    /// The blocks that have entries here: one or two, since they follow one another.
    fn blocks(&self) -> impl Iterator<Item = i64> + use<> {
        let ends =
            [self.entries.first(), self.entries.last(), self.lot.entries.first(), self.lot.entries.last()];
        let blocks: BTreeSet<i64> = ends.into_iter().flatten().map(|entry| entry.block).collect();
        let (first, last) = (blocks.first().copied(), blocks.last().copied());
        first.zip(last).into_iter().flat_map(|(first, last)| first..=last)
    }

    /// The next entries to be filed, at most so many; none when no lot is due. With the last of a lot comes the
    /// number of the last document that is filed with them.
    pub(super) fn next_to_file(&mut self, at_most: usize) -> (Vec<Entry>, Option<i64>) {
        let due = self.entries.len() >= LOT || (self.soon && !self.entries.is_empty());
        if self.lot.entries.is_empty() && due {
            self.lot.entries = std::mem::take(&mut self.entries).into_iter().collect();
            self.soon = false;
        }
        let rest = &self.lot.entries[self.lot.filed..];
        let next = &rest[..at_most.min(rest.len())];
        let whole = next.len() == rest.len();
        let last = whole.then(|| self.lot.entries.iter().map(|entry| entry.document_no).max()).flatten();
        (next.to_vec(), last)
    }

    /// The transaction under way has filed `count` more.
    pub(super) fn filed(&mut self, count: usize) {
        self.lot.filed += count;
    }

    pub(super) fn ended(&mut self, committed: bool) {
        let added = std::mem::take(&mut self.added);
        if !committed {
            self.lot.filed = self.lot.committed;
            return;
        }
        self.entries.extend(added);
        self.lot.committed = self.lot.filed;
        if self.lot.committed == self.lot.entries.len() {
            self.lot = Lot::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seoham_model::Clock;

    fn people(count: usize) -> Vec<PersonId> {
        let clock = Clock::default();
        (0..count).map(|_| PersonId::generate(&clock)).collect()
    }

    #[test]
    fn what_was_taken_back_is_nobodys() {
        let (mut recent, people) = (Recent::default(), people(2));
        recent.add(people[0], 1);
        assert_eq!(recent.of(people[0]), [1], "the transaction itself finds it");
        recent.ended(false);
        assert_eq!(recent.of(people[0]), [] as [i64; 0]);
        recent.add(people[1], 1);
        recent.ended(true);
        assert_eq!((recent.of(people[0]).len(), recent.of(people[1])), (0, vec![1]));
    }

    #[test]
    fn a_lot_is_found_until_it_is_filed_for_good() {
        let (mut recent, people) = (Recent::default(), people(3));
        let block = 1 << 20;
        for (n, document_no) in [block - 2, block - 1, block, block + 1].into_iter().enumerate() {
            recent.add(people[n % 2], document_no);
        }
        recent.ended(true);
        assert!(recent.next_to_file(10).0.is_empty(), "too few to be due");
        recent.file_soon();
        let (first, last) = recent.next_to_file(3);
        assert!(first.is_sorted() && first.len() == 3 && last.is_none());
        recent.filed(3);
        recent.ended(false);
        assert_eq!(recent.next_to_file(3).0, first, "it was not written");
        recent.ended(true);
        assert_eq!(recent.next_to_file(3).0, first, "it failed by itself, with all else committed");
        recent.filed(3);
        recent.ended(true);
        recent.add(people[2], block + 2);
        assert_eq!(recent.of(people[0]), [block, block - 2]);
        assert_eq!(recent.of(people[2]), [block + 2]);
        let (rest, last) = recent.next_to_file(3);
        assert_eq!((rest.len(), last), (1, Some(block + 1)));
        recent.filed(1);
        assert_eq!(recent.of(people[1]), [block + 1, block - 1], "not committed yet");
        recent.ended(true);
        assert_eq!(recent.of(people[1]), [] as [i64; 0], "the database has it");
        assert_eq!(recent.of(people[2]), [block + 2]);
        assert!(recent.next_to_file(3).0.is_empty(), "soon is once");
    }

    #[test]
    fn many_are_a_lot() {
        let (mut recent, people) = (Recent::default(), people(7));
        for n in 0..LOT {
            recent.add(people[n % 7], i64::try_from(n).unwrap());
        }
        assert!(recent.next_to_file(10).0.is_empty(), "not committed yet");
        recent.ended(true);
        assert_eq!(recent.next_to_file(10).0.len(), 10);
    }
}
