//! What is to be done with the deliveries that were queued in a restored backup.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use seoham_store::deliveries::Claim;
use seoham_store::restore::WorkOrder;
use seoham_store::{StoreError, WorkerStore};

/// How long the cached work order is valid.
const ORDER_EVERY: Duration = Duration::from_secs(1);

/// The work order for queued documents, cached from the store.
#[derive(Default)]
pub(super) struct CachedOrder(Mutex<Option<(Instant, WorkOrder)>>);

impl CachedOrder {
    /// Whether deliveries are held until an operator decides about them.
    pub(super) async fn is_held(&self, store: &dyn WorkerStore) -> Result<bool, StoreError> {
        Ok(self.current(store).await? == WorkOrder::Held)
    }

    async fn current(&self, store: &dyn WorkerStore) -> Result<WorkOrder, StoreError> {
        let known = self.known();
        if let Some((_, order)) = known.filter(|(asked, _)| asked.elapsed() < ORDER_EVERY) {
            return Ok(order);
        }
        let order = store.work_order().await?;
        if order == WorkOrder::Held && known.is_none_or(|(_, known)| known != WorkOrder::Held) {
            tracing::warn!("deliveries are held after a restore: seoham admin deliveries release");
        }
        metrics::gauge!("seoham_deliveries_held").set(f64::from(u8::from(order == WorkOrder::Held)));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), order));
        Ok(order)
    }

    /// Whether the document goes into its box without a notification.
    pub(super) fn drops(&self, claim: &Claim) -> bool {
        self.known().is_some_and(|(_, order)| order.drops(claim.document, claim.first_attempt_at))
    }

    fn known(&self) -> Option<(Instant, WorkOrder)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
