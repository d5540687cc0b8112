//! Blocks of the index from person to documents: sorted runs, as of a log-structured merge tree (DESIGN 3).
//!
//! A flush task cuts the documents of new parcels into blocks behind acceptance; adjacent blocks are merged into longer
//! runs, each still in blocks of the same size. A block has two columns of bytes: `parcels` (16 bytes for each parcel,
//! ascending) and `entries` (8 bytes for each document, ascending), and a row says how many entries there are and the
//! first and the last tag. An entry is the tag of a person, the index of a parcel in the block, and the position of the
//! document in the parcel. Tags are evenly distributed, so that [`Search`] finds a person's entries by interpolation with
//! one or two slices of a block.

use std::ops::Range;

use seoham_model::{BinderId, ParcelId, PersonId};

use super::document;
use super::head::DOCUMENTS_MAX;
use crate::{Result, StoreError};

/// Entries in one block, and parcels that they are in: an index of a parcel has 16 bits.
pub const BLOCK_MAX: usize = 1 << 16;

/// The bytes of an entry.
pub const ENTRY_BYTES: usize = 8;

/// The bytes of a parcel's id.
pub const PARCEL_BYTES: usize = 16;

/// Entries that are read at once around the place where a tag is expected. With evenly distributed tags the
/// standard deviation of that place is at most 128, and somewhat more where people have several documents.
const WINDOW: usize = 1_024;

/// Interpolations before the search halves what is left, whatever the tags are.
const INTERPOLATIONS_MAX: u32 = 3;

/// By what a person is found in a block: 40 bits. Two people may share one; their parcels tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonTag(u64);

impl PersonTag {
    const MAX: u64 = (1 << 40) - 1;

    /// The tag of a person: bits of the id that are random.
    pub fn of(person: PersonId) -> Self {
        let low = person.as_bytes().last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Self(low & Self::MAX)
    }

    /// The number that a store keeps.
    pub fn as_number(self) -> i64 {
        self.0.cast_signed()
    }

    /// The tag that a store kept as `number`; `None` for one that is no tag.
    pub fn from_number(number: i64) -> Option<Self> {
        u64::try_from(number).ok().filter(|tag| *tag <= Self::MAX).map(Self)
    }
}

/// A document in a block: tag, index of the parcel, position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u64);

impl Entry {
    fn new(tag: PersonTag, parcel: u16, position: u8) -> Self {
        Self(tag.0 << 24 | u64::from(parcel) << 8 | u64::from(position))
    }

    fn tag(self) -> PersonTag {
        PersonTag(self.0 >> 24)
    }

    fn place(self) -> Place {
        let [.., high, low, position] = self.0.to_be_bytes();
        Place { parcel: u16::from_be_bytes([high, low]), position }
    }
}

/// Where a document is, as a block says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The index of its parcel in the block's column `parcels`.
    pub parcel: u16,
    /// Its position in the parcel.
    pub position: u8,
}

impl Place {
    /// The slice of the column `parcels` with the parcel's id.
    pub fn parcel_slice(self) -> Range<usize> {
        let start = usize::from(self.parcel) * PARCEL_BYTES;
        start..start + PARCEL_BYTES
    }
}

/// A block, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    parcels: Vec<ParcelId>,
    entries: Vec<Entry>,
}

