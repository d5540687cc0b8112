//! Exponential backoff with jitter for messages that were not accepted (SPEC 13). It honours the messenger's
//! `Retry-After`, and gives up after 24 hours.

use std::time::Duration;

use seoham_model::UnixSeconds;
use seoham_store::deliveries::Outcome;

/// A message is given up this long after its first attempt.
const GIVE_UP_AFTER_SECONDS: i64 = 24 * 60 * 60;
const FIRST_PAUSE_SECONDS: i64 = 2;
const LONGEST_PAUSE_SECONDS: i64 = 15 * 60;
/// The most jitter added to a delay that the messenger requested.
const LONGEST_SPREAD_SECONDS: i64 = 5 * 60;

/// Decides what happens to a message after another failed attempt.
///
/// `attempts` counts the ones before this; `jitter` is between 0 and 1.
pub(crate) fn after_failure(
    attempts: u32,
    first_attempt_at: UnixSeconds,
    now: UnixSeconds,
    deadline_at: UnixSeconds,
    asked: Option<Duration>,
    jitter: f64,
) -> Outcome {
    let own = pause_seconds(attempts, jitter);
    let asked = asked.map_or(0, |asked| i64::try_from(asked.as_secs()).unwrap_or(i64::MAX));
    let end = first_attempt_at.plus(GIVE_UP_AFTER_SECONDS);
    if now.plus(own.max(asked)) > end {
        return Outcome::GivenUp;
    }
    let not_before = now.plus(own.max(asked + spread_seconds(asked, jitter))).min(end);
    // Not after the deadline: the delivery is dropped then, and need not wait longer.
    Outcome::Retry { not_before: not_before.min(deadline_at) }
}

/// Doubles with each attempt up to the maximum. The upper half is random, so that messages that failed
/// together are not retried together.
fn pause_seconds(attempts: u32, jitter: f64) -> i64 {
    let full = FIRST_PAUSE_SECONDS.saturating_mul(1 << attempts.min(20)).min(LONGEST_PAUSE_SECONDS);
    let half = full / 2;
    half + share(half, jitter)
}

/// Up to a tenth of the requested delay, added to it: many messages get the same delay, and should not all be
/// retried at its end.
fn spread_seconds(asked: i64, jitter: f64) -> i64 {
    share((asked / 10).min(LONGEST_SPREAD_SECONDS), jitter)
}

/// The fraction `jitter` of `seconds`.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "at most 450 seconds")]
fn share(seconds: i64, jitter: f64) -> i64 {
    (seconds as f64 * jitter.clamp(0.0, 1.0)).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixSeconds = UnixSeconds(1_000_000);
    const FAR: UnixSeconds = UnixSeconds(9_000_000);

    fn retry_in(attempts: u32, now: UnixSeconds, asked: Option<u64>, jitter: f64) -> Option<i64> {
        match after_failure(attempts, START, now, FAR, asked.map(Duration::from_secs), jitter) {
            Outcome::Retry { not_before } => Some(not_before.seconds_since(now)),
            _ => None,
        }
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        let longest: Vec<_> = (0..12).map(|n| retry_in(n, START, None, 1.0).expect("again")).collect();
        assert_eq!(longest, [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        let shortest: Vec<_> = (0..12).map(|n| retry_in(n, START, None, 0.0).expect("again")).collect();
        assert_eq!(shortest, [1, 2, 4, 8, 16, 32, 64, 128, 256, 450, 450, 450]);
        assert_eq!(retry_in(u32::MAX, START, None, 1.0), Some(900));
    }

    #[test]
    fn the_messengers_wish_is_honoured_within_the_day() {
        assert_eq!(retry_in(0, START, Some(120), 0.0), Some(120));
        assert_eq!(retry_in(9, START, Some(1), 1.0), Some(900), "never shorter than our own pause");
        assert_eq!(retry_in(0, START, Some(7_200), 0.0), Some(7_200));
        assert_eq!(retry_in(0, START, Some(86_400), 1.0), Some(86_400), "spread no further than the day");
        assert_eq!(retry_in(0, START, Some(86_401), 0.0), None);
        assert_eq!(retry_in(0, START, Some(u64::MAX), 1.0), None);
        assert_eq!(retry_in(3, START.plus(80_000), Some(6_400), 0.0), Some(6_400));
        assert_eq!(retry_in(3, START.plus(80_000), Some(6_401), 0.0), None);
    }

    #[test]
    fn what_was_asked_to_wait_alike_does_not_come_back_at_once() {
        assert_eq!(retry_in(0, START, Some(120), 0.5), Some(126));
        assert_eq!(retry_in(0, START, Some(120), 1.0), Some(132));
        assert_eq!(retry_in(0, START, Some(36_000), 1.0), Some(36_300), "by five minutes at most");
        assert_eq!(retry_in(0, START, Some(36_000), 2.0), Some(36_300));
    }

    #[test]
    fn it_ends_after_a_day() {
        assert_eq!(retry_in(50, START.plus(86_400 - 900), None, 1.0), Some(900));
        assert_eq!(retry_in(50, START.plus(86_400 - 899), None, 1.0), None);
    }

    #[test]
    fn nothing_waits_beyond_its_deadline() {
        let outcome = after_failure(9, START, START, START.plus(60), None, 1.0);
        assert_eq!(outcome, Outcome::Retry { not_before: START.plus(60) });
    }
}
