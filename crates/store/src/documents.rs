//! Documents: accepting, asking, verifying tokens, marking read (SPEC 5 to 7).

use std::sync::Arc;

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::document::{Content, Own};
use seoham_model::status::Times;
use seoham_model::{BinderId, ContractUuid, InstitutionId, StoredNumber, UnixSeconds};
use seoham_vault::TokenHash;

use crate::idempotency::{IdempotencyKey, KeyHistory, KeyedItem, Remember};
use crate::people::{PersonView, Recipient};
use crate::{Lane, Result};

/// Documents of one request that are to be accepted together.
pub struct Acceptance {
    /// Who sends.
    pub institution: InstitutionId,
    /// Under which contract.
    pub contract: ContractUuid,
    /// `doc_box_sent_at` of all of them.
    pub accepted_at: UnixSeconds,
    /// The documents, at most [`seoham_model::bulk::ITEMS_MAX`].
    pub documents: Vec<IdentifiedDocument>,
    /// What is to be remembered with them under a key (SPEC 10).
    pub remember: Option<Remember>,
}

/// What became of an acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nothing is accepted when the key has moved"]
pub enum Accepted {
    /// All of it is there.
    Whole,
    /// None of it is: the key has a record that the caller did not know of. Recall it, and see what
    /// is left to accept.
    KeyMoved,
}

/// A checked document whose recipient is known.
pub struct IdentifiedDocument {
    /// Its new id.
    pub id: BinderId,
    /// Whose box it is for.
    pub recipient: Recipient,
    /// What it says.
    pub content: Content,
    /// What is its own.
    pub own: Own,
    /// The institution's hash of the original.
    pub hash: Option<String>,
    /// Until when it can be opened.
    pub deadline_at: UnixSeconds,
}

/// What a status query tells; the status itself follows from the times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentStatus {
    /// All times so far.
    pub times: Times,
    /// Until when it can be opened.
    pub deadline_at: UnixSeconds,
    /// As it was sent.
    pub payload: Option<String>,
    /// The institution's own id of it.
    pub external_document_uuid: Option<String>,
}

/// What became of verifying a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenVerdict {
    /// It was valid, and is now used.
    Verified {
        /// Until when it would have been valid.
        token_expires_at: UnixSeconds,
        /// Now.
        token_used_at: UnixSeconds,
        /// The document.
        status: DocumentStatus,
    },
    /// It was used before.
    Used,
    /// It is no longer valid.
    Expired,
    /// No such token of this document of this institution.
    Unknown,
}

/// What became of a read report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadVerdict {
    /// Read, now or before.
    Read,
    /// No token of the document was ever verified.
    NoTokenVerified,
    /// No such document of this institution.
    Unknown,
}

/// How far the notification of a document came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notification {
    /// On its way.
    Pending,
    /// The messenger took it.
    Taken,
    /// Given up: refused for good, or not taken within 24 hours.
    GivenUp,
    /// The messenger reported that it arrived.
    Delivered,
    /// The messenger reported that it did not arrive.
    Failed,
    /// Not sent: the deadline had passed.
    Expired,
}

impl Notification {
    const ALL: [(Self, i64, &'static str); 6] = [
        (Self::Pending, 0, "pending"),
        (Self::Taken, 1, "taken"),
        (Self::GivenUp, 2, "given_up"),
        (Self::Delivered, 3, "delivered"),
        (Self::Failed, 4, "failed"),
        (Self::Expired, 5, "expired"),
    ];

    /// How far a notification came of which a store kept `self`. What is taken leaves only the absence of its
    /// delivery behind (`queued`), and that it arrived may be told by its time alone.
    #[must_use]
    pub fn as_shown(self, notified_at: Option<UnixSeconds>, queued: bool) -> Self {
        match self {
            Self::Pending if notified_at.is_some() => Self::Delivered,
            Self::Pending if !queued => Self::Taken,
            known => known,
        }
    }

    /// The name that an operator sees.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(n, ..)| *n == self).map_or("pending", |(.., name)| *name)
    }
}

impl StoredNumber for Notification {
    fn as_number(self) -> i64 {
        Self::ALL.iter().find(|(n, ..)| *n == self).map_or(0, |(_, number, _)| *number)
    }

    fn from_number(number: i64) -> Option<Self> {
        Self::ALL.iter().find(|(_, n, _)| *n == number).map(|(outcome, ..)| *outcome)
    }
}

/// All that is known of a document (SPEC 11).
#[derive(Debug)]
pub struct DocumentRecord {
    /// Who sent it.
    pub institution: InstitutionId,
    /// Under which contract.
    pub contract: ContractUuid,
    /// What it says.
    pub content: Content,
    /// What is its own.
    pub own: Own,
    /// The institution's hash of the original.
    pub hash: Option<String>,
    /// Times and deadline.
    pub status: DocumentStatus,
    /// How far its notification came.
    pub notification: Notification,
    /// Whose box it is for.
    pub recipient: PersonView,
}

/// Documents, for the institution.
#[async_trait]
#[delegatable_trait]
pub trait Documents: Send + Sync {
    /// Accepts documents; those of members stand in their boxes at once. When this returns `Ok`,
    /// every one of them and its delivery are durable against the loss of power; on any other
    /// answer but [`crate::StoreError::Uncertain`] none
    /// of them exists. What is to be remembered under a key is durable with them, and of any
    /// number of simultaneous acceptances with the same key and number exactly one is whole.
    async fn accept(&self, acceptance: Acceptance) -> Result<Accepted>;

    /// What a key of `institution` is known for in the last
    /// [`crate::idempotency::REMEMBERED_SECONDS`].
    async fn recall(
        &self,
        lane: Lane,
        institution: InstitutionId,
        key: &IdempotencyKey,
        items: Vec<Arc<KeyedItem>>,
        now: UnixSeconds,
    ) -> Result<KeyHistory>;

    /// The statuses of documents of `institution`, in order; `None` for what it does not have.
    async fn statuses(
        &self,
        lane: Lane,
        institution: InstitutionId,
        ids: Vec<BinderId>,
    ) -> Result<Vec<Option<DocumentStatus>>>;

    /// Uses a token of a document of `institution`. Of any number of simultaneous calls exactly
    /// one is told [`TokenVerdict::Verified`].
    async fn verify_token(
        &self,
        institution: InstitutionId,
        document: BinderId,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<TokenVerdict>;

    /// Marks a document of `institution` as read; the first time stays.
    async fn mark_read(
        &self,
        institution: InstitutionId,
        document: BinderId,
        now: UnixSeconds,
    ) -> Result<ReadVerdict>;
}

/// Everything known about a document, for the operator.
#[async_trait]
#[delegatable_trait]
pub trait Records: Send + Sync {
    /// All that is known of a document: for the operator, not for an institution.
    async fn describe(&self, document: BinderId) -> Result<Option<DocumentRecord>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_is_shown_as_far_as_it_came() {
        use Notification::{Delivered, Expired, Failed, GivenUp, Pending, Taken};
        let at = Some(UnixSeconds(1_800_000_000));
        for (kept, notified_at, queued, shown) in [
            (Pending, None, true, Pending),
            (Pending, None, false, Taken),
            (Pending, at, false, Delivered),
            (Pending, at, true, Delivered),
            (Delivered, at, false, Delivered),
            (GivenUp, None, false, GivenUp),
            (Failed, None, false, Failed),
            (Expired, None, false, Expired),
        ] {
            assert_eq!(kept.as_shown(notified_at, queued), shown, "{kept:?} {notified_at:?} {queued}");
        }
    }
}
