//! Forecasts a day's total from its rate so far.

use seoham_model::{SeoulDay, UnixSeconds};

const DAY_SECONDS: u64 = 24 * 60 * 60;
/// A rate over less time than this is not meaningful.
const SECONDS_MIN: u64 = 60;

/// The forecast total of `day`, if documents keep arriving at the average rate so far.
pub(super) fn at_the_end(day: SeoulDay, accepted: u64, now: UnixSeconds) -> u64 {
    let gone = now.seconds_since(day.begins_at()).unsigned_abs().clamp(SECONDS_MIN, DAY_SECONDS);
    accepted.saturating_mul(DAY_SECONDS) / gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_goes_on_as_it_began() {
        let day = SeoulDay::parse("2026-11-24").expect("a day");
        let at = |seconds| day.begins_at().plus(seconds);
        assert_eq!(at_the_end(day, 100_000, at(6 * 60 * 60)), 400_000);
        assert_eq!(at_the_end(day, 100_000, at(24 * 60 * 60 - 1)), 100_001);
        assert_eq!(at_the_end(day, 10, at(0)), 14_400, "as if a minute had gone by");
        assert_eq!(at_the_end(day, 0, at(100)), 0);
    }
}