impl Block {
    /// The first tag and the last.
    pub fn tags(&self) -> Option<(PersonTag, PersonTag)> {
        Some((self.entries.first()?.tag(), self.entries.last()?.tag()))
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// The first parcel and the last.
    pub fn parcels(&self) -> Option<(ParcelId, ParcelId)> {
        Some((*self.parcels.first()?, *self.parcels.last()?))
    }

    /// The columns `parcels` and `entries`.
    pub fn encode(&self) -> (Vec<u8>, Vec<u8>) {
        let parcels = self.parcels.iter().flat_map(|parcel| *parcel.as_bytes()).collect();
        let entries = self.entries.iter().flat_map(|entry| entry.0.to_be_bytes()).collect();
        (parcels, entries)
    }

    /// The block of two columns.
    pub fn decode(parcels: &[u8], entries: &[u8]) -> Result<Self> {
        let damaged = || StoreError::damaged("a block of the box index");
        let (ids, rest) = parcels.as_chunks::<PARCEL_BYTES>();
        let (numbers, more) = entries.as_chunks::<ENTRY_BYTES>();
        let block = Self {
            parcels: ids.iter().map(|id| ParcelId::from_bytes(*id)).collect(),
            entries: numbers.iter().map(|number| Entry(u64::from_be_bytes(*number))).collect(),
        };
        let leads_to_a_parcel = |entry: &Entry| {
            let place = entry.place();
            usize::from(place.parcel) < block.parcels.len() && usize::from(place.position) < DOCUMENTS_MAX
        };
        let is_sound = rest.is_empty()
            && more.is_empty()
            && block.parcels.is_sorted()
            && block.parcels.iter().all(|parcel| parcel.document(0).parcel() == *parcel)
            && block.entries.is_sorted()
            && block.entries.iter().all(leads_to_a_parcel);
        if is_sound { Ok(block) } else { Err(damaged()) }
    }

    /// The documents, by tag.
    pub fn documents(&self) -> impl Iterator<Item = (PersonTag, BinderId)> {
        self.entries.iter().filter_map(|entry| {
            let place = entry.place();
            let parcel = self.parcels.get(usize::from(place.parcel))?;
            Some((entry.tag(), parcel.document(place.position)))
        })
    }
}

/// What a run says of the documents of a parcel with the column `persons`.
pub fn tagged(parcel: ParcelId, persons: &[u8]) -> impl Iterator<Item = (PersonTag, BinderId)> {
    document::recipients(parcel, persons).map(|(person, document)| (PersonTag::of(person), document))
}

/// The blocks of one run, ascending by tag, for documents in any order.
///
/// Blocks have at most `entries_max` entries. Larger ones are fewer and list each parcel less often; a store chooses what it
/// reads slices of at the least cost.
pub fn cut(documents: impl IntoIterator<Item = (PersonTag, BinderId)>, entries_max: usize) -> Vec<Block> {
    let mut documents: Vec<(PersonTag, BinderId)> = documents.into_iter().collect();
    documents.sort_unstable();
    documents.dedup();
    documents.chunks(entries_max.clamp(1, BLOCK_MAX)).map(block).collect()
}

/// One run of the documents of several, in blocks as of [`cut`].
pub fn merge(blocks: &[Block], entries_max: usize) -> Vec<Block> {
    cut(blocks.iter().flat_map(Block::documents), entries_max)
}

/// A block of at most [`BLOCK_MAX`] sorted documents.
fn block(documents: &[(PersonTag, BinderId)]) -> Block {
    let mut parcels: Vec<ParcelId> = documents.iter().map(|(_, document)| document.parcel()).collect();
    parcels.sort_unstable();
    parcels.dedup();
    let entry = |(tag, document): &(PersonTag, BinderId)| {
        let parcel = parcels.binary_search(&document.parcel()).ok().and_then(|i| u16::try_from(i).ok());
        Entry::new(*tag, parcel.expect("as many parcels as documents at most"), document.position())
    };
    let mut entries: Vec<Entry> = documents.iter().map(entry).collect();
    entries.sort_unstable();
    Block { parcels, entries }
}

/// Finds the entries of a tag in a block by slices of its column `entries`: ask for [`Search::slice`] and give it to
/// [`Search::read`] until there is none.
pub struct Search {
    tag: PersonTag,
    /// Entries before it have a smaller tag.
    low: Bound,
    /// Entries from it on have a greater one.
    high: Bound,
    interpolations: u32,
    /// What was read and has the tag, as a range of entries.
    hit: Option<Range<usize>>,
    found: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Bound {
    at: usize,
    tag: PersonTag,
}

impl Search {
    /// The search for `tag` in a block of `count` entries, the first and the last of which have these tags.
    pub fn new(tag: PersonTag, count: usize, first: PersonTag, last: PersonTag) -> Self {
        let count = if (first..=last).contains(&tag) { count.min(BLOCK_MAX) } else { 0 };
        Self {
            tag,
            low: Bound { at: 0, tag: first },
            high: Bound { at: count, tag: last },
            interpolations: 0,
            hit: None,
            found: Vec::new(),
        }
    }

