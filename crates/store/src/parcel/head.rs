//! The row format of a parcel, a versioned encoding: its head tells what is known of each document without opening it,
//! and where its sealed parts are.
//!
//! A parcel has four columns of bytes: `persons` (16 bytes for each document), `head` (this format), `texts` (sealed
//! texts that several documents share) and `parts` (the sealed own part of each document). The head says which slice
//! of the other columns a document needs, so that a store reads no more than that.
//!
//! ```text
//! version: u8 = 1
//! count: u8                      documents, 1 to 128
//! flags: u8
//! members: ceil(count / 8)       a bit for each document: its person was a member
//! deadlines: i64 or count * i64  one for all, or one for each
//! texts: u8, texts * u32,        only with shared texts: their number, 1 to 128, their ends in `texts`,
//!   count * u8                   and for each document the number of its text, counted from 1; 0 for none
//! part_ends: count * u32         ends of the own parts in `parts`
//! hash_ends: count * u16, bytes  only with hashes of originals
//! ```
//!
//! Integers are little-endian. Damage in the part of one document is an error of that document alone.

use std::ops::Range;

use seoham_model::UnixSeconds;

use crate::{Result, StoreError};

/// Documents in one parcel; the contract allows 100 in one request (SPEC 5).
pub const DOCUMENTS_MAX: usize = 128;

const VERSION: u8 = 1;
const DEADLINES_DIFFER: u8 = 1;
const HAS_TEXTS: u8 = 2;
const HAS_HASHES: u8 = 4;
const FLAGS: u8 = DEADLINES_DIFFER | HAS_TEXTS | HAS_HASHES;

/// One document of a parcel that is to be encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its person was a member: it is in the box from the start.
    pub member: bool,
    /// Until when it can be opened.
    pub deadline_at: UnixSeconds,
    /// The number of its shared text in the parcel, counted from 0.
    pub text: Option<u8>,
    /// The sealed bytes of its own part.
    pub part_bytes: u32,
    /// The institution's hash of the original.
    pub hash: Option<String>,
}

/// The encoded head of a parcel.
///
/// `text_bytes` are the lengths of the sealed shared texts. Fails where a parcel would hold more than the format can
/// address, which the limits of the contract prevent.
pub fn encode(entries: &[Entry], text_bytes: &[u32]) -> Result<Vec<u8>> {
    let count = u8::try_from(entries.len()).ok().filter(|n| (1..=DOCUMENTS_MAX).contains(&usize::from(*n)));
    let count = count.ok_or_else(too_large)?;
    let first_deadline = entries[0].deadline_at;
    let deadlines_differ = entries.iter().any(|entry| entry.deadline_at != first_deadline);
    let has_hashes = entries.iter().any(|entry| entry.hash.is_some());
    let mut flags = 0;
    for (flag, is_set) in
        [(DEADLINES_DIFFER, deadlines_differ), (HAS_TEXTS, !text_bytes.is_empty()), (HAS_HASHES, has_hashes)]
    {
        flags |= if is_set { flag } else { 0 };
    }
    let mut head = vec![VERSION, count, flags];
    let mut members = vec![0u8; entries.len().div_ceil(8)];
    for (i, _) in entries.iter().enumerate().filter(|(_, entry)| entry.member) {
        members[i / 8] |= 1 << (i % 8);
    }
    head.extend(members);
    let deadlines = if deadlines_differ { entries } else { &entries[..1] };
    head.extend(deadlines.iter().flat_map(|entry| entry.deadline_at.0.to_le_bytes()));
    if !text_bytes.is_empty() {
        head.push(u8::try_from(text_bytes.len()).map_err(|_| too_large())?);
        push_ends(&mut head, text_bytes.iter().copied()).ok_or_else(too_large)?;
        for entry in entries {
            let number = match entry.text {
                None => 0,
                Some(text) if usize::from(text) < text_bytes.len() => text + 1,
                Some(_) => return Err(too_large()),
            };
            head.push(number);
        }
    }
    push_ends(&mut head, entries.iter().map(|entry| entry.part_bytes)).ok_or_else(too_large)?;
    if has_hashes {
        let mut end = 0u16;
        let hashes = || entries.iter().map(|entry| entry.hash.as_deref().unwrap_or_default());
        for hash in hashes() {
            end = u16::try_from(hash.len()).ok().and_then(|n| end.checked_add(n)).ok_or_else(too_large)?;
            head.extend(end.to_le_bytes());
        }
        head.extend(hashes().flat_map(str::bytes));
    }
    Ok(head)
}

