//! Clock skew at the start of a process: what the stored times say of the machine's clock.

use seoham_model::UnixSeconds;

use crate::Mode;

/// How far a clock may be behind what was stored: as far as two machines that are kept right may differ.
const BEHIND_SECONDS: i64 = 60;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// What is to be thought of a clock at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plausibility {
    /// It may well be right.
    Plausible,
    /// It is behind what was stored before, by so many seconds: it is certainly wrong, now or then.
    Behind(i64),
    /// It is so many seconds ahead of the last that was stored: the process was away for long, or it is wrong.
    Ahead(i64),
}

/// What is to be thought of `now` when the process before was last there at `last_seen`. Live data that was
/// away for more than a day waits for somebody to say that it was; a sandbox, which people try things in and
/// leave alone, for 30 days.
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
