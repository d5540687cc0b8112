//! Detects clock skew at the start of a process, from the stored times.

use seoham_model::UnixSeconds;

use crate::Mode;

/// How far a clock may be behind the stored times: the tolerated skew between two synchronised machines.
const BEHIND_SECONDS: i64 = 60;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// The verdict on a clock at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plausibility {
    /// It is plausible.
    Plausible,
    /// It is this many seconds behind the stored time, so it is certainly wrong, now or then.
    Behind(i64),
    /// It is this many seconds ahead of the last stored time: the process was down for long, or the clock is
    /// wrong.
    Ahead(i64),
}

/// The verdict on `now`, if the previous process was last active at `last_seen`. After more than a day of
/// downtime, live data waits for an operator's confirmation; a sandbox, which is often left unused, does so
/// after 30 days.
pub fn plausibility(now: UnixSeconds, last_seen: Option<UnixSeconds>, mode: Mode) -> Plausibility {
    let Some(last_seen) = last_seen else { return Plausibility::Plausible };
    let away_max_seconds = match mode {
        Mode::Live => DAY_SECONDS,
        Mode::Sandbox => 30 * DAY_SECONDS,
    };
    match now.seconds_since(last_seen) {
        away if away < -BEHIND_SECONDS => Plausibility::Behind(-away),
        away if away > away_max_seconds => Plausibility::Ahead(away),
        _ => Plausibility::Plausible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_as_plausible_as_what_was_stored_before_lets_it_be() {
        use Plausibility::{Ahead, Behind, Plausible};
        let seen = UnixSeconds(1_800_000_000);
        let at = |seconds, mode| plausibility(seen.plus(seconds), Some(seen), mode);
        assert_eq!(plausibility(UnixSeconds(0), None, Mode::Live), Plausible, "nothing was stored");
        for (seconds, live, sandbox) in [
            (0, Plausible, Plausible),
            (-60, Plausible, Plausible),
            (-61, Behind(61), Behind(61)),
            (-631_152_000, Behind(631_152_000), Behind(631_152_000)),
            (86_400, Plausible, Plausible),
            (86_401, Ahead(86_401), Plausible),
            (60 * 86_400, Ahead(60 * 86_400), Ahead(60 * 86_400)),
        ] {
            assert_eq!(at(seconds, Mode::Live), live, "{seconds}");
            assert_eq!(at(seconds, Mode::Sandbox), sandbox, "{seconds}");
        }
    }
}
