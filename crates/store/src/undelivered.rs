//! Notifications that the messenger did not accept: those that wait for a retry, and those that were given
//! up. An operator sees why, and can send them again (SPEC 13).

use std::fmt;

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::{BinderId, InstitutionId, StoredNumber, UnixSeconds};

use crate::Result;

/// Why the messenger did not accept a notification. It contains nothing about the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The messenger was unreachable or timed out.
    Unreachable,
    /// No messenger is configured.
    NoMessenger,
    /// The message could not be built or signed.
    Unsendable,
    /// Dropped: the operator discarded the notifications queued in a backup.
    Dropped,
    /// The document, or what is stored of its recipient, cannot be read.
    Unreadable,
    /// No configured provider reaches the recipient: their telephone number passed on, or they have no e-mail address and
    /// nothing else is configured.
    NoNumber,
    /// The institution notifies by its own template, and has none.
    NoTemplate,
    /// Whether the provider has the message is unknown, and cannot be found out.
    Uncertain,
    /// The provider refused it, or could not take it; its own words say why.
    Provider,
    /// The provider is misconfigured: what it answered is not about the message.
    Misconfigured,
    /// No provider can send it now: none has an approved template for it, or those that have are held.
    NoProvider,
    /// The messenger replied with this HTTP status.
    Status(u16),
}

impl Failure {
    const NAMED: [(Self, i64, &'static str); 11] = [
        (Self::Unreachable, 1, "unreachable"),
        (Self::NoMessenger, 2, "no_messenger"),
        (Self::Unsendable, 3, "unsendable"),
        (Self::Dropped, 4, "dropped"),
        (Self::Unreadable, 5, "unreadable"),
        (Self::NoNumber, 6, "no_number"),
        (Self::NoTemplate, 7, "no_template"),
        (Self::Uncertain, 8, "uncertain"),
        (Self::Provider, 9, "provider"),
        (Self::Misconfigured, 10, "misconfigured"),
        (Self::NoProvider, 11, "no_provider"),
    ];
}

/// An HTTP status, which has three digits, is stored as itself.
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

/// The state of an undelivered notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeState {
    /// It waits for a retry.
    Waiting {
        /// Not before this time.
        next_attempt_at: UnixSeconds,
    },
    /// It was given up.
    GivenUp {
        /// When; `None` if it was given up before this was recorded.
        given_up_at: Option<UnixSeconds>,
    },
}

/// An undelivered notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// Its document.
    pub document: BinderId,
    /// Who sent it.
    pub institution: InstitutionId,
    /// The number of attempts; `None` if it was given up before this was recorded.
    pub attempts: Option<u32>,
    /// The time of the first attempt.
    pub first_attempt_at: Option<UnixSeconds>,
    /// Why the last attempt failed; `None` if it failed before this was recorded.
    pub failure: Option<Failure>,
    /// The provider's own words about it, without personal values.
    pub said: Option<String>,
    /// Its state.
    pub state: NoticeState,
}

/// The kind of undelivered notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Those that wait for a retry.
    Waiting,
    /// Those that were given up.
    GivenUp,
}

/// A page of a list, newest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Only this institution's.
    pub institution: Option<InstitutionId>,
    /// Older than this document.
    pub before: Option<BinderId>,
    /// The maximum number.
    pub limit: usize,
}

/// Notifications that the messenger did not take.
#[async_trait]
#[delegatable_trait]
pub trait Notices: Send + Sync {
    /// Lists undelivered notifications, newest first; the order within a request is arbitrary.
    async fn undelivered(&self, kind: Kind, page: Page) -> Result<Vec<Undelivered>>;

    /// One document's notification, if it is undelivered.
    async fn undelivered_one(&self, document: BinderId) -> Result<Option<Undelivered>>;

    /// Sends these notifications again: waiting ones become due now, given-up ones are queued again with a
    /// new day of attempts. Skips those that are no longer undelivered or past their deadline. Returns the
    /// number sent again.
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
        for unknown in [0, -1, 12, 99, 1_000, i64::MAX] {
            assert_eq!(Failure::from_number(unknown), None, "{unknown}");
        }
        assert_eq!(Failure::Status(503).to_string(), "status_503");
    }
}
