//! Keeping the feeds of events: telling of deadlines that passed, and forgetting old events (SPEC 15).

use std::time::Duration;

use seoham_store::StoreError;
use seoham_store::events::KEPT_SECONDS;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Worker, pause};

/// How often deadlines that passed are looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Parcels looked at in one step.
const PARCELS_AT_ONCE: usize = 50;
/// How often old events are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(10);

impl Worker {
    pub(super) async fn keep_feeds(self, stop: CancellationToken) {
        let mut forget_at = Instant::now();
        while !stop.is_cancelled() {
            match self.tell_expired().await {
                Ok(looked_at) if looked_at >= PARCELS_AT_ONCE => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "could not tell of deadlines that passed"),
            }
            if Instant::now() >= forget_at {
                match self.forget_events().await {
                    Ok(0) => {}
                    Ok(_) => continue,
                    Err(error) => tracing::warn!(%error, "could not forget old events"),
                }
                forget_at = Instant::now() + FORGET_EVERY;
            }
            pause(LOOK_EVERY, &stop).await;
        }
    }

    /// A step cannot be taken back, so it uses the certain time.
    async fn tell_expired(&self) -> Result<usize, StoreError> {
        self.store.health().check()?;
        self.store.tell_expired(PARCELS_AT_ONCE, self.store.clock().certain_now()).await
    }

    async fn forget_events(&self) -> Result<usize, StoreError> {
        self.store.health().check()?;
        self.store.forget_events(self.store.clock().certain_now().plus(-KEPT_SECONDS)).await
    }
}
