//! Flushing waiting parcels into the box index, and merging its runs (compaction). One node does so at a time.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use seoham_model::{BinderId, BlockId, Clock, ParcelId};
use seoham_store::parcel::blocks::{BLOCK_MAX, Block, PersonTag, cut, merge, tagged};
use seoham_store::parcel::document::PERSON_BYTES;
use seoham_store::parcel::runs::{FLUSH_MAX, FLUSH_MIN, Run, to_merge};
use seoham_store::{Result, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::columns::{Columns, Id, uuids};
use crate::deliveries::{Sweeper, Swept};
use crate::locks::BOX_INDEX;
use crate::session::{Param, Session};

/// Minimum time between two flushes of one node.
const FLUSH_EVERY: Duration = Duration::from_millis(250);

/// Time to leave the database alone after a flush failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Parcels read at once.
const PAGE_PARCELS: i64 = 2_048;

/// The waiting documents, counted in at most this many parcels.
const WAITING: &str = "SELECT coalesce(sum(length(persons)), 0)::bigint AS bytes
    FROM (SELECT persons FROM box_pending LIMIT $1) AS waiting";

const NEXT: &str = "SELECT parcel_id, persons FROM box_pending
    WHERE $1::uuid IS NULL OR parcel_id > $1 ORDER BY parcel_id LIMIT $2";

const ADD_BLOCK: &str =
    "INSERT INTO box_blocks (run_id, block_id, entry_count, first_tag, last_tag, first_parcel_id, last_parcel_id,
      parcels, entries)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const TAKE_OFF: &str = "DELETE FROM box_pending WHERE parcel_id = ANY($1::uuid[])";

const RUNS: &str = "SELECT run_id, sum(entry_count)::bigint AS entries FROM box_blocks GROUP BY run_id";

const BLOCKS_OF: &str = "SELECT parcels, entries FROM box_blocks WHERE run_id = ANY($1::uuid[])";

const REMOVE_RUNS: &str = "DELETE FROM box_blocks WHERE run_id = ANY($1::uuid[])";

/// Wakes the flush task of this node.
#[derive(Default)]
pub(crate) struct BoxIndex {
    due: Notify,
}

impl BoxIndex {
    /// Records that parcels wait.
    pub(crate) fn work_arrived(&self) {
        self.due.notify_one();
    }

    /// Starts flushing when it is due, until `stop`.
    pub(crate) fn start(
        self: &Arc<Self>,
        pool: &Pool,
        clock: &Clock,
        sweeper: &Arc<Sweeper>,
        stop: &CancellationToken,
    ) {
        let flush = FlushTask { pool: pool.clone(), clock: clock.clone(), sweeper: Arc::clone(sweeper) };
        let (this, stop) = (Arc::clone(self), stop.clone());
        // What an earlier process left.
        self.work_arrived();
        let running = async move {
            loop {
                this.due.notified().await;
                if let Err(error) = flush.run().await {
                    tracing::warn!(%error, "the box index could not be flushed, which is tried again");
                    tokio::time::sleep(AFTER_FAILURE).await;
                    this.due.notify_one();
                }
                tokio::time::sleep(FLUSH_EVERY).await;
            }
        };
        tokio::spawn(async move { Box::pin(stop.run_until_cancelled(running)).await });
    }
}

struct FlushTask {
    pool: Pool,
    clock: Clock,
    sweeper: Arc<Sweeper>,
}

impl FlushTask {
    /// Flushes and merges until nothing is due.
    async fn run(&self) -> Result<()> {
        loop {
            let session = Session::from(&self.pool).await?;
            let did_flush = session.transaction("the box index", self.flush(&session)).await?;
            if !did_flush {
                return Ok(());
            }
            // Boxes are found whole without it, only slower.
            if let Err(error) = session.transaction("the box index", self.merge(&session)).await {
                tracing::error!(%error, "runs of the box index could not be merged");
                return Ok(());
            }
        }
    }

