//! Which hand-overs a worker holds, until when, and the rate limits of providers. Kept in memory only: one process uses
//! the file, and after a restart every hand-over is looked after anew.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use seoham_store::handovers::HandoverId;

#[derive(Default)]
pub(crate) struct HandoverBook {
    held: Mutex<HashMap<HandoverId, Instant>>,
    rates: Mutex<HashMap<String, Instant>>,
}

impl HandoverBook {
    /// Leases a hand-over; `false` if somebody holds it.
    pub(super) fn hold(&self, id: HandoverId, lease: Duration) -> bool {
        let (now, mut held) = (Instant::now(), self.lock());
        if held.get(&id).is_some_and(|until| *until > now) {
            return false;
        }
        held.insert(id, now + lease);
        true
    }

    pub(super) fn is_held(&self, id: HandoverId) -> bool {
        self.lock().get(&id).is_some_and(|until| *until > Instant::now())
    }

    /// How many are held, at most.
    pub(super) fn count(&self) -> usize {
        let mut held = self.lock();
        let now = Instant::now();
        held.retain(|_, until| *until > now);
        held.len()
    }

    pub(super) fn let_go(&self, id: HandoverId) {
        self.lock().remove(&id);
    }

    /// Reserves the time for `messages`, and returns how long to wait before they are sent; `None` if longer than `at_most`.
    pub(super) fn reserve(
        &self,
        provider: &str,
        messages: usize,
        rate_per_second: f64,
        at_most: Duration,
    ) -> Option<Duration> {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let free_at = rates.get(provider).copied().unwrap_or(now).max(now);
        let wait = free_at - now;
        if wait > at_most {
            return None;
        }
        #[allow(clippy::cast_precision_loss, reason = "a batch is small")]
        let takes = Duration::from_secs_f64((messages as f64 / rate_per_second).min(3_600.0));
        rates.insert(provider.to_owned(), free_at + takes);
        Some(wait)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<HandoverId, Instant>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn one_holds_until_the_lease_ends() {
        let (book, id) = (HandoverBook::default(), HandoverId(Uuid::nil()));
        assert!(book.hold(id, Duration::from_secs(60)) && !book.hold(id, Duration::from_secs(60)));
        assert!(book.is_held(id) && book.count() == 1);
        book.let_go(id);
        assert!(!book.is_held(id) && book.hold(id, Duration::ZERO));
        assert!(book.hold(id, Duration::ZERO), "the lease has ended");
        assert_eq!(book.count(), 0);
    }

    #[test]
    fn what_is_reserved_together_takes_its_time() {
        let book = HandoverBook::default();
        let reserve = |provider, at_most| book.reserve(provider, 100, 50.0, Duration::from_secs(at_most));
        assert_eq!(reserve("nhn", 10), Some(Duration::ZERO));
        let wait = reserve("nhn", 10).expect("soon enough");
        assert!(wait > Duration::from_millis(1_500) && wait <= Duration::from_secs(2), "{wait:?}");
        assert_eq!(reserve("nhn", 3), None, "too late");
        assert!(reserve("nhn", 4).is_some(), "what is refused takes no time");
        assert_eq!(reserve("sens", 0), Some(Duration::ZERO));
    }
}
