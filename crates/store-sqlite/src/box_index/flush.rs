//! Flushing parcels from the memtable into the database.

use rusqlite::{Connection, params};
use seoham_model::{BinderId, BlockId, Clock, ParcelId};
use seoham_store::parcel::blocks::{Block, PersonTag, cut};

use super::{BLOCK_ENTRIES, FLUSHED_TO};
use crate::columns::Id;
use crate::open::{deployment_value, set_deployment_value};

/// Makes a run of `documents`, and records that all parcels up to `last_no` are flushed.
pub(super) fn flush(
    connection: &Connection,
    clock: &Clock,
    documents: Vec<(PersonTag, BinderId)>,
    last_no: i64,
) -> rusqlite::Result<()> {
    let run = BlockId::generate(clock);
    let blocks = cut(documents, BLOCK_ENTRIES);
    for block in &blocks {
        add_block(connection, clock, run, block)?;
    }
    list_run(connection, run, &blocks)?;
    set_deployment_value(connection, FLUSHED_TO, &last_no)
}

/// Adds a block of a run.
pub(super) fn add_block(
    connection: &Connection,
    clock: &Clock,
    run: BlockId,
    block: &Block,
) -> rusqlite::Result<()> {
    let Some(((first, last), (oldest, newest))) = block.tags().zip(block.parcels()) else { return Ok(()) };
    let (parcels, entries) = block.encode();
    connection
        .prepare_cached(
            "INSERT INTO box_blocks (block_id, run_id, entry_count, first_tag, last_tag, first_parcel_id, last_parcel_id,
                                     parcels, entries)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            Id(BlockId::generate(clock)),
            Id(run),
            block.count(),
            first.as_number(),
            last.as_number(),
            Id(oldest),
            Id(newest),
            parcels,
            entries,
        ])?;
    Ok(())
}

/// Lists a run whose blocks are all there: from now on it is searched.
pub(super) fn list_run(connection: &Connection, run: BlockId, blocks: &[Block]) -> rusqlite::Result<()> {
    let parcels = || blocks.iter().filter_map(Block::parcels);
    let ends = parcels().map(|(first, _)| first).min().zip(parcels().map(|(_, last)| last).max());
    let Some((first, last)) = ends else { return Ok(()) };
    connection
        .prepare_cached("INSERT INTO box_runs (run_id, first_parcel_id, last_parcel_id) VALUES (?1, ?2, ?3)")?
        .execute(params![Id(run), Id(first), Id(last)])?;
    Ok(())
}

/// Calls `each` for every parcel that is not flushed yet, with its persons.
pub(super) fn read_unflushed(
    connection: &Connection,
    mut each: impl FnMut(i64, ParcelId, &[u8]),
) -> rusqlite::Result<()> {
    let flushed_to: i64 = deployment_value(connection, FLUSHED_TO)?.unwrap_or(0);
    let mut statement = connection.prepare(
        "SELECT parcel_no, parcel_id, persons FROM parcels WHERE parcel_no > ?1 ORDER BY parcel_no",
    )?;
    let mut rows = statement.query([flushed_to])?;
    while let Some(row) = rows.next()? {
        each(row.get(0)?, row.get::<_, Id<ParcelId>>(1)?.0, row.get_ref(2)?.as_blob()?);
    }
    Ok(())
}
