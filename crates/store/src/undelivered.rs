//! Notifications that the messenger did not take: those that wait to be tried again, and those that were given
//! up. An operator sees why, and can have them sent again (SPEC 13).

use std::fmt;

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::{BinderId, InstitutionId, StoredNumber, UnixSeconds};

use crate::Result;

/// Why the messenger did not take a notification. It says nothing of whom it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It could not be reached, or did not answer in time.
    Unreachable,
    /// No messenger is configured.
    NoMessenger,
    /// The message could not be made or signed.
    Unsendable,
    /// Nobody was to be told: the operator dropped what was queued in a backup.
    Dropped,
    /// It answered with this HTTP status.
    Status(u16),
}

impl Failure {
    const NAMED: [(Self, i64, &'static str); 4] = [
        (Self::Unreachable, 1, "unreachable"),
        (Self::NoMessenger, 2, "no_messenger"),
        (Self::Unsendable, 3, "unsendable"),
        (Self::Dropped, 4, "dropped"),
    ];
}

/// Of an answer its status, which has three digits.
impl StoredNumber for Failure {
    fn as_number(self) -> i64 {
        if let Self::Status(status) = self {
            return status.into();
        }
        Self::NAMED.iter().find(|(n, ..)| *n == self).map_or(0, |(_, number, _)| *number)
    }

    fn from_number(number: i64) -> Option<Self> {
        match u16::try_from(number) {
            Ok(status @ 100..=999) => Some(Self::Status(status)),
            _ => Self::NAMED.iter().find(|(_, n, _)| *n == number).map(|(failure, ..)| *failure),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status_{status}"),
            _ => f.write_str(Self::NAMED.iter().find(|(n, ..)| n == self).map_or("", |(.., name)| name)),
        }
    }
}

/// What became of an undelivered notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeState {
    /// It is tried again.
    Waiting {
        /// Not before this moment.
        next_attempt_at: UnixSeconds,
    },
    /// It was given up.
    GivenUp {
        /// When; unknown of what was given up before this was noted.
        given_up_at: Option<UnixSeconds>,
    },
}

/// An undelivered notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Its document.
    pub document: BinderId,
    /// Who sent it.
    pub institution: InstitutionId,
    /// How often it was tried; unknown of what was given up before this was noted.
    pub attempts: Option<u32>,
    /// When it was tried first.
    pub first_attempt_at: Option<UnixSeconds>,
    /// Why the last attempt failed; unknown of what failed before this was noted.
    pub failure: Option<Failure>,
    /// What became of it.
    pub state: NoticeState,
}

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Those that wait to be tried again.
    Waiting,
    /// Those that were given up.
    GivenUp,
}

/// A page of a list, newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// One institution's alone.
    pub institution: Option<InstitutionId>,
    /// Older than this document.
    pub before: Option<BinderId>,
    /// At most so many.
    pub limit: usize,
}

/// Notifications that the messenger did not take.
#[async_trait]
#[delegatable_trait]
pub trait Notices: Send + Sync {
    /// Lists undelivered notifications, newest first; those of one request in any order.
    async fn undelivered(&self, kind: Kind, page: Page) -> Result<Vec<Undelivered>>;

    /// One document's notification, if it is undelivered.
    async fn undelivered_one(&self, document: BinderId) -> Result<Option<Undelivered>>;

    /// Has these notifications sent again: those that wait are due now, those that were given up are queued anew,
    /// with a day of attempts before them. What is no longer undelivered, or past its deadline, is passed
    /// over. Gives how many.
    async fn send_again(&self, documents: Vec<BinderId>, now: UnixSeconds) -> Result<usize>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_as_it_was_kept() {
        let named = Failure::NAMED.iter().map(|(failure, ..)| *failure);
        for failure in named.chain([100, 404, 503, 599].map(Failure::Status)) {
            assert_eq!(Failure::from_number(failure.as_number()), Some(failure));
            assert!(!failure.to_string().is_empty());
        }
        for unknown in [0, -1, 5, 99, 1_000, i64::MAX] {
            assert_eq!(Failure::from_number(unknown), None, "{unknown}");
        }
        assert_eq!(Failure::Status(503).to_string(), "status_503");
    }
}
