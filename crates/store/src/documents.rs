//! Documents: acceptance, status queries, token verification, read reports (SPEC 5 to 7).

use std::ops::Range;
use std::sync::Arc;

use ambassador::delegatable_trait;
use async_trait::async_trait;
use secrecy::SecretString;
use seoham_model::contract::Notice;
use seoham_model::document::{Content, Own};
use seoham_model::status::Times;
use seoham_model::{BinderId, ContractUuid, InstitutionId, NamedNumber, ParcelId, PersonId, UnixSeconds};
use seoham_vault::TokenHash;

use crate::idempotency::{IdempotencyKey, KeyHistory, KeyedItem, Remember};
use crate::parcel::StoredDocument;
use crate::parcel::document::PERSON_BYTES;
use crate::parcel::sealed::OpenedText;
use crate::people::{PersonView, Recipient};
use crate::statistics::Refusals;
use crate::{Lane, Result};

/// Documents of one request, to be accepted atomically.
pub struct Acceptance {
    /// The new parcel of the documents.
    pub parcel: ParcelId,
    /// The sender.
    pub institution: InstitutionId,
    /// The contract.
    pub contract: ContractUuid,
    /// `doc_box_sent_at` of all of them.
    pub accepted_at: UnixSeconds,
    /// The documents, at most [`seoham_model::bulk::ITEMS_MAX`]. The id of each is its position in the parcel.
    pub documents: Vec<IdentifiedDocument>,
    /// The idempotency record to store with them (SPEC 10).
    pub remember: Option<Remember>,
    /// The documents of the request that were refused, for the statistics (SPEC 11).
    pub refused: Refusals,
}

/// The result of an acceptance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "nothing is accepted when the key has moved"]
pub enum Accepted {
    /// Everything was stored.
    Whole,
    /// Nothing was stored: the key has a record that the caller did not know. Recall it, and accept only what
    /// is left.
    KeyMoved,
}

/// A validated document with an identified recipient.
pub struct IdentifiedDocument {
    /// The recipient.
    pub recipient: Recipient,
    /// The shared content.
    pub content: Content,
    /// The individual part.
    pub own: Own,
    /// The institution's hash of the original.
    pub hash: Option<String>,
    /// The deadline for opening it.
    pub deadline_at: UnixSeconds,
}

/// The data of a status query; the status itself is computed from the times.
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

/// The result of verifying a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenVerdict {
    /// It was valid, and is now used up.
    Verified {
        /// When it would have expired.
        token_expires_at: UnixSeconds,
        /// Now.
        token_used_at: UnixSeconds,
        /// The document.
        status: DocumentStatus,
    },
    /// It was already used.
    Used,
    /// It has expired.
    Expired,
    /// The document was withdrawn before it was used.
    Withdrawn,
    /// The institution's document has no such token.
    Unknown,
}

/// The result of a read report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadVerdict {
    /// Read, now or earlier.
    Read,
    /// No token of the document was verified yet.
    NoTokenVerified,
    /// No such document of this institution.
    Unknown,
}

/// The result of a withdrawal (SPEC 16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithdrawVerdict {
    /// Withdrawn, now or earlier.
    Withdrawn,
    /// The recipient opened it before.
    Opened,
    /// No such document of this institution.
    Unknown,
}

impl WithdrawVerdict {
    /// What becomes of the withdrawal of a document with these times; `None` if it is withdrawn now.
    pub fn of(times: &Times) -> Option<Self> {
        let opened = [times.opened_at, times.authenticated_at, times.token_used_at, times.read_at];
        match times.withdrawn_at {
            Some(_) => Some(Self::Withdrawn),
            None => opened.iter().any(Option::is_some).then_some(Self::Opened),
        }
    }
}

/// The state of a document's notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notification {
    /// Queued or in progress.
    Pending,
    /// The messenger accepted it.
    Taken,
    /// Given up: rejected permanently, or not accepted within 24 hours.
    GivenUp,
    /// The messenger reported its delivery.
    Delivered,
    /// The messenger reported its failure.
    Failed,
    /// Not sent: the deadline had passed.
    Expired,
    /// Nobody notifies under the contract.
    None,
    /// The messenger reported that it was delivered as an SMS or LMS instead.
    Fallback,
}

impl Notification {
    /// The actual state, where `self` is the stored one. An accepted notification is only recorded by the
    /// absence of its delivery (`queued`), and a delivered one may only be recorded by its time.
    #[must_use]
    pub fn as_shown(self, notified_at: Option<UnixSeconds>, queued: bool) -> Self {
        match self {
            Self::Pending if notified_at.is_some() => Self::Delivered,
            Self::Pending if !queued => Self::Taken,
            known => known,
        }
    }
}

impl NamedNumber for Notification {
    const ALL: &'static [(Self, i64, &'static str)] = &[
        (Self::Pending, 0, "pending"),
        (Self::Taken, 1, "taken"),
        (Self::GivenUp, 2, "given_up"),
        (Self::Delivered, 3, "delivered"),
        (Self::Failed, 4, "failed"),
        (Self::Expired, 5, "expired"),
        (Self::None, 6, "none"),
        (Self::Fallback, 7, "fallback"),
    ];
}

/// Parcels that were looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParcelsWithin {
    /// Those of the institution, with their numbers of documents.
    pub of_institution: Vec<(ParcelId, u8)>,
    /// The last one that was looked at, of any institution; `None` if there are no more.
    pub last: Option<ParcelId>,
}

