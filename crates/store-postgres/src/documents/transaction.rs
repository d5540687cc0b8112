//! One transaction of acceptances: creates missing partitions, and waits for COMMIT with a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use seoham_store::documents::Accepted;
use seoham_store::parcel::Batch;
use seoham_store::{Result, StoreError};

use super::accept::{insert, insert_unless_known};
use crate::failure::{Doing, key_may_be_known, lacks_partition};
use crate::partitions::Partitions;
use crate::session::Session;

/// How long a loop initially waits for a COMMIT, which may be waiting for a standby, or for a primary that silently
/// disappeared. Each consecutive timeout doubles it, so that a loop soon leaves a lost primary, but leaves few
/// sessions behind on a primary that is only waiting.
const COMMIT_TIME: Duration = Duration::from_secs(20);

/// How to write batches.
#[derive(Clone, Copy)]
pub(super) enum Way {
    /// No key is expected to exist: pipeline everything.
    AllNew,
    /// Some keys may exist: leave out their documents. The transaction begins with this statement.
    UnlessKnown(&'static str),
}

/// The result of a transaction.
pub(super) enum Written {
    /// The result of each batch.
    Whole(Vec<Accepted>),
    /// Nothing was written: a key exists, or another transaction that is writing it did not end in time.
    KeyMayBeKnown,
}

/// Writes transactions of acceptances on connections of one pool.
#[derive(Clone)]
pub(super) struct AcceptTransactions {
    pool: Pool,
    partitions: Arc<Partitions>,
    /// The slot in which the day's documents are counted.
    slot: i16,
    /// Number of consecutive unconfirmed COMMITs.
    in_vain: Arc<AtomicU32>,
}

impl AcceptTransactions {
    pub(super) fn new(pool: &Pool, partitions: &Arc<Partitions>) -> Self {
        Self {
            pool: pool.clone(),
            partitions: Arc::clone(partitions),
            slot: rand::random(),
            in_vain: Arc::default(),
        }
    }

    /// Writes one transaction.
    pub(super) async fn write(&self, batches: &[&Batch], way: Way) -> Result<Written> {
        let started = Instant::now();
        let rows: usize = batches.iter().map(|batch| batch.documents()).sum();
        let session = Session::from(&self.pool).await?;
        let mut partitions_made = false;
        loop {
            let doing = Doing::Writing("an acceptance");
            let (mut lacking, mut known) = (false, false);
            let work = async {
                let client = session.client();
                let written = match way {
                    Way::AllNew => {
                        let whole = vec![Accepted::Whole; batches.len()];
                        insert(client, batches, self.slot).await.map(|()| whole)
                    }
                    Way::UnlessKnown(begin) => insert_unless_known(client, batches, self.slot, begin).await,
                };
                written.inspect_err(|e| {
                    lacking = lacks_partition(e);
                    known = key_may_be_known(e);
                })
            };
            let in_vain = self.in_vain.load(Ordering::Relaxed);
            let time = COMMIT_TIME * 2_u32.pow(in_vain.min(6));
            let result = Box::pin(session.at_most(time, doing, work)).await;
            match result {
                Ok(_) => self.in_vain.store(0, Ordering::Relaxed),
                Err(StoreError::Uncertain(_)) => self.in_vain.store(in_vain + 1, Ordering::Relaxed),
                Err(_) => {}
            }
            metrics::histogram!("seoham_commit_rows")
                .record(f64::from(u32::try_from(rows).unwrap_or(u32::MAX)));
            metrics::histogram!("seoham_commit_seconds").record(started.elapsed().as_secs_f64());
            if known {
                return Ok(Written::KeyMayBeKnown);
            }
            if result.is_ok() || !lacking || partitions_made {
                return result.map(Written::Whole);
            }
            let ids = batches.iter().filter_map(|batch| batch.parcel.as_ref()).map(|parcel| parcel.id);
            // The documents were rolled back, whether or not the month can be created.
            let made = self.partitions.make_for(&session, ids).await;
            made.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            partitions_made = true;
        }
    }
}
