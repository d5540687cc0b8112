//! The sequencer: moves committed steps from the outbox into the ledger, and numbers them without gaps.
//!
//! One statement does a pass: it renews the lease, takes rows off the outbox, advances the feeds and writes the ledger,
//! so that a pass happens as a whole or not at all. The row of the lease is its fence: a node that was frozen between
//! two passes finds another holder there, and one that is still in a pass keeps the others waiting for its end. The order
//! is that in which rows were inserted, among those that are committed: a step that follows from another was inserted
//! after that one was committed.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use seoham_store::{Result, StoreError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::columns::Columns;
use crate::deliveries::Sweeper;
use crate::session::Session;
use crate::signals::Signals;

/// How often the holder looks for new steps.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often the other nodes look whether the holder is gone.
const STAND_BY: Duration = Duration::from_secs(1);
/// Time to leave the database alone after a pass failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Rows that one pass moves at most.
const MOVED_AT_ONCE: i64 = 2_000;

const HAS_STEPS: &str = "SELECT EXISTS (SELECT FROM outbox) AS has_steps";

/// A lease is short, because nothing else waits for a holder that is gone.
const PASS: &str = include_str!("pass.sql");

/// The sequencer of a node.
pub(crate) struct Sequencer {
    pool: Pool,
    /// Identifies this node to the others.
    holder: Uuid,
    signals: Arc<Signals>,
    sweeper: Arc<Sweeper>,
}

/// The result of a pass.
struct Pass {
    is_holder: bool,
    moved: i64,
}

impl Sequencer {
    /// Starts numbering, or standing by for the node that does, until `stop`.
    pub(crate) fn start(
        pool: &Pool,
        signals: &Arc<Signals>,
        sweeper: &Arc<Sweeper>,
        stop: &CancellationToken,
    ) {
        let sequencer = Self {
            pool: pool.clone(),
            holder: Uuid::now_v7(),
            signals: Arc::clone(signals),
            sweeper: Arc::clone(sweeper),
        };
        let stop = stop.clone();
        let running = async move {
            loop {
                let wait = sequencer.look().await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "events could not be numbered, which is tried again");
                    AFTER_FAILURE
                });
                tokio::time::sleep(wait).await;
            }
        };
        tokio::spawn(async move { Box::pin(stop.run_until_cancelled(running)).await });
    }

    /// Numbers what there is. Returns when to look again.
    async fn look(&self) -> Result<Duration> {
        let session = Session::from(&self.pool).await?;
        let has_steps = session.query_opt(HAS_STEPS, &[]).await?;
        // A pass renews the lease, which is a commit.
        if !has_steps.ok_or(StoreError::damaged("the outbox"))?.value::<bool>("has_steps")? {
            return Ok(LOOK_EVERY);
        }
        loop {
            let Pass { is_holder, moved } = self.pass(&session).await?;
            if moved > 0 {
                self.sweeper.gone(usize::try_from(moved).unwrap_or(0));
                self.signals.events_numbered();
            }
            if !is_holder {
                return Ok(STAND_BY);
            }
            if moved < MOVED_AT_ONCE {
                return Ok(LOOK_EVERY);
            }
        }
    }

    async fn pass(&self, session: &Session) -> Result<Pass> {
        let rows = session.write("numbering events", PASS, &[&self.holder, &MOVED_AT_ONCE]).await?;
        let row = rows.first().ok_or(StoreError::damaged("the sequencer"))?;
        Ok(Pass { is_holder: row.value("is_holder")?, moved: row.value("moved")? })
    }
}
