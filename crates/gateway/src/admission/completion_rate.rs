//! The completion rate of requests, from which the `Retry-After` of a rejected request is computed.

use std::time::{Duration, Instant};

/// The measurement window; only busy time counts.
const WINDOW: Duration = Duration::from_secs(2);
/// Shorter windows are too noisy to use.
const WINDOW_MIN: Duration = Duration::from_millis(250);
/// The longest `Retry-After`. A server slower than that is effectively down, and clients should poll it.
const SECONDS_MAX: u32 = 30;

/// Completed requests per busy time. Idle time does not count: a low arrival rate says nothing about
/// capacity.
#[derive(Default)]
pub(super) struct CompletionRate {
    /// The start of the current busy period, if any.
    busy_since: Option<Instant>,
    /// The current window: busy time before the current busy period, and completed requests.
    busy: Duration,
    finished: u32,
    /// The rate of the previous window.
    per_second: Option<f64>,
}

impl CompletionRate {
    /// A request has started.
    pub(super) fn begun(&mut self, now: Instant) {
        self.busy_since.get_or_insert(now);
    }

    /// A request has completed; `left` requests are still in progress.
    pub(super) fn finished(&mut self, left: usize, now: Instant) {
        self.finished = self.finished.saturating_add(1);
        self.roll(now);
        if left == 0 {
            self.busy = self.busy_until(now);
            self.busy_since = None;
        }
    }

    /// Whole seconds until `requests` more requests complete, at least one.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1 to 30")]
    pub(super) fn seconds_for(&mut self, requests: usize, now: Instant) -> u32 {
        self.roll(now);
        let busy = self.busy_until(now);
        let present = (busy >= WINDOW_MIN).then(|| f64::from(self.finished) / busy.as_secs_f64());
        let Some(rate) = present.or(self.per_second) else { return 1 };
        if rate <= 0.0 {
            return SECONDS_MAX;
        }
        let requests = f64::from(u32::try_from(requests).unwrap_or(u32::MAX));
        (requests / rate).ceil().clamp(1.0, f64::from(SECONDS_MAX)) as u32
    }

    fn busy_until(&self, now: Instant) -> Duration {
        self.busy + self.busy_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    fn roll(&mut self, now: Instant) {
        let busy = self.busy_until(now);
        if busy >= WINDOW {
            self.per_second = Some(f64::from(self.finished) / busy.as_secs_f64());
            self.busy = Duration::ZERO;
            self.busy_since = self.busy_since.map(|_| now);
            self.finished = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_follows_from_what_was_completed() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut rate = CompletionRate::default();
        assert_eq!(rate.seconds_for(1_000, at(0)), 1, "nothing is known yet");
        rate.begun(at(0));
        for n in 1..=40 {
            rate.finished(9, at(n * 50));
        }
        // Twenty a second.
        assert_eq!(rate.seconds_for(10, at(2_000)), 1);
        assert_eq!(rate.seconds_for(100, at(2_000)), 5);
        assert_eq!(rate.seconds_for(10_000, at(2_000)), SECONDS_MAX);
        assert_eq!(rate.seconds_for(100, at(3_900)), SECONDS_MAX, "it has come to a stop");
    }

    #[test]
    fn quiet_times_are_no_slowness() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut rate = CompletionRate::default();
        // One request a minute, each completed in ten milliseconds.
        for n in 0..100 {
            rate.begun(at(n * 60_000));
            rate.finished(0, at(n * 60_000 + 10));
        }
        rate.begun(at(6_000_000));
        assert_eq!(rate.seconds_for(64, at(6_000_001)), 1, "a hundred a second");
    }
}
