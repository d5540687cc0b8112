//! The gauges of the outbox: how much waits, of which institution, and how old it is.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use seoham_model::{InstitutionId, UnixSeconds};
use seoham_store::deliveries::QueueDepth;

/// How old the gauges may be.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// The gauges of the queue. Counting a long queue takes a while, so it is not done for every
/// scrape of an eager scraper.
#[derive(Default)]
pub(crate) struct QueueGauges {
    counted_at: Mutex<Option<Instant>>,
    /// Institutions that have a gauge, so that an empty queue is shown as such.
    known: Mutex<BTreeSet<InstitutionId>>,
}

impl QueueGauges {
    /// Whether they are to be counted now.
    pub(crate) fn is_due(&self) -> bool {
        let mut counted_at = self.counted_at.lock().unwrap_or_else(PoisonError::into_inner);
        let due = counted_at.is_none_or(|at| at.elapsed() >= COUNT_EVERY);
        if due {
            *counted_at = Some(Instant::now());
        }
        due
    }

    /// Sets them to what was counted.
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
