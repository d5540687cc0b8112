//! Vacuums the queue, what waits for the box index, and the outbox. A row lives for about a second, but autovacuum runs only once a minute. By then a claim would
//! have to skip many thousands of dead rows to find the first live one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::failure::Doing;
use crate::session::Session;

/// Removed or split rows that trigger a sweep.
const SWEEP_AFTER_ROWS: usize = 2_000;
/// Minimum time between two sweeps of one node.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Does not wait for another node that is sweeping. Without the owner's privilege, autovacuum does the work.
const SWEEP: &str =
    "VACUUM (SKIP_LOCKED, TRUNCATE false, INDEX_CLEANUP on) deliveries, box_pending, outbox, expiries";

#[derive(Default)]
pub(crate) struct Sweeper {
    gone: AtomicUsize,
    due: Notify,
}

impl Sweeper {
    /// Records that `rows` rows were removed or split.
    pub(crate) fn gone(&self, rows: usize) {
        if self.gone.fetch_add(rows, Ordering::Relaxed) + rows >= SWEEP_AFTER_ROWS {
            self.due.notify_one();
        }
    }

    /// Starts sweeping when it is due, until `stop`.
    pub(crate) fn start(self: &Arc<Self>, pool: &Pool, stop: &CancellationToken) {
        let (this, pool, stop) = (Arc::clone(self), pool.clone(), stop.clone());
        let sweeping = async move {
            loop {
                this.due.notified().await;
                this.gone.store(0, Ordering::Relaxed);
                if let Ok(session) = Session::from(&pool).await {
                    let swept = session.client().batch_execute(SWEEP);
                    if let Err(error) = session.within_long(Doing::Writing("sweeping the queue"), swept).await
                    {
                        tracing::debug!(%error, "the queue could not be swept");
                    }
                }
                tokio::time::sleep(SWEEP_EVERY).await;
            }
        };
        tokio::spawn(async move { stop.run_until_cancelled(sweeping).await });
    }
}
