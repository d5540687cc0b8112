//! Looking up a person's documents.

use seoham_model::{BinderId, BlockId, ParcelId, PersonId};
use seoham_store::parcel::blocks::PersonTag;
use seoham_store::parcel::document;
use seoham_store::parcel::search::{BlockRow, BoxSearch};
use seoham_store::{Result, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::columns::{Columns, Id};
use crate::session::Session;

/// How often to search again when a merge replaced a block meanwhile.
const TRIES_MAX: u32 = 8;

const PENDING: &str = "SELECT parcel_id, persons FROM box_pending WHERE position($1::bytea IN persons) > 0";

const BLOCKS: &str = "SELECT block_id, entry_count, first_tag, last_tag FROM box_blocks WHERE first_tag <= $1 AND last_tag >= $1";

const ENTRIES: &str = "SELECT b.block_id, asked.place, substr(b.entries, asked.start, asked.length) AS bytes
    FROM unnest($1::uuid[], $2::integer[], $3::integer[]) WITH ORDINALITY AS asked (id, start, length, place)
    JOIN box_blocks b ON b.block_id = ANY (ARRAY[asked.id])";

const PARCELS: &str = "SELECT b.block_id, asked.place, substr(b.parcels, asked.start, asked.length) AS bytes
    FROM unnest($1::uuid[], $2::integer[], $3::integer[]) WITH ORDINALITY AS asked (id, start, length, place)
    JOIN box_blocks b ON b.block_id = ANY (ARRAY[asked.id])";

/// The ids of documents of a person, newest first. Some may be of another person with the same tag, or removed: whoever
/// reads the documents finds out.
pub(crate) async fn documents_of(session: &Session, person: PersonId) -> Result<Vec<BinderId>> {
    // What waits comes first: a flush in between moves it to the blocks, where it is found too.
    let mut found: Vec<BinderId> = Vec::new();
    for row in session.query(PENDING, &[&person.as_bytes().as_slice()]).await? {
        let parcel: ParcelId = row.id("parcel_id")?;
        found.extend(document::documents_of(parcel, row.value("persons")?, person));
    }
    for _ in 0..TRIES_MAX {
        if let Some(documents) = search(session, person).await? {
            found.extend(documents);
            found.sort_unstable_by(|one, other| other.cmp(one));
            found.dedup();
            return Ok(found);
        }
    }
    Err(StoreError::Overloaded)
}

/// Searches the blocks; `None` if one of them was replaced meanwhile.
async fn search(session: &Session, person: PersonId) -> Result<Option<Vec<BinderId>>> {
    let blocks = session.query(BLOCKS, &[&PersonTag::of(person).as_number()]).await?;
    let blocks: Vec<BlockRow> = blocks.iter().map(block).collect::<Result<_>>()?;
    let mut search = BoxSearch::new(person, &blocks);
    loop {
        let slices = search.slices()?;
        if slices.is_empty() {
            break;
        }
        let Some(read) = read(session, ENTRIES, &slices).await? else { return Ok(None) };
        for ((block, _), bytes) in slices.iter().zip(read) {
            search.read(*block, &bytes)?;
        }
    }
    let places = search.parcels();
    let slices: Vec<_> = places.iter().map(|place| (place.block, place.parcel_bytes())).collect();
    if slices.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let Some(read) = read(session, PARCELS, &slices).await? else { return Ok(None) };
    places.iter().zip(read).map(|(place, id)| place.document(&id)).collect::<Result<_>>().map(Some)
}

fn block(row: &Row) -> Result<BlockRow> {
    let tag = |column| {
        PersonTag::from_number(row.value(column)?)
            .ok_or_else(|| StoreError::damaged("a block of the box index"))
    };
    Ok(BlockRow {
        id: row.id("block_id")?,
        entry_count: usize::try_from(row.value::<i32>("entry_count")?).unwrap_or(0),
        first_tag: tag("first_tag")?,
        last_tag: tag("last_tag")?,
    })
}

/// Reads slices of blocks, in order; `None` if a block is gone.
async fn read(
    session: &Session,
    sql: &'static str,
    slices: &[(BlockId, std::ops::Range<usize>)],
) -> Result<Option<Vec<Vec<u8>>>> {
    let ids: Vec<Uuid> = slices.iter().map(|(id, _)| id.uuid()).collect();
    let number = |n: usize| i32::try_from(n).map_err(|_| StoreError::damaged("a block of the box index"));
    // The first byte has the number one.
    let starts: Vec<i32> = slices.iter().map(|(_, slice)| number(slice.start + 1)).collect::<Result<_>>()?;
    let lengths: Vec<i32> = slices.iter().map(|(_, slice)| number(slice.len())).collect::<Result<_>>()?;
    let mut read = vec![None; slices.len()];
    for row in session.query(sql, &[&ids, &starts, &lengths]).await? {
        let place = usize::try_from(row.value::<i64>("place")? - 1).ok();
        if let Some(slot) = place.and_then(|place| read.get_mut(place)) {
            *slot = Some(row.value("bytes")?);
        }
    }
    Ok(read.into_iter().collect())
}
