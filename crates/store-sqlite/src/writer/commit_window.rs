//! The commit window of group commit: how long a transaction stays open for more work. The more documents share a
//! COMMIT, the less each costs, but an interactive caller that arrives meanwhile waits for the transaction to end.

use std::time::{Duration, Instant};

use super::lanes::Limits;

/// How long transactions stay short after a person's write.
const PEOPLE_STAY: Duration = Duration::from_secs(1);
/// Number of sends in a transaction from which the next one waits for more: that many clients send concurrently.
const SENDS_MIN: usize = 3;
/// How long to wait for the next send after the last: about as long as a COMMIT, which is what waiting may save.
const GAP: Duration = Duration::from_micros(500);
/// How long to wait for sends in total.
const GATHER: Duration = Duration::from_millis(6);

/// Chooses the window of each transaction based on the previous one.
#[derive(Default)]
pub(super) struct CommitPolicy {
    people_seen: Option<Instant>,
    /// Sends in the previous transaction.
    last_sends: usize,
    /// The previous transaction contained only people's work.
    was_peoples: bool,
}

/// The window of one transaction.
pub(super) struct CommitWindow {
    begun: Instant,
    /// The maximum duration.
    time: Duration,
    /// Only institutions are active.
    calm: bool,
    sends: usize,
    /// A person waits for it.
    is_waited_for: bool,
    /// It contains work other than people's.
    has_work: bool,
}

impl CommitPolicy {
    pub(super) fn begin(&self, limits: &Limits, now: Instant) -> CommitWindow {
        let calm = self.people_seen.is_none_or(|seen| now.duration_since(seen) > PEOPLE_STAY);
        let time = if calm { limits.transaction_time } else { limits.short_time };
        CommitWindow { begun: now, time, calm, sends: 0, is_waited_for: false, has_work: false }
    }

    /// Ends this transaction after the person's job, because they wait for it. If the previous one contained only
    /// people's work, other work may join for a short time, so that a steady flow of people does not starve it.
    pub(super) fn add_interactive(&mut self, window: &mut CommitWindow, limits: &Limits) {
        self.people_seen = Some(window.begun);
        window.time = if self.was_peoples && !window.has_work { limits.short_time } else { Duration::ZERO };
        window.calm = false;
        window.is_waited_for = true;
    }

    /// How long to wait for another send before the COMMIT: until as many arrived as the previous transaction answered.
    /// Their senders are the ones that send again, and what arrives during a COMMIT makes the next one larger without
    /// any waiting. Waiting for one more would be waiting in vain in every transaction.
    pub(super) fn gathering_time(&self, window: &CommitWindow, now: Instant) -> Option<Duration> {
        let elapsed = now.duration_since(window.begun);
        let wanted = window.calm && window.sends < self.last_sends && self.last_sends >= SENDS_MIN;
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

    /// Whether interactive jobs may still join, even when no other work may.
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
    fn as_many_as_before_are_waited_for_and_no_more() {
        let (limits, now) = (Limits::default(), Instant::now());
        let mut policy = CommitPolicy { last_sends: 4, ..CommitPolicy::default() };
        let mut window = policy.begin(&limits, now);
        (0..3).for_each(|_| window.add_work(true));
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
