//! Merging runs of the box index (compaction), beside the writer: blocks are read and merged on a reading thread, and written a
//! few in a transaction. A run is searched only when it is listed, so that nothing is found twice or missed meanwhile.

use std::sync::Arc;

use rusqlite::Connection;
use seoham_model::BlockId;
use seoham_store::parcel::blocks::{Block, merge};
use seoham_store::parcel::runs::{Run, to_merge};
use seoham_store::{Lane, Result};

use super::BLOCK_ENTRIES;
use super::flush::{add_block, list_run};
use crate::SqliteStore;
use crate::columns::Id;
use crate::readers::ReadError;
use crate::writer::Weight;

/// Blocks written or removed in one transaction.
const BLOCKS_AT_ONCE: usize = 16;
/// What these add to the writer's queue, as rows of documents.
const BLOCKS_ROWS: usize = 1_000;

impl SqliteStore {
    /// Merges runs that are due; `false` if none are.
    pub(crate) async fn merge_runs(&self) -> Result<bool> {
        let _turn = self.inner.index_turn.lock().await;
        // What a merge left that failed.
        while self.remove_unlisted_blocks().await? {}
        let read = self.inner.readers.read(Lane::Bulk, |connection| {
            let Some(runs) = to_merge(&runs(connection)?) else { return Ok(None) };
            Ok(Some((merge(&blocks(connection, &runs)?, BLOCK_ENTRIES), runs)))
        });
        let Some((blocks, merged)) = read.await? else { return Ok(false) };
        let clock = self.inner.clock.clone();
        let (run, blocks) = (BlockId::generate(&clock), Arc::new(blocks));
        for from in (0..blocks.len()).step_by(BLOCKS_AT_ONCE) {
            let (clock, blocks) = (clock.clone(), Arc::clone(&blocks));
            let add = move |connection: &Connection| {
                let mut next = blocks.iter().skip(from).take(BLOCKS_AT_ONCE);
                next.try_for_each(|block| Ok(add_block(connection, &clock, run, block)?))
            };
            self.inner.writer.background(Weight::rows(BLOCKS_ROWS), add).await?;
        }
        let replace = move |connection: &Connection| {
            list_run(connection, run, &blocks)?;
            for merged in &merged {
                connection
                    .prepare_cached("DELETE FROM box_runs WHERE run_id = ?1")?
                    .execute([Id(*merged)])?;
            }
            Ok(())
        };
        self.inner.writer.background(Weight::rows(1), replace).await?;
        while self.remove_unlisted_blocks().await? {}
        Ok(true)
    }

    /// Removes runs none of whose parcels are left, and with them their blocks.
    pub(crate) async fn remove_empty_runs(&self) -> Result<()> {
        let _turn = self.inner.index_turn.lock().await;
        let unlist = |connection: &Connection| {
            let sql = "DELETE FROM box_runs WHERE NOT EXISTS
                         (SELECT 1 FROM parcels WHERE parcel_id BETWEEN first_parcel_id AND last_parcel_id)";
            Ok(connection.prepare_cached(sql)?.execute([])?)
        };
        if self.inner.writer.background(Weight::rows(1), unlist).await? > 0 {
            while self.remove_unlisted_blocks().await? {}
        }
        Ok(())
    }

    /// Removes some blocks of runs that are no longer listed; `false` if there are none.
    async fn remove_unlisted_blocks(&self) -> Result<bool> {
        let remove = |connection: &Connection| {
            let removed = connection.prepare_cached(UNLISTED)?.execute([BLOCKS_AT_ONCE])?;
            Ok(removed > 0)
        };
        self.inner.writer.background(Weight::rows(BLOCKS_ROWS), remove).await
    }
}

const UNLISTED: &str = "DELETE FROM box_blocks WHERE block_no IN
    (SELECT block_no FROM box_blocks b WHERE NOT EXISTS (SELECT 1 FROM box_runs r WHERE r.run_id = b.run_id) LIMIT ?1)";

/// Removes all blocks of runs that are not listed: a merge was interrupted. Nothing else writes yet.
pub(super) fn remove_unlisted(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare(UNLISTED)?.execute([i64::MAX]).map(drop)
}

fn runs(connection: &Connection) -> rusqlite::Result<Vec<Run>> {
    connection
        .prepare_cached(
            "SELECT r.run_id, sum(b.entry_count) FROM box_runs r JOIN box_blocks b USING (run_id) GROUP BY r.run_id",
        )?
        .query_map([], |row| Ok(Run { id: row.get::<_, Id<BlockId>>(0)?.0, entries: row.get(1)? }))?
        .collect()
}

