//! How fast requests are got rid of, and so when a refused one may come again.

use std::time::{Duration, Instant};

/// Over what time it is measured.
const WINDOW: Duration = Duration::from_secs(2);
/// The longest pause that is asked for: what drains slower than that is down, and will be asked again.
const SECONDS_MAX: u32 = 30;

pub(super) struct DrainRate {
    since: Instant,
    finished: u32,
    per_second: f64,
}

impl DrainRate {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, finished: 0, per_second: 0.0 }
    }

    /// A request has been got rid of.
    pub(super) fn finished(&mut self, now: Instant) {
        self.roll(now);
        self.finished = self.finished.saturating_add(1);
    }

    /// Whole seconds until so many requests will have been got rid of, at least one.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1 to 30")]
    pub(super) fn seconds_for(&mut self, requests: usize, now: Instant) -> u32 {
        self.roll(now);
        let elapsed = now.duration_since(self.since).as_secs_f64();
        // The present window counts once it says something.
        let rate = if elapsed >= 0.5 { f64::from(self.finished) / elapsed } else { self.per_second };
        if rate <= 0.0 {
            // Nothing is known of it, or nothing has ended for a while.
            return if self.per_second > 0.0 { SECONDS_MAX } else { 1 };
        }
        let requests = f64::from(u32::try_from(requests).unwrap_or(u32::MAX));
        (requests / rate).ceil().clamp(1.0, f64::from(SECONDS_MAX)) as u32
    }

    fn roll(&mut self, now: Instant) {
        let elapsed = now.duration_since(self.since);
        if elapsed >= WINDOW {
            self.per_second = f64::from(self.finished) / elapsed.as_secs_f64();
            self.since = now;
            self.finished = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_follows_from_what_was_got_rid_of() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut rate = DrainRate::new(start);
        assert_eq!(rate.seconds_for(1_000, at(0)), 1, "nothing is known yet");
        for n in 0..40 {
            rate.finished(at(n * 50));
        }
        // Twenty a second.
        assert_eq!(rate.seconds_for(10, at(2_000)), 1);
        assert_eq!(rate.seconds_for(100, at(2_000)), 5);
        assert_eq!(rate.seconds_for(10_000, at(2_000)), SECONDS_MAX);
        assert_eq!(rate.seconds_for(100, at(3_900)), SECONDS_MAX, "it has come to a stop");
    }
}
