//! Searching the blocks of the box index for the documents of one person: an interpolation search in each block, in
//! rounds of slices that a store reads together.

use std::ops::Range;

use seoham_model::{BinderId, BlockId, ParcelId, PersonId};

use super::blocks::{ENTRY_BYTES, PersonTag, Place, Search};
use super::head::DOCUMENTS_MAX;
use crate::{Result, StoreError};

/// A block as its row describes it.
#[derive(Clone, Copy, Debug)]
pub struct BlockRow {
    /// Its id.
    pub id: BlockId,
    /// Its entries.
    pub entry_count: usize,
    /// The first tag.
    pub first_tag: PersonTag,
    /// The last tag.
    pub last_tag: PersonTag,
}

/// Rounds of slices in one search: more than a block of any contents needs.
const ROUNDS_MAX: u32 = 200;

/// A search in several blocks. Call [`BoxSearch::slices`] and [`BoxSearch::read`] until there are no slices, then
/// read the ids of [`BoxSearch::parcels`].
pub struct BoxSearch {
    blocks: Vec<(BlockId, Search)>,
    rounds: u32,
}

impl BoxSearch {
    /// The search for a person.
    pub fn new(person: PersonId, blocks: &[BlockRow]) -> Self {
        let tag = PersonTag::of(person);
        let search = |block: &BlockRow| {
            (block.id, Search::new(tag, block.entry_count, block.first_tag, block.last_tag))
        };
        Self { blocks: blocks.iter().map(search).collect(), rounds: 0 }
    }

    /// The bytes of the column `entries` to read next, at most one slice of each block. Fails if there is no end to them.
    pub fn slices(&mut self) -> Result<Vec<(BlockId, Range<usize>)>> {
        self.rounds += 1;
        if self.rounds > ROUNDS_MAX {
            return Err(StoreError::damaged("a block of the box index"));
        }
        let bytes = |slice: Range<usize>| slice.start * ENTRY_BYTES..slice.end * ENTRY_BYTES;
        Ok(self.blocks.iter().filter_map(|(id, search)| Some((*id, bytes(search.slice()?)))).collect())
    }

    /// Takes the bytes of a slice of [`BoxSearch::slices`].
    pub fn read(&mut self, block: BlockId, bytes: &[u8]) -> Result<()> {
        let search = self.blocks.iter_mut().find(|(id, _)| *id == block);
        search.map_or(Ok(()), |(_, search)| search.read(bytes))
    }

    /// What was found: where the parcels' ids are in the column `parcels` of which block, and the positions there.
    pub fn parcels(self) -> Vec<FoundPlace> {
        let places = |(block, search): (BlockId, Search)| {
            search.places().into_iter().map(move |place| FoundPlace { block, place })
        };
        self.blocks.into_iter().flat_map(places).collect()
    }
}

/// A document in a block.
#[derive(Clone, Copy, Debug)]
pub struct FoundPlace {
    /// The block.
    pub block: BlockId,
    place: Place,
}

impl FoundPlace {
    /// The bytes of the column `parcels` with its parcel's id.
    pub fn parcel_bytes(&self) -> Range<usize> {
        self.place.parcel_slice()
    }

    /// The document, in the parcel with that id.
    pub fn document(&self, parcel: &[u8]) -> Result<BinderId> {
        let id = parcel.try_into().map_err(|_| StoreError::damaged("a block of the box index"))?;
        let id = ParcelId::from_bytes(id);
        // The lowest bits of a parcel's id are free for positions.
        if id.document(0).parcel() != id || usize::from(self.place.position) >= DOCUMENTS_MAX {
            return Err(StoreError::damaged("a block of the box index"));
        }
        Ok(id.document(self.place.position))
    }
}
