//! The periodic check of the process's clock and its database, which may keep it from serving.

use std::sync::Arc;
use std::time::Duration;

use seoham_store::Store;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// The interval.
const EVERY: Duration = Duration::from_secs(1);

/// The running check.
pub(super) struct HealthCheckTask {
    task: JoinHandle<()>,
}

impl HealthCheckTask {
    /// Starts checking on the current runtime.
    pub(super) fn start(store: &Arc<dyn Store>) -> Self {
        let store = Arc::clone(store);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                // The readiness check reports an unavailable store. Keep the last known state.
                if let Err(error) = store.examine().await {
                    tracing::debug!(%error, "the store could not be looked at");
                }
            }
        });
        Self { task }
    }

    /// Stops checking.
    pub(super) async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}
