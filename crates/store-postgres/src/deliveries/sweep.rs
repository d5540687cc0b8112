//! Clearing the queue of what is gone. A row of it lives for a second, and the database's own clearing comes by
//! once a minute: by then a claim would have to pass many thousands that are gone to find the first that is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::failure::Doing;
use crate::session::Session;

/// Rows that have gone or were cut since the last time.
const SWEEP_AFTER_ROWS: usize = 2_000;
/// The shortest time between two sweeps of one node.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Another node that sweeps is not waited for. Without the owner's right it is left to the database.
const SWEEP: &str = "VACUUM (SKIP_LOCKED, TRUNCATE false, INDEX_CLEANUP on) delivery_parcels";

#[derive(Default)]
pub(crate) struct Sweeper {
    gone: AtomicUsize,
    due: Notify,
}

impl Sweeper {
    /// So many rows have gone.
    pub(super) fn gone(&self, rows: usize) {
        if self.gone.fetch_add(rows, Ordering::Relaxed) + rows >= SWEEP_AFTER_ROWS {
            self.due.notify_one();
        }
    }

    /// Sweeps when there is something to, until `stop`.
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