/// The error for a parcel that the format cannot address.
pub(super) fn too_large() -> StoreError {
    StoreError::Failed("a parcel holds more than its format can address".to_owned())
}

fn push_ends(head: &mut Vec<u8>, lengths: impl Iterator<Item = u32>) -> Option<()> {
    let mut end = 0u32;
    for length in lengths {
        end = end.checked_add(length)?;
        head.extend(end.to_le_bytes());
    }
    Some(())
}

/// The head of a stored parcel.
#[derive(Clone, Debug)]
pub struct ParcelHead {
    bytes: Vec<u8>,
    count: usize,
    deadlines: Table,
    /// The ends of the shared texts, and the number of each document's.
    texts: Option<(Table, Table)>,
    part_ends: Table,
    hash_ends: Option<Table>,
}

/// Where a section of equally long values is.
#[derive(Clone, Copy, Debug)]
struct Table {
    at: usize,
    len: usize,
}

impl Table {
    /// The section of `len` values of `width` bytes at `at`, which is then behind it.
    fn take(at: &mut usize, len: usize, width: usize) -> Self {
        let table = Self { at: *at, len };
        *at += len * width;
        table
    }
}

impl ParcelHead {
    /// Reads a head. What it says of a single document is checked only when that is asked for.
    pub fn parse(bytes: Vec<u8>) -> Result<Self> {
        let damaged = || StoreError::damaged("the head of a parcel");
        let &[version, count, flags, ..] = bytes.as_slice() else { return Err(damaged()) };
        let count = usize::from(count);
        if version != VERSION || !(1..=DOCUMENTS_MAX).contains(&count) || flags & !FLAGS != 0 {
            return Err(damaged());
        }
        let mut at = 3 + count.div_ceil(8);
        let differ = flags & DEADLINES_DIFFER != 0;
        let deadlines = Table::take(&mut at, if differ { count } else { 1 }, 8);
        let texts = if flags & HAS_TEXTS == 0 {
            None
        } else {
            let texts = usize::from(*bytes.get(at).ok_or_else(damaged)?);
            if texts > DOCUMENTS_MAX {
                return Err(damaged());
            }
            at += 1;
            Some((Table::take(&mut at, texts, 4), Table::take(&mut at, count, 1)))
        };
        let part_ends = Table::take(&mut at, count, 4);
        let hash_ends = (flags & HAS_HASHES != 0).then(|| Table::take(&mut at, count, 2));
        if bytes.len() < at || (hash_ends.is_none() && bytes.len() > at) {
            return Err(damaged());
        }
        Ok(Self { bytes, count, deadlines, texts, part_ends, hash_ends })
    }

    /// How many documents the parcel has.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether the person of the document at `position` was a member when it was accepted.
    pub fn is_member(&self, position: u8) -> Result<bool> {
        let i = self.checked(position)?;
        Ok(self.bytes[3 + i / 8] >> (i % 8) & 1 == 1)
    }

    /// Until when the document at `position` can be opened.
    pub fn deadline_at(&self, position: u8) -> Result<UnixSeconds> {
        let i = self.checked(position)?;
        let i = if self.deadlines.len == 1 { 0 } else { i };
        Ok(UnixSeconds(i64::from_le_bytes(self.value(self.deadlines, i)?)))
    }

