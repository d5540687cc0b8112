//! The life cycle of a document (SPEC 6). The status is never stored but computed from the times and the
//! deadline, so it cannot be late or contradict them.

use serde::{Deserialize, Serialize};

use crate::clock::UnixSeconds;

/// `doc_box_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum DocBoxStatus {
    /// Accepted; the person has not joined the box.
    Sent,
    /// In the recipient's box.
    Received,
    /// The institution reported its page as shown. Final.
    Read,
    /// The deadline passed unread, or the institution withdrew it.
    Expired,
}

impl DocBoxStatus {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "SENT",
            Self::Received => "RECEIVED",
            Self::Read => "READ",
            Self::Expired => "EXPIRED",
        }
    }
}

/// The times of one document. Each is set once and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Accepted.
    pub sent_at: UnixSeconds,
    /// Created in the recipient's box.
    pub received_at: Option<UnixSeconds>,
    /// First opened: a token was issued.
    pub opened_at: Option<UnixSeconds>,
    /// First successful authentication for opening it.
    pub authenticated_at: Option<UnixSeconds>,
    /// First successful verification of a token.
    pub token_used_at: Option<UnixSeconds>,
    /// First report that the page was shown.
    pub read_at: Option<UnixSeconds>,
    /// The messenger's report that the notification arrived.
    pub notified_at: Option<UnixSeconds>,
    /// The institution withdrew it (SPEC 16).
    pub withdrawn_at: Option<UnixSeconds>,
}

impl Times {
    /// The times of a document that was just accepted.
    pub fn accepted(sent_at: UnixSeconds) -> Self {
        Self {
            sent_at,
            received_at: None,
            opened_at: None,
            authenticated_at: None,
            token_used_at: None,
            read_at: None,
            notified_at: None,
            withdrawn_at: None,
        }
    }

    /// The status at `now` of a document with the deadline `deadline_at`.
    pub fn status(&self, deadline_at: UnixSeconds, now: UnixSeconds) -> DocBoxStatus {
        if self.read_at.is_some() {
            DocBoxStatus::Read
        } else if self.opening(deadline_at, now).is_over() {
            DocBoxStatus::Expired
        } else if self.received_at.is_some() {
            DocBoxStatus::Received
        } else {
            DocBoxStatus::Sent
        }
    }

    /// Whether the recipient can open it at `now` (SPEC 8.6): after the deadline nothing opens, not even a
    /// read document. A withdrawn document does not open either (SPEC 16).
    pub fn opening(&self, deadline_at: UnixSeconds, now: UnixSeconds) -> Opening {
        if self.withdrawn_at.is_some() {
            Opening::Withdrawn
        } else if now >= deadline_at {
            Opening::TooLate
        } else if self.received_at.is_none() {
            Opening::NotInBox
        } else {
            Opening::Open
        }
    }
}

/// Whether a document can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// It can be opened.
    Open,
    /// It is not in the recipient's box, because the recipient has not joined or it has not entered yet.
    NotInBox,
    /// Its deadline has passed.
    TooLate,
    /// The institution withdrew it.
    Withdrawn,
}

impl Opening {
    /// Whether it will never be opened again.
    pub fn is_over(self) -> bool {
        matches!(self, Self::TooLate | Self::Withdrawn)
    }
}

/// The validity of a one-time token, in seconds (SPEC 7).
pub const TOKEN_LIFETIME_SECONDS: i64 = 300;

/// When a token issued at `now` expires: at the deadline at the latest, because a token must be verified
/// before it (SPEC 6).
pub fn token_expires_at(deadline_at: UnixSeconds, now: UnixSeconds) -> UnixSeconds {
    now.plus(TOKEN_LIFETIME_SECONDS).min(deadline_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn times() -> impl Strategy<Value = Times> {
        let time = || proptest::option::of((0..2_000i64).prop_map(UnixSeconds));
        (time(), time(), time(), time(), time(), time()).prop_map(|(r, a, t, d, n, w)| Times {
            sent_at: UnixSeconds(0),
            received_at: r,
            opened_at: a,
            authenticated_at: a,
            token_used_at: t,
            read_at: d,
            notified_at: n,
            withdrawn_at: w,
        })
    }

    proptest! {
        #[test]
        fn read_is_final_and_expiry_is_sharp(times in times(), deadline in 0..2_000i64, now in 0..2_000i64) {
            let status = times.status(UnixSeconds(deadline), UnixSeconds(now));
            prop_assert_eq!(status == DocBoxStatus::Read, times.read_at.is_some());
            if times.read_at.is_none() {
                let is_over = now >= deadline || times.withdrawn_at.is_some();
                prop_assert_eq!(status == DocBoxStatus::Expired, is_over);
            }
        }

        #[test]
        fn from_the_deadline_on_nothing_opens(times in times(), deadline in 0..2_000i64, now in 0..2_000i64) {
            let opening = times.opening(UnixSeconds(deadline), UnixSeconds(now));
            prop_assert_eq!(opening.is_over(), now >= deadline || times.withdrawn_at.is_some());
            prop_assert!(opening != Opening::Open || times.received_at.is_some());
            let expires = token_expires_at(UnixSeconds(deadline), UnixSeconds(now));
            prop_assert!(expires.0 <= now + TOKEN_LIFETIME_SECONDS && expires.0 <= deadline);
        }
    }

    #[test]
    fn the_second_of_the_deadline_is_expired() {
        let mut times = Times::accepted(UnixSeconds(10));
        assert_eq!(times.status(UnixSeconds(20), UnixSeconds(19)), DocBoxStatus::Sent);
        times.received_at = Some(UnixSeconds(11));
        assert_eq!(times.status(UnixSeconds(20), UnixSeconds(19)), DocBoxStatus::Received);
        assert_eq!(times.status(UnixSeconds(20), UnixSeconds(20)), DocBoxStatus::Expired);
        times.read_at = Some(UnixSeconds(25));
        assert_eq!(times.status(UnixSeconds(20), UnixSeconds(99)), DocBoxStatus::Read);
    }
}
