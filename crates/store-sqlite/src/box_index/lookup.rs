//! Searching the runs in the database for a person's documents.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::blob::Blob;
use rusqlite::{Connection, MAIN_DB, params};
use seoham_model::{BinderId, BlockId, PersonId};
use seoham_store::StoreError;
use seoham_store::parcel::blocks::PersonTag;
use seoham_store::parcel::search::{BlockRow, BoxSearch};

use crate::columns::{Id, known};
use crate::readers::ReadError;

pub(super) fn search(connection: &Connection, person: PersonId) -> Result<Vec<BinderId>, ReadError> {
    let blocks = blocks(connection, PersonTag::of(person))?;
    let mut search = BoxSearch::new(person, &blocks);
    let mut entries = Column { connection, name: "entries", open: HashMap::new() };
    loop {
        let slices = search.slices()?;
        if slices.is_empty() {
            break;
        }
        for (block, slice) in slices {
            search.read(block, &entries.read(block, slice)?)?;
        }
    }
    let mut parcels = Column { connection, name: "parcels", open: HashMap::new() };
    let document = |place: seoham_store::parcel::search::FoundPlace| {
        Ok(place.document(&parcels.read(place.block, place.parcel_bytes())?)?)
    };
    search.parcels().into_iter().map(document).collect()
}

/// The blocks of listed runs that may have the tag.
fn blocks(connection: &Connection, tag: PersonTag) -> rusqlite::Result<Vec<BlockRow>> {
    let mut statement = connection.prepare_cached(
        "SELECT b.block_id, b.entry_count, b.first_tag, b.last_tag
         FROM box_runs r CROSS JOIN box_blocks b ON b.run_id = r.run_id
         WHERE b.first_tag <= ?1 AND b.last_tag >= ?1",
    )?;
    let rows = statement.query_map(params![tag.as_number()], |row| {
        Ok(BlockRow {
            id: row.get::<_, Id<BlockId>>(0)?.0,
            entry_count: row.get(1)?,
            first_tag: known(2, PersonTag::from_number(row.get(2)?))?,
            last_tag: known(3, PersonTag::from_number(row.get(3)?))?,
        })
    })?;
    rows.collect()
}

/// A column of blocks that is read by slices. Each block stays open: its value is a chain of pages, and only an open blob
/// remembers where they are.
struct Column<'a> {
    connection: &'a Connection,
    name: &'static str,
    open: HashMap<BlockId, Blob<'a>>,
}

impl<'a> Column<'a> {
    fn read(&mut self, block: BlockId, slice: std::ops::Range<usize>) -> Result<Vec<u8>, ReadError> {
        let blob = self.at(block)?;
        let mut bytes = vec![0; slice.len()];
        if slice.end > blob.len() {
            return Err(StoreError::damaged("a block of the box index").into());
        }
        blob.read_at_exact(&mut bytes, slice.start)?;
        Ok(bytes)
    }

    fn at(&mut self, block: BlockId) -> rusqlite::Result<&Blob<'a>> {
        Ok(match self.open.entry(block) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(place) => {
                let sql = "SELECT block_no FROM box_blocks WHERE block_id = ?1";
                let block_no =
                    self.connection.prepare_cached(sql)?.query_row([Id(block)], |row| row.get(0))?;
                place.insert(self.connection.blob_open(MAIN_DB, "box_blocks", self.name, block_no, true)?)
            }
        })
    }
}
