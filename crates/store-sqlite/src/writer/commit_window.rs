//! The commit window of group commit: how long a transaction stays open for more work. The more documents share a COMMIT,
//! the less each costs; but an interactive caller that arrives meanwhile waits for its end.

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

/// Decides the window of each transaction from the one before.
#[derive(Default)]
pub(super) struct CommitPolicy {
    people_seen: Option<Instant>,
    /// Sends in the transaction before.
    last_sends: usize,
    /// The transaction before was for people alone.
    was_peoples: bool,
}

/// The window of one transaction.
pub(super) struct CommitWindow {
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

impl CommitPolicy {
    pub(super) fn begin(&self, limits: &Limits, now: Instant) -> CommitWindow {
        let calm = self.people_seen.is_none_or(|seen| now.duration_since(seen) > PEOPLE_STAY);
        let time = if calm { limits.transaction_time } else { limits.short_time };
        CommitWindow { begun: now, time, calm, sends: 0, is_waited_for: false, has_work: false }
    }

    /// Somebody waits for this very transaction, which ends with their work. After one that was for people
    /// alone other work rides along, but shortly: so a steady flow of people does not starve it.
    pub(super) fn add_interactive(&mut self, window: &mut CommitWindow, limits: &Limits) {
        self.people_seen = Some(window.begun);
        window.time = if self.was_peoples && !window.has_work { limits.short_time } else { Duration::ZERO };
        window.calm = false;
        window.is_waited_for = true;
    }

    /// For how long another send is to be waited for before the COMMIT: while as many have not come back yet
    /// as the one before answered, and one more.
    pub(super) fn gathering_time(&self, window: &CommitWindow, now: Instant) -> Option<Duration> {
        let elapsed = now.duration_since(window.begun);
        let wanted = window.calm && window.sends <= self.last_sends && self.last_sends >= SENDS_MIN;
        let left = GATHER.saturating_sub(elapsed);
        (wanted && !left.is_zero()).then(|| GAP.min(left))
    }

    pub(super) fn end(&mut self, window: &CommitWindow) {
        self.last_sends = window.sends;
        self.was_peoples = window.is_waited_for && !window.has_work;
    }
}

impl CommitWindow {
    pub(super) fn is_open(&self, now: Instant) -> bool {
        now.duration_since(self.begun) < self.time
    }

    /// Whether people who come may still have their work written: also when no other is any more.
    pub(super) fn admits_interactive(&self, limits: &Limits, now: Instant) -> bool {
        now.duration_since(self.begun) < self.time.max(limits.short_time)
    }

    pub(super) fn add_work(&mut self, is_send: bool) {
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
        let mut policy = CommitPolicy::default();
        for sends in 0..SENDS_MIN {
            let mut window = policy.begin(&limits, now);
            (0..sends).for_each(|_| window.add_work(true));
            policy.end(&window);
            assert_eq!(policy.gathering_time(&policy.begin(&limits, now), now), None, "after {sends}");
        }
    }

    #[test]
    fn as_many_as_before_are_waited_for_and_one_more() {
        let (limits, now) = (Limits::default(), Instant::now());
        let mut policy = CommitPolicy { last_sends: 4, ..CommitPolicy::default() };
        let mut window = policy.begin(&limits, now);
        (0..4).for_each(|_| window.add_work(true));
        assert_eq!(policy.gathering_time(&window, now), Some(GAP));
        assert_eq!(policy.gathering_time(&window, now + GATHER.saturating_sub(GAP / 2)), Some(GAP / 2));
        assert_eq!(policy.gathering_time(&window, now + GATHER), None);
        window.add_work(true);
        assert_eq!(policy.gathering_time(&window, now), None);
        policy.add_interactive(&mut window, &limits);
        window.sends = 0;
        assert_eq!(policy.gathering_time(&window, now), None, "not while somebody waits");
        assert!(!window.is_open(now + limits.short_time));
        let later = policy.begin(&limits, now + PEOPLE_STAY * 2);
        assert!(later.is_open(now + PEOPLE_STAY * 2 + limits.short_time));
    }

    #[test]
    fn other_work_rides_along_every_other_time_while_somebody_waits() {
        let (limits, now) = (Limits::default(), Instant::now());
        let mut policy = CommitPolicy::default();
        for rides_along in [false, true, false, true] {
            let mut window = policy.begin(&limits, now);
            policy.add_interactive(&mut window, &limits);
            assert_eq!(window.is_open(now), rides_along);
            assert!(window.admits_interactive(&limits, now), "who comes at the same time is not left out");
            if rides_along {
                window.add_work(true);
            }
            policy.end(&window);
        }
        let mut window = policy.begin(&limits, now);
        window.add_work(false);
        policy.add_interactive(&mut window, &limits);
        assert!(!window.is_open(now), "what was begun before they came ends with them");
    }
}
