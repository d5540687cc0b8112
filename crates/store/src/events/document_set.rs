//! The documents of one parcel that a step is about, as a set of positions.

use seoham_model::{BinderId, ParcelId};

use crate::parcel::head::DOCUMENTS_MAX;
use crate::{Result, StoreError};

/// The bytes of a stored set.
pub const DOCUMENT_SET_BYTES: usize = 16;

const _: () = assert!(DOCUMENTS_MAX <= DOCUMENT_SET_BYTES * 8);

/// Positions of a parcel. Stored as 16 bytes: the bit of a position is in byte `position / 8`, the lowest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DocumentSet(u128);

impl DocumentSet {
    /// The positions `0..count`.
    pub fn first(count: u8) -> Self {
        Self(1u128.checked_shl(count.into()).map_or(u128::MAX, |bit| bit - 1))
    }

    /// One position.
    pub fn only(position: u8) -> Self {
        Self(1u128.checked_shl(position.into()).unwrap_or(0))
    }

    /// Adds a position; one that no parcel has is left out.
    pub fn insert(&mut self, position: u8) {
        self.0 |= Self::only(position).0;
    }

    /// Whether it has a position.
    pub fn contains(self, position: u8) -> bool {
        self.0 & Self::only(position).0 != 0
    }

    /// How many positions it has.
    pub fn count(self) -> u8 {
        u8::try_from(self.0.count_ones()).unwrap_or(u8::MAX)
    }

    /// Whether it has none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The positions, ascending.
    pub fn positions(self) -> impl Iterator<Item = u8> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let position = u8::try_from(left.trailing_zeros()).ok().filter(|_| left != 0)?;
            left &= left - 1;
            Some(position)
        })
    }

    /// The documents of `parcel` at these positions.
    pub fn documents(self, parcel: ParcelId) -> impl Iterator<Item = BinderId> {
        self.positions().map(move |position| parcel.document(position))
    }

    /// As it is stored.
    pub fn to_bytes(self) -> [u8; DOCUMENT_SET_BYTES] {
        self.0.to_le_bytes()
    }

    /// Reads a stored set.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let bytes = bytes.try_into().map_err(|_| StoreError::damaged("the documents of a step"))?;
        Ok(Self(u128::from_le_bytes(bytes)))
    }
}

impl FromIterator<u8> for DocumentSet {
    fn from_iter<I: IntoIterator<Item = u8>>(positions: I) -> Self {
        let mut set = Self::default();
        positions.into_iter().for_each(|position| set.insert(position));
        set
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_reads_back_as_it_was_stored(positions in proptest::collection::btree_set(0u8..128, 0..128)) {
            let set: DocumentSet = positions.iter().copied().collect();
            prop_assert_eq!(DocumentSet::from_bytes(&set.to_bytes()).expect("reads"), set);
            prop_assert_eq!(usize::from(set.count()), positions.len());
            prop_assert!(set.positions().eq(positions.iter().copied()));
            prop_assert!((0..=u8::MAX).all(|position| set.contains(position) == positions.contains(&position)));
        }
    }

    #[test]
    fn the_first_positions_are_those_of_a_parcel() {
        for count in [0, 1, 7, 8, 100, 127, 128] {
            assert!(DocumentSet::first(count).positions().eq(0..count), "{count}");
        }
        // The layout is fixed: SQL makes the same bytes.
        assert_eq!(DocumentSet::only(9).to_bytes()[..3], [0, 2, 0]);
        assert!(DocumentSet::only(200).is_empty());
        assert!(DocumentSet::from_bytes(&[0; 15]).is_err());
    }
}