    /// The latest deadline of all documents.
    pub fn last_deadline_at(&self) -> Result<UnixSeconds> {
        let deadlines =
            (0..self.deadlines.len).map(|i| self.value(self.deadlines, i).map(i64::from_le_bytes));
        deadlines.collect::<Result<Vec<_>>>().map(|all| UnixSeconds(all.into_iter().max().unwrap_or(0)))
    }

    /// The number of the shared text of the document at `position`, and its slice of the column `texts`.
    pub fn text(&self, position: u8) -> Result<Option<(u8, Range<usize>)>> {
        let i = self.checked(position)?;
        let Some((ends, numbers)) = self.texts else { return Ok(None) };
        let [number] = self.value(numbers, i)?;
        let Some(text) = number.checked_sub(1) else { return Ok(None) };
        Ok(Some((text, self.slice(ends, usize::from(text))?)))
    }

    /// The slice of the column `parts` with the own part of the document at `position`.
    pub fn part(&self, position: u8) -> Result<Range<usize>> {
        let i = self.checked(position)?;
        self.slice(self.part_ends, i)
    }

    /// The institution's hash of the original of the document at `position`.
    pub fn hash(&self, position: u8) -> Result<Option<&str>> {
        let i = self.checked(position)?;
        let Some(ends) = self.hash_ends else { return Ok(None) };
        let damaged = || StoreError::damaged("the hash of a parcel's document");
        let end = |i: usize| self.value(ends, i).map(u16::from_le_bytes).map(usize::from);
        let (start, end) = (i.checked_sub(1).map_or(Ok(0), end)?, end(i)?);
        let hashes = &self.bytes[ends.at + ends.len * 2..];
        let hash =
            hashes.get(start..end).and_then(|hash| std::str::from_utf8(hash).ok()).ok_or_else(damaged)?;
        Ok((!hash.is_empty()).then_some(hash))
    }

    fn checked(&self, position: u8) -> Result<usize> {
        let i = usize::from(position);
        if i < self.count { Ok(i) } else { Err(StoreError::damaged("a position beyond its parcel")) }
    }

    fn slice(&self, ends: Table, i: usize) -> Result<Range<usize>> {
        let end = |i: usize| {
            let end = u32::from_le_bytes(self.value(ends, i)?);
            usize::try_from(end).map_err(|_| StoreError::damaged("an offset of a parcel"))
        };
        let (start, end) = (i.checked_sub(1).map_or(Ok(0), end)?, end(i)?);
        if start <= end { Ok(start..end) } else { Err(StoreError::damaged("an offset of a parcel")) }
    }

