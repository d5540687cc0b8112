//! When a delivery is tried again, and when a webhook is disabled.

use seoham_model::UnixSeconds;

use super::{AttemptOutcome, Cursor, Disabled};

/// The pauses after failed attempts of one delivery, in seconds; the last one repeats (SPEC 15).
pub const RETRY_SECONDS: [i64; 6] = [5, 5 * 60, 30 * 60, 2 * 60 * 60, 5 * 60 * 60, 10 * 60 * 60];
/// A webhook whose receiver takes nothing for so long is disabled, in seconds (SPEC 15).
pub const DISABLED_AFTER_SECONDS: i64 = 5 * 24 * 60 * 60;

/// A receiver that says that it is gone.
const GONE: AttemptOutcome = AttemptOutcome::Answered(410);

impl Cursor {
    /// Everything up to `through` is delivered, and the next events are due at `now`.
    pub fn at(through: u64, now: UnixSeconds) -> Self {
        Self { through, pending: None, failures: 0, failing_since: None, next_attempt_at: now }
    }

    /// Where a webhook is after an attempt at `now` to deliver the events up to `last`, and whether it is disabled.
    pub fn after(
        self,
        outcome: AttemptOutcome,
        last: u64,
        now: UnixSeconds,
    ) -> (Self, Option<(Disabled, UnixSeconds)>) {
        if outcome.is_taken() {
            return (Self::at(last.max(self.through), now), None);
        }
        let failing_since = self.failing_since.unwrap_or(now);
        let pauses = usize::try_from(self.failures).unwrap_or(usize::MAX).min(RETRY_SECONDS.len() - 1);
        let cursor = Self {
            pending: Some(last),
            failures: self.failures.saturating_add(1),
            failing_since: Some(failing_since),
            next_attempt_at: now.plus(RETRY_SECONDS[pauses]),
            ..self
        };
        let disabled = match outcome {
            GONE => Some(Disabled::Gone),
            _ if now.seconds_since(failing_since) >= DISABLED_AFTER_SECONDS => Some(Disabled::Failing),
            _ => None,
        };
        (cursor, disabled.map(|why| (why, now)))
    }

    /// Whether it may be tried at `now`. Only a failing one waits; one that waits longer than the longest pause does so
    /// under a clock that was wrong.
    pub fn is_due(self, now: UnixSeconds) -> bool {
        let longest = RETRY_SECONDS[RETRY_SECONDS.len() - 1];
        self.failing_since.is_none()
            || self.next_attempt_at <= now
            || self.next_attempt_at > now.plus(longest)
    }

    /// Where a webhook is that is enabled again at `now`: the same delivery, at once.
    #[must_use]
    pub fn enabled(self, now: UnixSeconds) -> Self {
        Self { failures: 0, failing_since: None, next_attempt_at: now, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: UnixSeconds = UnixSeconds(1_795_359_600);

    #[test]
    fn a_delivery_is_tried_again_until_five_days_are_over() {
        let (mut cursor, mut now) = (Cursor::at(40, BEGIN), BEGIN);
        let mut pauses = Vec::new();
        let disabled = loop {
            let (next, disabled) = cursor.after(AttemptOutcome::NoAnswer, 99, now);
            assert_eq!((next.through, next.pending), (40, Some(99)), "a retry is the same delivery");
            if disabled.is_some() {
                break disabled;
            }
            pauses.push(next.next_attempt_at.seconds_since(now));
            (cursor, now) = (next, next.next_attempt_at);
        };
        assert_eq!(pauses[..8], [5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 36_000]);
        assert_eq!(disabled, Some((Disabled::Failing, now)));
        let days = now.seconds_since(BEGIN) / (24 * 60 * 60);
        assert_eq!(days, 5);
        let enabled = cursor.enabled(now);
        assert_eq!((enabled.pending, enabled.failures, enabled.next_attempt_at), (Some(99), 0, now));
        let (taken, disabled) = enabled.after(AttemptOutcome::Answered(204), 99, now);
        assert_eq!(taken, Cursor::at(99, now));
        assert_eq!(disabled, None);
    }

    #[test]
    fn a_failing_one_waits_and_no_clock_stops_one_for_good() {
        let (healthy, day) = (Cursor::at(7, BEGIN), 24 * 60 * 60);
        assert!(
            healthy.is_due(BEGIN) && healthy.is_due(UnixSeconds(BEGIN.0 - day)),
            "the clock was corrected"
        );
        let (failing, _) = healthy.after(AttemptOutcome::NoAnswer, 9, BEGIN);
        assert!(!failing.is_due(BEGIN) && failing.is_due(BEGIN.plus(5)));
        assert!(failing.is_due(UnixSeconds(BEGIN.0 - day)), "it would wait longer than it ever does");
    }

    #[test]
    fn only_success_counts_as_taken_and_gone_ends_it() {
        for (outcome, is_taken, disabled) in [
            (AttemptOutcome::Answered(200), true, None),
            (AttemptOutcome::Answered(299), true, None),
            (AttemptOutcome::Answered(302), false, None),
            (AttemptOutcome::Answered(400), false, None),
            (AttemptOutcome::Answered(410), false, Some(Disabled::Gone)),
            (AttemptOutcome::Answered(500), false, None),
            (AttemptOutcome::Unreachable, false, None),
        ] {
            assert_eq!(outcome.is_taken(), is_taken);
            let (cursor, found) = Cursor::at(0, BEGIN).after(outcome, 7, BEGIN);
            assert_eq!(cursor.through == 7, is_taken, "{outcome:?}");
            assert_eq!(found.map(|(why, _)| why), disabled, "{outcome:?}");
            assert_eq!(AttemptOutcome::from_number(outcome.as_number()).expect("reads"), outcome);
        }
    }
}
