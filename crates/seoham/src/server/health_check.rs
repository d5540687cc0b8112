//! The look, once a second, at what may keep the process from serving: its clock and its database.

use std::sync::Arc;
use std::time::Duration;

use seoham_store::Store;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// How often.
const EVERY: Duration = Duration::from_secs(1);

/// It goes on until it is stopped.
pub(super) struct HealthCheckTask {
    task: JoinHandle<()>,
}

impl HealthCheckTask {
    /// Starts looking on the present runtime.
    pub(super) fn start(store: &Arc<dyn Store>) -> Self {
        let store = Arc::clone(store);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                // A store that is away is what readiness tells; what was known of it stays.
                if let Err(error) = store.examine().await {
                    tracing::debug!(%error, "the store could not be looked at");
                }
            }
        });
        Self { task }
    }

    /// Looks no more.
    pub(super) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}
