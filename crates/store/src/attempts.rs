//! Rate limits and lockout: how often a secret may be tried, and how often a link may be requested. Both
//! stores apply these rules to their rows (SPEC 8).

use seoham_model::UnixSeconds;

/// The number of consecutive failures that locks a secret.
pub const ATTEMPTS_MAX: i64 = 5;
/// The duration of the lock, in seconds.
pub const LOCKED_SECONDS: i64 = 15 * 60;

/// A secret that authenticates a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The PIN.
    Pin,
    /// A certificate's password.
    Certificate,
    /// The birthday, together with a link to the registered number: for a new PIN (SPEC 8.8).
    Birthday,
}

/// A secret that a person chose; only its hash is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secret {
    /// The PIN.
    Pin,
    /// A certificate's password.
    Certificate,
}

/// Stored in place of a PIN's hash when an operator resets the PIN. No PIN matches it. Older program versions
/// treat it as an existing PIN too, so that they do not accept a first PIN.
pub const FORGOTTEN: &str = "forgotten";

impl From<Secret> for Proof {
    fn from(secret: Secret) -> Self {
        match secret {
            Secret::Pin => Self::Pin,
            Secret::Certificate => Self::Certificate,
        }
    }
}

/// The consecutive failures of one secret of a person, and its lock. Each secret has its own: success with
/// another one does not lift the lock (SPEC 8.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Attempts that failed or are in progress.
    pub failures: i64,
    /// The end of the lock, if it is locked.
    pub locked_until: Option<UnixSeconds>,
}

impl Tries {
    /// Starts another attempt at `now`. It counts before it is made, so that concurrent attempts do not
    /// bypass the lock; the fifth attempt sets the lock. Returns the state to store, or the end of the lock.
    pub fn begin(self, now: UnixSeconds) -> Result<Self, UnixSeconds> {
        if let Some(until) = self.locked_until.filter(|until| now < *until) {
            return Err(until);
        }
        // After an expired lock, the count starts again.
        let failures = if self.failures >= ATTEMPTS_MAX { 1 } else { self.failures + 1 };
        let locked_until = (failures >= ATTEMPTS_MAX).then(|| now.plus(LOCKED_SECONDS));
        Ok(Self { failures, locked_until })
    }

    /// The attempts left before the lock.
    pub fn left(self) -> u32 {
        u32::try_from(ATTEMPTS_MAX - self.failures).unwrap_or(0)
    }

    /// The state to store after a successful attempt.
    pub fn succeeded() -> Self {
        Self::default()
    }
}

/// The maximum number of links to one number, per period in seconds.
const LINK_LIMITS: [(usize, i64); 2] = [(3, 10 * 60), (10, 24 * 60 * 60)];

/// The times at which one telephone number requested links, oldest first; only as many as the limits need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkRequests(Vec<UnixSeconds>);

impl LinkRequests {
    /// Parses the stored bytes; unreadable bytes count as empty.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let moment = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).map(UnixSeconds);
        Self(bytes.chunks_exact(8).filter_map(|bytes| moment(bytes).ok()).collect())
    }

    /// The bytes to store.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|moment| moment.0.to_be_bytes()).collect()
    }

    /// Counts a request at `now`: returns the state to store, or the time from which another one is allowed.
    pub fn ask(&self, now: UnixSeconds) -> Result<Self, UnixSeconds> {
        // A time in the future comes from a clock that was set back since: it counts as now.
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

    /// The time from which a last request at `last` no longer counts.
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