    /// Makes a run of what waits; `false` if that is too little, or another node is at it.
    async fn flush(&self, session: &Session) -> Result<bool> {
        let max = i64::try_from(FLUSH_MAX).unwrap_or(i64::MAX);
        let waiting = session.query_opt(WAITING, &[&max]).await?.ok_or(StoreError::damaged("a count"))?;
        let bytes = usize::try_from(waiting.value::<i64>("bytes")?).unwrap_or(0);
        if bytes < FLUSH_MIN * PERSON_BYTES || !is_first(session).await? {
            return Ok(false);
        }
        let (mut parcels, mut documents): (Vec<ParcelId>, Vec<(PersonTag, BinderId)>) =
            (Vec::new(), Vec::new());
        while documents.len() < FLUSH_MAX {
            let after = parcels.last().map(Id::uuid);
            let page = session.query(NEXT, &[&after, &PAGE_PARCELS]).await?;
            for row in &page {
                let (parcel, persons): (ParcelId, &[u8]) = (row.id("parcel_id")?, row.value("persons")?);
                if documents.len() + persons.len() / PERSON_BYTES > FLUSH_MAX {
                    break;
                }
                documents.extend(tagged(parcel, persons));
                parcels.push(parcel);
            }
            if parcels.last().map(Id::uuid) != page.last().map(|row| row.value("parcel_id")).transpose()?
                || page.is_empty()
            {
                break;
            }
        }
        let blocks = on_blocking_thread(move || Ok(cut(documents, BLOCK_MAX))).await?;
        self.add(session, &blocks).await?;
        session.query(TAKE_OFF, &[&uuids(&parcels)]).await?;
        self.sweeper.gone(Swept::BoxPending, parcels.len());
        Ok(true)
    }

    /// Merges runs; `false` if none are to be merged.
    async fn merge(&self, session: &Session) -> Result<bool> {
        if !is_first(session).await? {
            return Ok(false);
        }
        let run = |row: &tokio_postgres::Row| {
            let entries = usize::try_from(row.value::<i64>("entries")?).unwrap_or(usize::MAX);
            Ok(Run { id: row.id("run_id")?, entries })
        };
        let runs: Vec<Run> = session.query(RUNS, &[]).await?.iter().map(run).collect::<Result<_>>()?;
        let Some(merged) = to_merge(&runs) else { return Ok(false) };
        let ids = uuids(&merged);
        let rows = session.query(BLOCKS_OF, &[&ids]).await?;
        let blocks = on_blocking_thread(move || {
            let block =
                |row: &tokio_postgres::Row| Block::decode(row.value("parcels")?, row.value("entries")?);
            let blocks = rows.iter().map(block).collect::<Result<Vec<_>>>()?;
            Ok(merge(&blocks, BLOCK_MAX))
        });
        let blocks = blocks.await?;
        session.query(REMOVE_RUNS, &[&ids]).await?;
        self.add(session, &blocks).await?;
        Ok(true)
    }

    /// Adds the blocks of a new run, one at a time: a block has up to 1.5 MB.
    async fn add(&self, session: &Session, blocks: &[Block]) -> Result<()> {
        let run = BlockId::generate(&self.clock);
        for block in blocks {
            let Some(((first, last), (oldest, newest))) = block.tags().zip(block.parcels()) else { continue };
            let (parcels, entries) = block.encode();
            let count = i32::try_from(block.count()).unwrap_or(i32::MAX);
            let params: [Param<'_>; 9] = [
                &run.uuid(),
                &BlockId::generate(&self.clock).uuid(),
                &count,
                &first.as_number(),
                &last.as_number(),
                &oldest.uuid(),
                &newest.uuid(),
                &parcels,
                &entries,
            ];
            session.query(ADD_BLOCK, &params).await?;
        }
        Ok(())
    }
}

/// Whether this transaction is the only one at the index now, on any node.
async fn is_first(session: &Session) -> Result<bool> {
    let row = session.query_opt(BOX_INDEX, &[]).await?.ok_or(StoreError::damaged("a lock"))?;
    row.value("locked")
}

/// Sorting a run takes milliseconds.
async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Unavailable("closing".to_owned()))?
}
