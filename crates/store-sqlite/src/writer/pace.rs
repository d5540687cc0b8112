//! How long a transaction goes on. Two ends pull at it: the more documents share a COMMIT, the less each
//! costs; and somebody who comes meanwhile waits for its end.

use std::time::{Duration, Instant};

use super::lanes::Limits;

/// For how long after somebody's write transactions are short.
const PEOPLE_STAY: Duration = Duration::from_secs(1);
/// Sends in one transaction from which on more is waited for: that many send at the same time.
const SENDS_MIN: usize = 3;
/// How long after the last the next of them is waited for.
const GAP: Duration = Duration::from_micros(1_500);
/// How long they are waited for in all.
const GATHER: Duration = Duration::from_millis(6);

#[derive(Default)]
pub(super) struct Pace {
    people_seen: Option<Instant>,
    /// Sends in the transaction before.
    last_sends: usize,
}

/// The pace of one transaction.
pub(super) struct Beat {
    begun: Instant,
    /// After what time it ends.
    time: Duration,
    /// Nobody but institutions is about.
    calm: bool,
    sends: usize,
}

impl Pace {
    pub(super) fn begin(&self, limits: &Limits, now: Instant) -> Beat {
        let calm = self.people_seen.is_none_or(|seen| now.duration_since(seen) > PEOPLE_STAY);
        let time = if calm { limits.transaction_time } else { limits.short_time };
        Beat { begun: now, time, calm, sends: 0 }
    }

    /// Somebody waits for this very transaction: bulk work rides along, but shortly, so that a steady flow of
    /// people does not starve it either.
    pub(super) fn somebody_waits(&mut self, beat: &mut Beat, limits: &Limits) {
        self.people_seen = Some(beat.begun);
        beat.time = limits.short_time;
        beat.calm = false;
    }

    /// For how long another send is to be waited for before the COMMIT: while as many have not come back yet
    /// as the one before answered, and one more.
    pub(super) fn patience(&self, beat: &Beat, now: Instant) -> Option<Duration> {
        let elapsed = now.duration_since(beat.begun);
        let wanted = beat.calm && beat.sends <= self.last_sends && self.last_sends >= SENDS_MIN;
        let left = GATHER.saturating_sub(elapsed);
        (wanted && !left.is_zero()).then(|| GAP.min(left))
    }

    pub(super) fn end(&mut self, beat: &Beat) {
        self.last_sends = beat.sends;
    }
}

impl Beat {
    pub(super) fn goes_on(&self, now: Instant) -> bool {
        now.duration_since(self.begun) < self.time
    }

    pub(super) fn sent(&mut self) {
        self.sends += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_alone_waits_for_nobody() {
        let (limits, now) = (Limits::default(), Instant::now());
        let mut pace = Pace::default();
        for sends in 0..SENDS_MIN {
            let mut beat = pace.begin(&limits, now);
            (0..sends).for_each(|_| beat.sent());
            pace.end(&beat);
            assert_eq!(pace.patience(&pace.begin(&limits, now), now), None, "after {sends}");
        }
    }

    #[test]
    fn as_many_as_before_are_waited_for_and_one_more() {
        let (limits, now) = (Limits::default(), Instant::now());
        let mut pace = Pace { last_sends: 4, ..Pace::default() };
        let mut beat = pace.begin(&limits, now);
        (0..4).for_each(|_| beat.sent());
        assert_eq!(pace.patience(&beat, now), Some(GAP));
        assert_eq!(pace.patience(&beat, now + GATHER.saturating_sub(GAP / 2)), Some(GAP / 2));
        assert_eq!(pace.patience(&beat, now + GATHER), None);
        beat.sent();
        assert_eq!(pace.patience(&beat, now), None);
        pace.somebody_waits(&mut beat, &limits);
        beat.sends = 0;
        assert_eq!(pace.patience(&beat, now), None, "not while somebody waits");
        assert!(!beat.goes_on(now + limits.short_time));
        let later = pace.begin(&limits, now + PEOPLE_STAY * 2);
        assert!(later.goes_on(now + PEOPLE_STAY * 2 + limits.short_time));
    }
}