    fn value<const N: usize>(&self, table: Table, i: usize) -> Result<[u8; N]> {
        let value = if i < table.len { self.bytes[table.at..].chunks_exact(N).nth(i) } else { None };
        let value = value.and_then(|value| value.first_chunk().copied());
        value.ok_or_else(|| StoreError::damaged("the head of a parcel"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = (Vec<Entry>, Vec<u32>)> {
        let texts = vec(0u32..5_000, 0..20);
        texts.prop_flat_map(|texts| {
            let text = match u8::try_from(texts.len()) {
                Ok(n @ 1..) => option::of(0..n).boxed(),
                _ => Just(None).boxed(),
            };
            let deadline = prop_oneof![Just(1_900_000_000i64), any::<i64>()];
            let entry = (any::<bool>(), deadline, text, 0u32..10_000, option::of("[0-9a-f가-힣]{1,64}"));
            let entry = entry.prop_map(|(member, deadline_at, text, part_bytes, hash)| Entry {
                member,
                deadline_at: UnixSeconds(deadline_at),
                text,
                part_bytes,
                hash,
            });
            (vec(entry, 1..=DOCUMENTS_MAX), Just(texts))
        })
    }

    proptest! {
        #[test]
        fn a_head_reads_back_as_it_was_written((entries, texts) in entries()) {
            let head = ParcelHead::parse(encode(&entries, &texts).expect("fits")).expect("reads");
            prop_assert_eq!(head.count(), entries.len());
            let text_end = |i: usize| texts[..i].iter().sum::<u32>() as usize;
            let mut start = 0;
            for (position, entry) in (0u8..).zip(&entries) {
                let end = start + entry.part_bytes as usize;
                prop_assert_eq!(head.is_member(position).expect("there"), entry.member);
                prop_assert_eq!(head.deadline_at(position).expect("there"), entry.deadline_at);
                prop_assert_eq!(head.part(position).expect("there"), start..end);
                prop_assert_eq!(head.hash(position).expect("there"), entry.hash.as_deref());
                let text = entry.text.map(|n| (n, text_end(n.into())..text_end(usize::from(n) + 1)));
                prop_assert_eq!(head.text(position).expect("there"), text);
                start = end;
            }
            let last = entries.iter().map(|entry| entry.deadline_at).max();
            prop_assert_eq!(Some(head.last_deadline_at().expect("there")), last);
            if let Ok(beyond) = u8::try_from(entries.len()) {
                prop_assert!(head.part(beyond).is_err());
            }
        }

        #[test]
        fn damage_is_an_error_and_no_panic(
            (entries, texts) in entries(), place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in 0usize..4
        ) {
            let mut bytes = encode(&entries, &texts).expect("fits");
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            if !bytes.is_empty() {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            let Ok(head) = ParcelHead::parse(bytes) else { return Ok(()) };
            for position in 0..=u8::MAX {
                let _ = (head.is_member(position), head.deadline_at(position), head.text(position));
                let _ = (head.part(position), head.hash(position));
            }
            let _ = head.last_deadline_at();
        }

        #[test]
        fn anything_is_read_without_a_panic(bytes in vec(any::<u8>(), 0..400)) {
            if let Ok(head) = ParcelHead::parse(bytes) {
                for position in 0..=u8::MAX {
                    let _ = (head.part(position), head.text(position), head.hash(position));
                }
            }
        }
    }

    #[test]
    fn damage_in_one_document_leaves_the_others() {
        let entry = |part_bytes| Entry {
            member: true,
            deadline_at: UnixSeconds(1_900_000_000),
            text: None,
            part_bytes,
            hash: None,
        };
        let mut bytes = encode(&[entry(100), entry(200), entry(300), entry(400)], &[]).expect("fits");
        // The end of the third part is before its beginning.
        let third = bytes.len() - 2 * 4;
        bytes[third..third + 4].copy_from_slice(&50u32.to_le_bytes());
        let head = ParcelHead::parse(bytes).expect("reads");
        assert_eq!(head.part(0).expect("sound"), 0..100);
        assert_eq!(head.part(1).expect("sound"), 100..300);
        assert!(head.part(2).is_err());
    }

    #[test]
    fn more_texts_than_documents_are_damage() {
        let entry = Entry {
            member: true,
            deadline_at: UnixSeconds(0),
            text: Some(0),
            part_bytes: 1,
            hash: Some("x".repeat(2_000)),
        };
        let mut bytes = encode(&[entry], &[1]).expect("fits");
        bytes[12] = 200;
        assert!(ParcelHead::parse(bytes).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let entry = Entry {
            member: false,
            deadline_at: UnixSeconds(0),
            text: None,
            part_bytes: u32::MAX,
            hash: None,
        };
        assert!(encode(&[], &[]).is_err());
        assert!(encode(&[entry.clone(), entry.clone()], &[]).is_err(), "offsets of more than 4 GiB");
        let entry = Entry { part_bytes: 1, ..entry };
        assert!(encode(&vec![entry.clone(); DOCUMENTS_MAX + 1], &[]).is_err());
        assert!(encode(&[Entry { text: Some(1), ..entry }], &[10]).is_err(), "no such text");
    }
}
