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
    /// The transaction before was for people alone.
    was_peoples: bool,
}

/// The pace of one transaction.
pub(super) struct Beat {
    begun: Instant,
    /// After what time it ends.
    time: Duration,
    /// Nobody but institutions is about.
    calm: bool,
    sends: usize,
    /// Somebody waits for it.
    is_waited_for: bool,
    /// It has written other work than people's.
    has_work: bool,
}

impl Pace {
    pub(super) fn begin(&self, limits: &Limits, now: Instant) -> Beat {
        let calm = self.people_seen.is_none_or(|seen| now.duration_since(seen) > PEOPLE_STAY);
        let time = if calm { limits.transaction_time } else { limits.short_time };
        Beat { begun: now, time, calm, sends: 0, is_waited_for: false, has_work: false }
    }

    /// Somebody waits for this very transaction, which ends with their work. After one that was for people
    /// alone other work rides along, but shortly: so a steady flow of people does not starve it.
    pub(super) fn somebody_waits(&mut self, beat: &mut Beat, limits: &Limits) {
        self.people_seen = Some(beat.begun);
        beat.time = if self.was_peoples && !beat.has_work { limits.short_time } else { Duration::ZERO };
        beat.calm = false;
        beat.is_waited_for = true;
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
        self.was_peoples = beat.is_waited_for && !beat.has_work;
    }
}

impl Beat {
    pub(super) fn goes_on(&self, now: Instant) -> bool {
        now.duration_since(self.begun) < self.time
    }

    /// Whether people who come may still have their work written: also when no other is any more.
    pub(super) fn takes_people(&self, limits: &Limits, now: Instant) -> bool {
        now.duration_since(self.begun) < self.time.max(limits.short_time)
    }

    pub(super) fn works(&mut self, is_send: bool) {
        self.has_work = true;
        self.sends += usize::from(is_send);
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
            (0..sends).for_each(|_| beat.works(true));
            pace.end(&beat);
            assert_eq!(pace.patience(&pace.begin(&limits, now), now), None, "after {sends}");
        }
    }

    #[test]
    fn as_many_as_before_are_waited_for_and_one_more() {
        let (limits, now) = (Limits::default(), Instant::now());
        let mut pace = Pace { last_sends: 4, ..Pace::default() };
        let mut beat = pace.begin(&limits, now);
        (0..4).for_each(|_| beat.works(true));
        assert_eq!(pace.patience(&beat, now), Some(GAP));
        assert_eq!(pace.patience(&beat, now + GATHER.saturating_sub(GAP / 2)), Some(GAP / 2));
        assert_eq!(pace.patience(&beat, now + GATHER), None);
        beat.works(true);
        assert_eq!(pace.patience(&beat, now), None);
        pace.somebody_waits(&mut beat, &limits);
        beat.sends = 0;
        assert_eq!(pace.patience(&beat, now), None, "not while somebody waits");
        assert!(!beat.goes_on(now + limits.short_time));
        let later = pace.begin(&limits, now + PEOPLE_STAY * 2);
        assert!(later.goes_on(now + PEOPLE_STAY * 2 + limits.short_time));
    }

    #[test]
    fn other_work_rides_along_every_other_time_while_somebody_waits() {
        let (limits, now) = (Limits::default(), Instant::now());
        let mut pace = Pace::default();
        for rides_along in [false, true, false, true] {
            let mut beat = pace.begin(&limits, now);
            pace.somebody_waits(&mut beat, &limits);
            assert_eq!(beat.goes_on(now), rides_along);
            assert!(beat.takes_people(&limits, now), "who comes at the same time is not left out");
            if rides_along {
                beat.works(true);
            }
            pace.end(&beat);
        }
        let mut beat = pace.begin(&limits, now);
        beat.works(false);
        pace.somebody_waits(&mut beat, &limits);
        assert!(!beat.goes_on(now), "what was begun before they came ends with them");
    }
}
