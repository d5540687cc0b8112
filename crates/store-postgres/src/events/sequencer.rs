//! The sequencer: moves committed steps from the outbox into the ledger, and numbers them without gaps.
//!
//! One statement does a pass: it renews the lease, takes rows off the outbox, advances the feeds and writes the ledger,
//! so that a pass happens as a whole or not at all. A trigger of the ledger counts the statistics with it. The row of the
//! lease is its fence: a node that was frozen between two passes finds another holder there, and one that is still in a
//! pass keeps the others waiting for its end. The order is that in which rows were inserted, among those that are
//! committed: a step that follows from another was inserted after that one was committed.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Pool;
use seoham_store::{Result, StoreError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::columns::Columns;
use crate::deliveries::{Sweeper, Swept};
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
        let (sequencer, stop) = (Arc::new(sequencer), stop.clone());
        let keeping = async move {
            while !stop.is_cancelled() {
                let (sequencer, stop) = (Arc::clone(&sequencer), stop.clone());
                let running = async move { Box::pin(stop.run_until_cancelled(sequencer.run())).await };
                if let Err(error) = tokio::spawn(running).await {
                    tracing::error!(%error, "the sequencer broke off, and begins again");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        };
        tokio::spawn(keeping);
    }

    async fn run(&self) {
        let mut is_holder = true;
        loop {
            let looked = self.look(&mut is_holder).await;
            let wait = looked.map_or_else(
                |error| {
                    tracing::warn!(%error, "events could not be numbered, which is tried again");
                    AFTER_FAILURE
                },
                |()| if is_holder { LOOK_EVERY } else { STAND_BY },
            );
            tokio::time::sleep(wait).await;
        }
    }

    /// Numbers what there is, as long as this node holds the lease.
    async fn look(&self, is_holder: &mut bool) -> Result<()> {
        let session = Session::from(&self.pool).await?;
        let has_steps = session.query_opt(HAS_STEPS, &[]).await?;
        // A pass renews the lease, which is a commit.
        if !has_steps.ok_or(StoreError::damaged("the outbox"))?.value::<bool>("has_steps")? {
            return Ok(());
        }
        loop {
            let Pass { is_holder: holds, moved } = self.pass(&session).await?;
            *is_holder = holds;
            if moved > 0 {
                self.sweeper.gone(Swept::Outbox, usize::try_from(moved).unwrap_or(0));
                self.signals.events_numbered();
            }
            if !holds || moved < MOVED_AT_ONCE {
                return Ok(());
            }
        }
    }

    async fn pass(&self, session: &Session) -> Result<Pass> {
        let rows = session.write("numbering events", PASS, &[&self.holder, &MOVED_AT_ONCE]).await?;
        let row = rows.first().ok_or(StoreError::damaged("the sequencer"))?;
        Ok(Pass { is_holder: row.value("is_holder")?, moved: row.value("moved")? })
    }
}
