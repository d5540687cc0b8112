//! Rate limits and lockout: how often a secret may be tried and a link be asked for. Both stores apply these rules to
//! the rows they find (SPEC 8).

use seoham_model::UnixSeconds;

/// Wrong attempts in a row that lock a secret.
pub const ATTEMPTS_MAX: i64 = 5;
/// For how long, in seconds.
pub const LOCKED_SECONDS: i64 = 15 * 60;

/// What a person proves to be themselves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The PIN.
    Pin,
    /// A certificate's password.
    Certificate,
    /// The birthday, beside a link to the registered number: for a new PIN (SPEC 8.8).
    Birthday,
}

/// A secret that a person chose; only its hash is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The PIN.
    Pin,
    /// A certificate's password.
    Certificate,
}

/// Stands where a PIN's hash would when an operator has the person set a new one: no PIN has it, not even for a program
/// of the version before, which would have let a first one be set where there is none.
pub const FORGOTTEN: &str = "forgotten";

impl From<Secret> for Proof {
    fn from(secret: Secret) -> Self {
        match secret {
            Secret::Pin => Self::Pin,
            Secret::Certificate => Self::Certificate,
        }
    }
}

/// How often one secret of a person was tried in a row without success, and until when it is locked. Each secret
/// has its own: success with another one lifts no lock (SPEC 8.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Attempts that were begun and did not succeed, or not yet.
    pub failures: i64,
    /// When it may be tried again, if it is locked.
    pub locked_until: Option<UnixSeconds>,
}

impl Tries {
    /// Another attempt begins `now`. It counts before it is made, so that many at once are no way around the
    /// lock; the fifth brings the lock. Gives what is to be kept, or until when it is locked.
    pub fn begin(self, now: UnixSeconds) -> Result<Self, UnixSeconds> {
        if let Some(until) = self.locked_until.filter(|until| now < *until) {
            return Err(until);
        }
        // A lock that is over has been paid for.
        let failures = if self.failures >= ATTEMPTS_MAX { 1 } else { self.failures + 1 };
        let locked_until = (failures >= ATTEMPTS_MAX).then(|| now.plus(LOCKED_SECONDS));
        Ok(Self { failures, locked_until })
    }

    /// Attempts that are left before the lock.
    pub fn left(self) -> u32 {
        u32::try_from(ATTEMPTS_MAX - self.failures).unwrap_or(0)
    }

    /// What is kept after an attempt that was right.
    pub fn succeeded() -> Self {
        Self::default()
    }
}

/// How many links one number is sent at most, and in how many seconds.
const LINK_LIMITS: [(usize, i64); 2] = [(3, 10 * 60), (10, 24 * 60 * 60)];

/// When links were asked for by one telephone number, the oldest first; only as many as the limits look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkRequests(Vec<UnixSeconds>);

impl LinkRequests {
    /// From the bytes that a store keeps; what does not read counts as nothing.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let moment = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).map(UnixSeconds);
        Self(bytes.chunks_exact(8).filter_map(|bytes| moment(bytes).ok()).collect())
    }

    /// To the bytes that a store keeps.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|moment| moment.0.to_be_bytes()).collect()
    }

    /// Another one is asked for `now`: what is to be kept, or when one may be asked for again.
    pub fn ask(&self, now: UnixSeconds) -> Result<Self, UnixSeconds> {
        // A time that is still to come was told by a clock that has been set back: it counts as now.
        let asked: Vec<UnixSeconds> = self.0.iter().map(|at| (*at).min(now)).collect();
        let wait = LINK_LIMITS.iter().filter_map(|(most, seconds)| {
            let oldest = asked.len().checked_sub(*most).and_then(|i| asked.get(i))?;
            Some(oldest.plus(*seconds)).filter(|until| now < *until)
        });
        if let Some(until) = wait.max() {
            return Err(until);
        }
        let kept = LINK_LIMITS.iter().map(|(most, _)| *most).max().unwrap_or(0);
        let mut asked = asked;
        asked.push(now);
        Ok(Self(asked.split_off(asked.len().saturating_sub(kept))))
    }

    /// From when on nothing of what was last asked for at `last` counts any more.
    pub fn forgotten_at(last: UnixSeconds) -> UnixSeconds {
        last.plus(LINK_LIMITS.iter().map(|(_, seconds)| *seconds).max().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifth_attempt_in_a_row_locks() {
        let now = UnixSeconds(1_000_000);
        let mut tries = Tries::default();
        for left in (0..5).rev() {
            tries = tries.begin(now).expect("allowed");
            assert_eq!(tries.left(), left);
        }
        let until = now.plus(LOCKED_SECONDS);
        assert_eq!(tries.begin(now), Err(until));
        assert_eq!(tries.begin(until.plus(-1)), Err(until));
        assert_eq!(tries.begin(until).expect("it is over").left(), 4, "counted anew");
        assert_eq!(Tries::succeeded().begin(now).expect("allowed").left(), 4);
    }

    #[test]
    fn a_number_is_sent_three_links_in_ten_minutes_and_ten_a_day() {
        let start = UnixSeconds(1_000_000);
        let mut asked = LinkRequests::default();
        let mut at = |seconds| {
            let answer = asked.ask(start.plus(seconds));
            if let Ok(kept) = &answer {
                asked = LinkRequests::from_bytes(&kept.to_bytes());
            }
            answer.map(drop)
        };
        for seconds in [0, 1, 2] {
            assert_eq!(at(seconds), Ok(()));
        }
        assert_eq!(at(3), Err(start.plus(600)));
        assert_eq!(at(599), Err(start.plus(600)));
        for seconds in [600, 601, 602, 1_200, 1_201, 1_202, 1_800] {
            assert_eq!(at(seconds), Ok(()), "{seconds}");
        }
        assert_eq!(at(3_600), Err(start.plus(86_400)), "ten a day");
        assert_eq!(at(86_400), Ok(()));
        assert_eq!(at(86_400), Err(start.plus(86_401)));
    }

    #[test]
    fn a_clock_that_was_ahead_locks_nobody_out_for_long() {
        let now = UnixSeconds(1_000_000);
        let ahead = LinkRequests(vec![now.plus(9_000_000); 3]);
        assert_eq!(ahead.ask(now), Err(now.plus(600)));
        assert_eq!(LinkRequests::from_bytes(b"damaged"), LinkRequests::default());
    }
}
