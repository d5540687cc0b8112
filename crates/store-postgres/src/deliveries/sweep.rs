//! Vacuums the queue, what waits for the box index, and the outbox. A row lives for about a second, but autovacuum runs only
//! once a minute. By then a claim would have to skip many thousands of dead rows to find the first live one. Each table is
//! swept by its own number: a sweep looks at every new page.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::failure::Doing;
use crate::session::Session;

/// Minimum time between two sweeps of one node.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A table whose rows live for seconds.
#[derive(Clone, Copy)]
pub(crate) enum Swept {
    /// The queue of notifications.
    Deliveries,
    /// What waits for the box index.
    BoxPending,
    /// Steps on their way into the ledger.
    Outbox,
    /// Deadlines.
    Expiries,
}

/// Each with the number of removed or split rows from which on it is swept. A pass of the sequencer begins at the first row
/// of the outbox by an index, in which it marks dead entries itself: they may be more.
const TABLES: [(&str, usize); 4] =
    [("deliveries", 2_000), ("box_pending", 2_000), ("outbox", 20_000), ("expiries", 2_000)];

#[derive(Default)]
pub(crate) struct Sweeper {
    gone: [AtomicUsize; TABLES.len()],
    due: Notify,
}

impl Sweeper {
    /// Records that `rows` rows of a table were removed or split.
    pub(crate) fn gone(&self, table: Swept, rows: usize) {
        let (gone, (_, due)) = (&self.gone[table as usize], TABLES[table as usize]);
        if gone.fetch_add(rows, Ordering::Relaxed) + rows >= due {
            self.due.notify_one();
        }
    }

    /// Takes the tables that are due.
    fn take_due(&self) -> Vec<&'static str> {
        let due =
            TABLES.iter().zip(&self.gone).filter(|((_, due), gone)| gone.load(Ordering::Relaxed) >= *due);
        due.map(|((table, _), gone)| {
            gone.store(0, Ordering::Relaxed);
            *table
        })
        .collect()
    }

    /// Starts sweeping when it is due, until `stop`.
    pub(crate) fn start(self: &Arc<Self>, pool: &Pool, stop: &CancellationToken) {
        let (this, pool, stop) = (Arc::clone(self), pool.clone(), stop.clone());
        let sweeping = async move {
            loop {
                this.due.notified().await;
                let tables = this.take_due().join(", ");
                if !tables.is_empty()
                    && let Ok(session) = Session::from(&pool).await
                {
                    // Does not wait for another node that is sweeping. Without the owner's privilege, autovacuum does the
                    // work.
                    let sweep = format!("VACUUM (SKIP_LOCKED, TRUNCATE false, INDEX_CLEANUP on) {tables}");
                    let swept = session.client().batch_execute(&sweep);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_is_due_by_its_own_rows() {
        let sweeper = Sweeper::default();
        sweeper.gone(Swept::Deliveries, 1_999);
        sweeper.gone(Swept::Outbox, 19_999);
        assert!(sweeper.take_due().is_empty());
        sweeper.gone(Swept::Outbox, 1);
        sweeper.gone(Swept::BoxPending, 5_000);
        assert_eq!(sweeper.take_due(), ["box_pending", "outbox"]);
        assert!(sweeper.take_due().is_empty());
        sweeper.gone(Swept::Deliveries, 1);
        sweeper.gone(Swept::Expiries, 2_000);
        assert_eq!(sweeper.take_due(), ["deliveries", "expiries"]);
    }
}