fn blocks(connection: &Connection, runs: &[BlockId]) -> std::result::Result<Vec<Block>, ReadError> {
    let mut statement =
        connection.prepare_cached("SELECT parcels, entries FROM box_blocks WHERE run_id = ?1")?;
    let mut blocks = Vec::new();
    for run in runs {
        let mut rows = statement.query([Id(*run)])?;
        while let Some(row) = rows.next()? {
            let (parcels, entries): (Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?);
            blocks.push(Block::decode(&parcels, &entries)?);
        }
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use seoham_model::{BinderId, ParcelId, PersonId};
    use seoham_store::Mode;
    use seoham_store::parcel::blocks::{PersonTag, cut};
    use seoham_vault::{KeyRing, Vault};

    use super::*;
    use crate::Options;
    use crate::box_index::{flush, lookup};

    const RUNS: usize = 16;
    const DOCUMENTS: usize = 40_000;

    async fn blocks_and_runs(store: &SqliteStore) -> (i64, i64) {
        let count = |connection: &Connection| {
            let sql = "SELECT (SELECT count(*) FROM box_blocks), (SELECT count(*) FROM box_runs)";
            Ok(connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
        };
        store.inner.readers.read(Lane::Bulk, count).await.expect("counts")
    }

    #[tokio::test]
    async fn merged_runs_have_everything_once_also_after_an_interrupted_merge() {
        let directory = tempfile::tempdir().expect("a directory");
        let options = Options { create: true, ..Options::new(directory.path().to_owned(), Mode::Live) };
        let vault = Arc::new(Vault::new(&KeyRing::generate()));
        let store = SqliteStore::open(&options, Arc::clone(&vault)).expect("opens");
        let clock = store.inner.clock.clone();
        let people: Vec<PersonId> = (0..1_000).map(|_| PersonId::generate(&clock)).collect();
        let mut of: HashMap<PersonId, Vec<BinderId>> = HashMap::new();
        let mut parcels = Vec::new();
        for _ in 0..RUNS {
            let mut documents = Vec::with_capacity(DOCUMENTS);
            for chunk in 0..DOCUMENTS / 100 {
                let parcel = ParcelId::generate(&clock);
                parcels.push(parcel);
                for position in 0..100u8 {
                    let person = people[(chunk * 7 + usize::from(position) * 13) % people.len()];
                    documents.push((PersonTag::of(person), parcel.document(position)));
                    of.entry(person).or_default().push(parcel.document(position));
                }
            }
            let clock = clock.clone();
            let run = move |connection: &Connection| Ok(flush::flush(connection, &clock, documents, 0)?);
            store.inner.writer.background(Weight::rows(1), run).await.expect("flushed");
        }
        assert_eq!(blocks_and_runs(&store).await, (160, 16));
        let expected = |person: &PersonId| {
            let mut documents = of[person].clone();
            documents.sort_unstable();
            documents
        };
        let is_whole = async |store: &SqliteStore| {
            for person in people.iter().step_by(97).copied() {
                let read = store
                    .inner
                    .readers
                    .read(Lane::Bulk, move |connection| lookup::search(connection, person));
                let mut found = read.await.expect("searched");
                found.sort_unstable();
                assert_eq!(found, expected(&person));
            }
        };
        is_whole(&store).await;

        // A process that ended in the middle of a merge left a block of a run that is not listed.
        let left = cut([(PersonTag::of(people[0]), parcels[0].document(99))], BLOCK_ENTRIES);
        let of_left = clock.clone();
        let leave = move |connection: &Connection| {
            Ok(add_block(connection, &of_left, BlockId::generate(&of_left), &left[0])?)
        };
        store.inner.writer.background(Weight::rows(1), leave).await.expect("left");
        is_whole(&store).await;
        drop(store);
        let store = SqliteStore::open(&options, vault).expect("opens again");
        assert_eq!(blocks_and_runs(&store).await, (160, 16), "it is removed");

        assert!(store.merge_runs().await.expect("merges"));
        assert_eq!(blocks_and_runs(&store).await, (157, 1), "640,000 entries");
        is_whole(&store).await;
        assert!(!store.merge_runs().await.expect("nothing to merge"));

        // None of their parcels was ever stored.
        store.remove_empty_runs().await.expect("removed");
        assert_eq!(blocks_and_runs(&store).await, (0, 0));
    }
}