    /// The entries to read next; `None` when all of the tag are found.
    pub fn slice(&self) -> Option<Range<usize>> {
        if let Some(hit) = &self.hit {
            // The rest of the run of equal tags, to both sides of what was read.
            return if hit.start > self.low.at {
                Some(hit.start.saturating_sub(WINDOW).max(self.low.at)..hit.start)
            } else if hit.end < self.high.at {
                Some(hit.end..(hit.end + WINDOW).min(self.high.at))
            } else {
                None
            };
        }
        let left = self.low.at..self.high.at;
        if left.is_empty() {
            return None;
        }
        let place = if self.interpolations < INTERPOLATIONS_MAX { self.expected() } else { left.len() / 2 };
        let start = (left.start + place).saturating_sub(WINDOW / 2).clamp(left.start, left.end - 1);
        Some(start..(start + WINDOW).min(left.end))
    }

    /// Where the tag is expected among what is left.
    fn expected(&self) -> usize {
        let (low, high) = (self.low.tag.0, self.high.tag.0);
        let len = (self.high.at - self.low.at) as u64;
        let before = self.tag.0.saturating_sub(low).saturating_mul(len);
        usize::try_from(before / (high.saturating_sub(low) + 1)).unwrap_or(0)
    }

    /// Takes the bytes of the entries that [`Search::slice`] asked for.
    pub fn read(&mut self, bytes: &[u8]) -> Result<()> {
        let damaged = || StoreError::damaged("a block of the box index");
        let Some(slice) = self.slice() else { return Ok(()) };
        let (numbers, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        let entries: Vec<Entry> = numbers.iter().map(|number| Entry(u64::from_be_bytes(*number))).collect();
        if entries.len() != slice.len() || !rest.is_empty() || !entries.is_sorted() {
            return Err(damaged());
        }
        let start = entries.partition_point(|entry| entry.tag() < self.tag);
        let end = entries.partition_point(|entry| entry.tag() <= self.tag);
        self.found.extend(entries[start..end].iter().map(|entry| entry.place()));
        self.interpolations += 1;
        // What is smaller or greater in the slice bounds the rest.
        if let Some(smaller) = start.checked_sub(1) {
            self.low = Bound { at: slice.start + start, tag: entries[smaller].tag() };
        }
        if let Some(greater) = entries.get(end) {
            self.high = Bound { at: slice.start + end, tag: greater.tag() };
        }
        if start < end || self.hit.is_some() {
            let read = slice.start + start..slice.start + end;
            self.hit = Some(match self.hit.take() {
                None => read,
                Some(hit) if slice.start < hit.start => read.start..hit.end,
                Some(hit) => hit.start..read.end,
            });
        }
        Ok(())
    }

    /// The places of the documents that may be the person's, the oldest first.
    pub fn places(mut self) -> Vec<Place> {
        self.found.sort_unstable();
        self.found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use seoham_model::Clock;

    use super::*;

    fn search(block: &Block, tag: PersonTag) -> (Vec<BinderId>, usize) {
        let (parcels, entries) = block.encode();
        let Some((first, last)) = block.tags() else { return (Vec::new(), 0) };
        let mut search = Search::new(tag, block.count(), first, last);
        let mut slices = 0;
        while let Some(slice) = search.slice() {
            search.read(&entries[slice.start * ENTRY_BYTES..slice.end * ENTRY_BYTES]).expect("sound");
            slices += 1;
        }
        let id = |place: Place| {
            let id = parcels[place.parcel_slice()].try_into().expect("16 bytes");
            ParcelId::from_bytes(id).document(place.position)
        };
        (search.places().into_iter().map(id).collect(), slices)
    }

    /// Documents of parcels with random ids.
    fn documents(tags: &[u64]) -> Vec<(PersonTag, BinderId)> {
        let clock = Clock::default();
        let mut documents = Vec::new();
        for tags in tags.chunks(100) {
            let parcel = ParcelId::generate(&clock);
            documents.extend((0u8..).zip(tags).map(|(i, tag)| (PersonTag(*tag), parcel.document(i))));
        }
        documents
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn everybody_is_found_whatever_the_tags(
            tags in prop_oneof![
                vec(0..=PersonTag::MAX, 1..3_000),
                vec(0u64..4, 1..3_000),
                vec(prop_oneof![Just(0), Just(PersonTag::MAX), 0u64..1_000], 1..3_000),
            ],
            other in 0..=PersonTag::MAX,
        ) {
            let documents = documents(&tags);
            let mut of_tag: BTreeMap<PersonTag, Vec<BinderId>> = BTreeMap::new();
            for (tag, document) in &documents {
                of_tag.entry(*tag).or_default().push(*document);
            }
            let blocks = cut(documents, BLOCK_MAX);
            prop_assert_eq!(blocks.len(), 1);
            let (parcels, entries) = blocks[0].encode();
            prop_assert_eq!(&Block::decode(&parcels, &entries).expect("sound"), &blocks[0]);
            for (tag, mut documents) in of_tag.iter().map(|(tag, documents)| (*tag, documents.clone())) {
                documents.sort();
                let (found, slices) = search(&blocks[0], tag);
                prop_assert!(slices <= 12, "{} slices", slices);
                prop_assert_eq!(found, documents);
            }
            if !of_tag.contains_key(&PersonTag(other)) {
                prop_assert_eq!(search(&blocks[0], PersonTag(other)).0, []);
            }
        }

        #[test]
        fn damage_is_an_error_and_no_panic(
            tags in vec(0..=PersonTag::MAX, 1..2_000), place in any::<prop::sample::Index>(), byte in any::<u8>()
        ) {
            let block = cut(documents(&tags), BLOCK_MAX).remove(0);
            let (mut parcels, mut entries) = block.encode();
            let at = place.index(entries.len());
            entries[at] = byte;
            let (first, last) = block.tags().expect("not empty");
            let mut search = Search::new(first, block.count(), first, last);
            for _ in 0..100 {
                let Some(slice) = search.slice() else { break };
                if search.read(&entries[slice.start * ENTRY_BYTES..slice.end * ENTRY_BYTES]).is_err() {
                    break;
                }
            }
            let _ = Block::decode(&parcels, &entries);
            parcels.pop();
            prop_assert!(Block::decode(&parcels, &entries).is_err());
        }
    }

    #[test]
    fn a_full_block_takes_few_slices() {
        let clock = Clock::default();
        let people: Vec<PersonId> = (0..40_000).map(|_| PersonId::generate(&clock)).collect();
        let tags: Vec<u64> = people.iter().chain(&people[..25_536]).map(|p| PersonTag::of(*p).0).collect();
        let blocks = cut(documents(&tags), BLOCK_MAX);
        assert_eq!(blocks.iter().map(Block::count).collect::<Vec<_>>(), [BLOCK_MAX]);
        let mut slices = 0;
        for person in &people[..1_000] {
            let (found, read) = search(&blocks[0], PersonTag::of(*person));
            assert!(found.len() >= 2);
            slices += read;
        }
        assert!(slices < 1_100, "{slices} slices for 1,000 people");
    }

    #[test]
    fn runs_are_merged_into_blocks_by_tag() {
        let tags = |n: u64| (0..70_000).map(|i| (i * 7_919 + n) % PersonTag::MAX).collect::<Vec<_>>();
        let runs: Vec<Block> =
            [tags(1), tags(2)].iter().flat_map(|tags| cut(documents(tags), 4_096)).collect();
        let merged = merge(&runs, BLOCK_MAX);
        assert_eq!(merged.iter().map(Block::count).collect::<Vec<_>>(), [BLOCK_MAX, BLOCK_MAX, 8_928]);
        assert!(merged.is_sorted_by_key(Block::tags));
        let of = |blocks: &[Block]| {
            let mut all: Vec<_> = blocks.iter().flat_map(Block::documents).collect();
            all.sort_unstable();
            all
        };
        assert_eq!(of(&merged), of(&runs));
        let smaller = merge(&merged, 4_096);
        assert_eq!(smaller.iter().map(Block::count).max(), Some(4_096));
        assert_eq!(of(&smaller), of(&runs), "blocks of any size are one run");
    }
}
