//! The gauges of the outbox: queue depth per institution, and the age of its entries.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use seoham_model::{InstitutionId, UnixSeconds};
use seoham_store::deliveries::QueueDepth;

/// The maximum age of the gauges.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// The gauges of the queue. Counting a long queue takes time, so not every scrape does it.
#[derive(Default)]
pub(crate) struct QueueGauges {
    counted_at: Mutex<Option<Instant>>,
    /// Institutions that have a gauge, so that it can be reset when their queue is empty.
    known: Mutex<BTreeSet<InstitutionId>>,
}

impl QueueGauges {
    /// Whether to count now.
    pub(crate) fn is_due(&self) -> bool {
        let mut counted_at = self.counted_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = counted_at.is_none_or(|at| at.elapsed() >= COUNT_EVERY);
        if due {
            *counted_at = Some(Instant::now());
        }
        due
    }

    /// Sets the gauges to the counted values.
    pub(crate) fn set(&self, depths: &[QueueDepth], now: UnixSeconds) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for institution in known.iter() {
            set_gauges(&institution.to_string(), 0, 0);
        }
        for depth in depths {
            known.insert(depth.institution);
            let age = now.seconds_since(depth.oldest_accepted_at).max(0);
            set_gauges(&depth.institution.to_string(), depth.waiting, age);
        }
    }
}

fn set_gauges(institution: &str, waiting: u64, age_seconds: i64) {
    let float = |n: i64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let waiting = float(i64::try_from(waiting).unwrap_or(i64::MAX));
    metrics::gauge!("seoham_queue_depth", "institution" => institution.to_owned()).set(waiting);
    metrics::gauge!("seoham_queue_oldest_age_seconds", "institution" => institution.to_owned())
        .set(float(age_seconds));
}
