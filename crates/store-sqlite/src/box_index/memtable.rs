//! The memtable of the box index: the entries of the newest documents and of the batch being flushed. It holds about
//! two batches, since flushing is faster than what arrives.

use std::collections::BTreeSet;

use seoham_model::PersonId;

use super::block_of;

/// Entries flushed together: enough that several share a page of their block, and few enough that they are read again
/// at startup in a fraction of a second.
const FLUSH_BATCH_LEN: usize = 65_536;

/// An entry. The derived order is the flush order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) block: i64,
    pub(super) person: PersonId,
    pub(super) document_no: i64,
}

#[derive(Default)]
pub(super) struct Memtable {
    /// Entries added in the current transaction.
    added: Vec<Entry>,
    entries: BTreeSet<Entry>,
    batch: FlushBatch,
    /// Whether a batch is due regardless of its size.
    soon: bool,
}

/// Entries being flushed, over one or several transactions.
#[derive(Default)]
struct FlushBatch {
    /// Sorted.
    entries: Vec<Entry>,
    /// How many entries are flushed in committed transactions.
    committed: usize,
    /// The same, including the current transaction.
    flushed: usize,
}

impl Memtable {
    pub(super) fn add(&mut self, person: PersonId, document_no: i64) {
        self.added.push(Entry { block: block_of(document_no), person, document_no });
    }

    pub(super) fn flush_soon(&mut self) {
        self.soon = true;
    }

    /// A person's documents, newest first.
    pub(super) fn of(&self, person: PersonId) -> Vec<i64> {
        let mut found: Vec<i64> =
            self.added.iter().filter(|entry| entry.person == person).map(|entry| entry.document_no).collect();
        for block in self.blocks() {
            let entry = |document_no| Entry { block, person, document_no };
            let (first, last) = (entry(i64::MIN), entry(i64::MAX));
            found.extend(self.entries.range(first..=last).map(|entry| entry.document_no));
            let begin = self.batch.entries.partition_point(|entry| *entry < first);
            let of_batch = self.batch.entries[begin..].iter().take_while(|entry| **entry <= last);
            found.extend(of_batch.map(|entry| entry.document_no));
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found
    }

    /// The blocks that have entries here: one or two, since document numbers only grow.
    fn blocks(&self) -> impl Iterator<Item = i64> + use<> {
        let ends = [
            self.entries.first(),
            self.entries.last(),
            self.batch.entries.first(),
            self.batch.entries.last(),
        ];
        let blocks: BTreeSet<i64> = ends.into_iter().flatten().map(|entry| entry.block).collect();
        let (first, last) = (blocks.first().copied(), blocks.last().copied());
        first.zip(last).into_iter().flat_map(|(first, last)| first..=last)
    }

    /// The next entries to flush, at most `at_most`; none if no batch is due. With the last entries of a batch, also
    /// returns the number of the last document that the batch flushes.
    pub(super) fn next_to_flush(&mut self, at_most: usize) -> (Vec<Entry>, Option<i64>) {
        let due = self.entries.len() >= FLUSH_BATCH_LEN || (self.soon && !self.entries.is_empty());
        if self.batch.entries.is_empty() && due {
            self.batch.entries = std::mem::take(&mut self.entries).into_iter().collect();
            self.soon = false;
        }
        let rest = &self.batch.entries[self.batch.flushed..];
        let next = &rest[..at_most.min(rest.len())];
        let whole = next.len() == rest.len();
        let last = whole.then(|| self.batch.entries.iter().map(|entry| entry.document_no).max()).flatten();
        (next.to_vec(), last)
    }

    /// Records that the current transaction flushed `count` more entries.
    pub(super) fn flushed(&mut self, count: usize) {
        self.batch.flushed += count;
    }

    pub(super) fn after_commit(&mut self, committed: bool) {
        let added = std::mem::take(&mut self.added);
        if !committed {
            self.batch.flushed = self.batch.committed;
            return;
        }
        self.entries.extend(added);
        self.batch.committed = self.batch.flushed;
        if self.batch.committed == self.batch.entries.len() {
            self.batch = FlushBatch::default();
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
        let (mut memtable, people) = (Memtable::default(), people(2));
        memtable.add(people[0], 1);
        assert_eq!(memtable.of(people[0]), [1], "the transaction itself finds it");
        memtable.after_commit(false);
        assert_eq!(memtable.of(people[0]), [] as [i64; 0]);
        memtable.add(people[1], 1);
        memtable.after_commit(true);
        assert_eq!((memtable.of(people[0]).len(), memtable.of(people[1])), (0, vec![1]));
    }

    #[test]
    fn a_batch_is_found_until_it_is_flushed_for_good() {
        let (mut memtable, people) = (Memtable::default(), people(3));
        let block = 1 << 20;
        for (n, document_no) in [block - 2, block - 1, block, block + 1].into_iter().enumerate() {
            memtable.add(people[n % 2], document_no);
        }
        memtable.after_commit(true);
        assert!(memtable.next_to_flush(10).0.is_empty(), "too few to be due");
        memtable.flush_soon();
        let (first, last) = memtable.next_to_flush(3);
        assert!(first.is_sorted() && first.len() == 3 && last.is_none());
        memtable.flushed(3);
        memtable.after_commit(false);
        assert_eq!(memtable.next_to_flush(3).0, first, "it was not written");
        memtable.after_commit(true);
        assert_eq!(memtable.next_to_flush(3).0, first, "it failed by itself, with all else committed");
        memtable.flushed(3);
        memtable.after_commit(true);
        memtable.add(people[2], block + 2);
        assert_eq!(memtable.of(people[0]), [block, block - 2]);
        assert_eq!(memtable.of(people[2]), [block + 2]);
        let (rest, last) = memtable.next_to_flush(3);
        assert_eq!((rest.len(), last), (1, Some(block + 1)));
        memtable.flushed(1);
        assert_eq!(memtable.of(people[1]), [block + 1, block - 1], "not committed yet");
        memtable.after_commit(true);
        assert_eq!(memtable.of(people[1]), [] as [i64; 0], "the database has it");
        assert_eq!(memtable.of(people[2]), [block + 2]);
        assert!(memtable.next_to_flush(3).0.is_empty(), "soon is once");
    }

    #[test]
    fn many_are_a_batch() {
        let (mut memtable, people) = (Memtable::default(), people(7));
        for n in 0..FLUSH_BATCH_LEN {
            memtable.add(people[n % 7], i64::try_from(n).unwrap());
        }
        assert!(memtable.next_to_flush(10).0.is_empty(), "not committed yet");
        memtable.after_commit(true);
        assert_eq!(memtable.next_to_flush(10).0.len(), 10);
    }
}