impl ParcelsWithin {
    /// The result of looking at `rows`, at most `limit` of them: a parcel, its institution and the length of its column
    /// `persons`.
    pub fn of(rows: &[(ParcelId, InstitutionId, usize)], institution: InstitutionId, limit: usize) -> Self {
        let own = rows.iter().filter(|(_, of, _)| *of == institution);
        let count = |bytes: usize| u8::try_from(bytes / PERSON_BYTES).unwrap_or(u8::MAX);
        Self {
            of_institution: own.map(|(parcel, _, bytes)| (*parcel, count(*bytes))).collect(),
            last: if rows.len() == limit { rows.last().map(|(parcel, ..)| *parcel) } else { None },
        }
    }
}

/// All data about a document (SPEC 11).
#[derive(Debug)]
pub struct DocumentRecord {
    /// Who sent it.
    pub institution: InstitutionId,
    /// The contract.
    pub contract: ContractUuid,
    /// The shared content.
    pub content: Content,
    /// The individual part.
    pub own: Own,
    /// The institution's hash of the original.
    pub hash: Option<String>,
    /// Times and deadline.
    pub status: DocumentStatus,
    /// The state of its notification.
    pub notification: Notification,
    /// The recipient.
    pub recipient: PersonView,
}

/// What is known of a document's notification beside the document.
#[derive(Clone, Copy, Debug)]
pub struct KnownNotice {
    /// Who notifies under its contract.
    pub notice: Notice,
    /// It waits in the queue.
    pub queued: bool,
    /// It was given up.
    pub given_up: bool,
}

impl DocumentRecord {
    /// All data about a stored document with its opened text, and what is known of its notification.
    pub fn of(
        document: StoredDocument,
        text: OpenedText,
        member_since: Option<UnixSeconds>,
        known: KnownNotice,
    ) -> Self {
        let KnownNotice { notice, queued, given_up } = known;
        let OpenedText { content, own, mut recipient } = text;
        let is_given_up = given_up && document.times.notified_at.is_none();
        let stored = if is_given_up { Notification::GivenUp } else { document.notice.outcome };
        Self {
            institution: document.institution,
            contract: document.contract,
            content,
            hash: document.hash,
            status: DocumentStatus {
                times: document.times,
                deadline_at: document.deadline_at,
                payload: own.payload.clone(),
                external_document_uuid: own.external_document_uuid.clone(),
            },
            own,
            notification: match notice {
                Notice::None => Notification::None,
                Notice::Platform | Notice::Institution => stored.as_shown(document.times.notified_at, queued),
            },
            recipient: PersonView {
                phone_number: recipient.phone_number.take().map(SecretString::from),
                name: std::mem::take(&mut recipient.name).into(),
                member_since,
            },
        }
    }
}

/// Documents, for the institution.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Accepts documents; those of members enter their boxes immediately. When this returns `Ok`, every
    /// document and its delivery survive a power loss. On any error except [`crate::StoreError::Uncertain`]
    /// none of them exists. The idempotency record is stored in the same transaction, and of concurrent
    /// acceptances with the same key and number exactly one succeeds.
    async fn accept(&self, acceptance: Acceptance) -> Result<Accepted>;

    /// The records of a key of `institution` from the last [`crate::idempotency::REMEMBERED_SECONDS`].
    async fn recall(
        &self,
        lane: Lane,
        institution: InstitutionId,
        key: &IdempotencyKey,
        items: Vec<Arc<KeyedItem>>,
        now: UnixSeconds,
    ) -> Result<KeyHistory>;

    /// The statuses of documents of `institution`, in order; `None` for documents that it does not have. A
    /// document that cannot be read is an error of that document alone.
    async fn statuses(
        &self,
        lane: Lane,
        institution: InstitutionId,
        ids: Vec<BinderId>,
    ) -> Result<Vec<Result<Option<DocumentStatus>>>>;

    /// Uses a token of a document of `institution`. Of concurrent calls exactly one returns
    /// [`TokenVerdict::Verified`].
    async fn verify_token(
        &self,
        institution: InstitutionId,
        document: BinderId,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<TokenVerdict>;

    /// Marks a document of `institution` as read; the first time is kept.
    async fn mark_read(
        &self,
        institution: InstitutionId,
        document: BinderId,
        now: UnixSeconds,
    ) -> Result<ReadVerdict>;

    /// Withdraws a document of `institution` that was not opened yet: it can no longer be opened, and a waiting message
    /// is not sent. Of a withdrawal and an opening at the same time exactly one succeeds.
    async fn withdraw(
        &self,
        institution: InstitutionId,
        document: BinderId,
        now: UnixSeconds,
    ) -> Result<WithdrawVerdict>;
}

/// All data about a document, for the operator.
#[async_trait]
#[delegatable_trait]
pub trait Records: Send + Sync {
    /// All data about a document: for the operator, not for an institution.
    async fn describe(&self, document: BinderId) -> Result<Option<DocumentRecord>>;

    /// Documents of an institution for a person, in the box or waiting for it, newest first and older than `before`.
    async fn documents_for(
        &self,
        institution: InstitutionId,
        person: PersonId,
        before: Option<BinderId>,
        limit: usize,
    ) -> Result<Vec<BinderId>>;

    /// Looks at `limit` parcels with ids in `within`, oldest first.
    async fn parcels_within(
        &self,
        institution: InstitutionId,
        within: Range<ParcelId>,
        limit: usize,
    ) -> Result<ParcelsWithin>;

    /// Who sent a document.
    async fn sender_of(&self, document: BinderId) -> Result<Option<InstitutionId>>;
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
