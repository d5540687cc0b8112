//! Slices of a parcel's sealed columns: a store reads what is wanted of them instead of whole values (DESIGN 3).

use std::collections::HashMap;
use std::ops::Range;

use seoham_model::ParcelId;

use crate::{Result, StoreError};

/// What lies between two wanted parts and is read along with them: less than reading once more costs.
const GAP_BYTES: usize = 4 * 1024;

/// A sealed column of a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Texts that several documents share.
    Texts,
    /// The own parts of the documents.
    Parts,
}

/// A slice of a column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slice {
    /// Of which parcel.
    pub parcel: ParcelId,
    /// Of which column.
    pub column: Column,
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Slice {
    /// A slice.
    pub fn new(parcel: ParcelId, column: Column, range: Range<usize>) -> Self {
        Self { parcel, column, start: range.start, end: range.end }
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }
}

/// The slices to read for `wanted`: each byte once, and what lies close together in one.
pub fn plan(wanted: impl IntoIterator<Item = Slice>) -> Vec<Slice> {
    let mut wanted: Vec<Slice> = wanted.into_iter().filter(|slice| !slice.is_empty()).collect();
    wanted.sort_unstable();
    let mut planned: Vec<Slice> = Vec::new();
    for slice in wanted {
        match planned.last_mut() {
            Some(last)
                if (last.parcel, last.column) == (slice.parcel, slice.column)
                    && slice.start <= last.end + GAP_BYTES =>
            {
                last.end = last.end.max(slice.end);
            }
            _ => planned.push(slice),
        }
    }
    planned
}

/// Bytes of a column, from `start` on.
struct ReadSlice {
    start: usize,
    bytes: Vec<u8>,
}

/// Slices that were read.
#[derive(Default)]
pub struct Slices {
    read: HashMap<(ParcelId, Column), Vec<ReadSlice>>,
}

impl Slices {
    /// Adds the bytes of a slice.
    pub fn add(&mut self, slice: &Slice, bytes: Vec<u8>) {
        self.read
            .entry((slice.parcel, slice.column))
            .or_default()
            .push(ReadSlice { start: slice.start, bytes });
    }

    /// The bytes of a slice, which must be a part of one that was read.
    pub fn get(&self, slice: &Slice) -> Result<&[u8]> {
        let read = self.read.get(&(slice.parcel, slice.column)).map_or(&[][..], Vec::as_slice);
        let found = read.iter().find_map(|read| {
            let from = slice.start.checked_sub(read.start)?;
            read.bytes.get(from..from + slice.len())
        });
        found.ok_or_else(|| StoreError::damaged("the sealed part"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use seoham_model::Clock;

    use super::*;

    proptest! {
        #[test]
        fn whatever_is_wanted_is_read_once(wanted in vec((0usize..3, any::<bool>(), 0usize..50_000, 0usize..2_000), 0..60)) {
            let clock = Clock::default();
            let parcels = [(); 3].map(|()| ParcelId::generate(&clock));
            let wanted: Vec<Slice> = wanted
                .into_iter()
                .map(|(parcel, texts, start, len)| {
                    let column = if texts { Column::Texts } else { Column::Parts };
                    Slice::new(parcels[parcel], column, start..start + len)
                })
                .collect();
            let byte = |at: usize| u8::try_from(at % 251).expect("small");
            let planned = plan(wanted.clone());
            let mut slices = Slices::default();
            for slice in &planned {
                slices.add(slice, (slice.start..slice.end).map(byte).collect());
            }
            for (one, next) in planned.iter().zip(planned.iter().skip(1)) {
                prop_assert!((one.parcel, one.column) != (next.parcel, next.column) || one.end < next.start);
            }
            for slice in wanted.iter().filter(|slice| !slice.is_empty()) {
                let expected: Vec<u8> = (slice.start..slice.end).map(byte).collect();
                prop_assert_eq!(slices.get(slice).expect("read"), &expected[..]);
            }
        }
    }

    #[test]
    fn what_was_not_read_is_damage() {
        let parcel = ParcelId::generate(&Clock::default());
        let slice = |range| Slice::new(parcel, Column::Parts, range);
        let mut slices = Slices::default();
        slices.add(&slice(10..20), vec![7; 8]);
        assert_eq!(slices.get(&slice(12..18)).expect("there"), [7; 6]);
        for range in [9..12, 12..20, 30..31] {
            assert!(slices.get(&slice(range.clone())).is_err(), "{range:?}");
        }
    }
}
