//! Document boxes: their contents, and opening a document (SPEC 8).

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::card::{Card, CardValues};
use seoham_model::document::Content;
use seoham_model::status::{Opening, Times};
use seoham_model::{BinderId, InstitutionId, PersonId, UnixSeconds};
use seoham_vault::TokenHash;

use crate::Result;
use crate::accounts::Authentication;
use crate::parcel::sealed::OpenedText;
use crate::parcel::{Found, StoredDocument};

/// The result of opening a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenVerdict {
    /// Opened: the token is stored, and the recipient can be redirected.
    Opened {
        /// The institution's page.
        link: String,
        /// The institution's id of the document.
        external_document_uuid: Option<String>,
        /// When the token expires.
        token_expires_at: UnixSeconds,
    },
    /// The recipient has not joined the box.
    NotInBox,
    /// The deadline passed unread.
    Expired,
    /// The institution withdrew it.
    Withdrawn,
    /// No such document.
    Unknown,
}

impl OpenVerdict {
    /// Why a document with these times does not open; `None` if it does.
    pub fn refusal(opening: Opening) -> Option<Self> {
        match opening {
            Opening::Open => None,
            Opening::NotInBox => Some(Self::NotInBox),
            Opening::TooLate => Some(Self::Expired),
            Opening::Withdrawn => Some(Self::Withdrawn),
        }
    }
}

/// Who opens a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opener {
    /// The recipient themselves.
    Recipient(PersonId),
    /// The institution that sent it, in a sandbox.
    Institution(InstitutionId),
}

/// A part of a box, by status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// Unread, can be opened.
    Unread,
    /// Read.
    Read,
    /// The deadline passed unread, or the institution withdrew it.
    Expired,
}

impl Shelf {
    /// The shelf of a document at `now`; `None` if it has not entered the box.
    pub fn of(times: &Times, deadline_at: UnixSeconds, now: UnixSeconds) -> Option<Self> {
        times.received_at?;
        Some(match times.read_at {
            Some(_) => Self::Read,
            None if times.opening(deadline_at, now).is_over() => Self::Expired,
            None => Self::Unread,
        })
    }

    /// Those of `ids` that are on this shelf of the box of `person`, in that order. One that cannot be read is left out and
    /// logged.
    pub fn select<'a>(
        self,
        found: &'a Found,
        ids: &'a [BinderId],
        person: PersonId,
        now: UnixSeconds,
    ) -> impl Iterator<Item = BinderId> + 'a {
        let is_there = move |id: &BinderId| match found.get(id) {
            Some(Ok(document)) => {
                document.person == person
                    && Self::of(&document.times, document.deadline_at, now) == Some(self)
            }
            Some(Err(error)) => {
                tracing::error!(%error, document = %id, "a document of a box cannot be read");
                false
            }
            None => false,
        };
        ids.iter().copied().filter(is_there)
    }
}

/// Those of `ids` that are in the box of `person`, in that order. One that cannot be read is an error of that document alone.
pub fn in_box<'a>(
    found: &'a Found,
    ids: &'a [BinderId],
    person: PersonId,
) -> impl Iterator<Item = Result<&'a StoredDocument>> {
    let is_shown = move |document: &&Result<StoredDocument>| match document {
        Ok(document) => document.is_in_box_of(person),
        Err(_) => true,
    };
    let found = ids.iter().filter_map(|id| found.get(id)).filter(is_shown);
    found.map(|document| document.as_ref().map_err(Clone::clone))
}

/// A document in its recipient's box.
#[derive(Clone, Debug)]
pub struct BoxDocument {
    /// Its id.
    pub id: BinderId,
    /// Who sent it.
    pub institution: InstitutionId,
    /// The sender's name.
    pub institution_name: String,
    /// The sender has a picture ([`Marks::mark`](crate::Marks::mark)).
    pub has_mark: bool,
    /// Its content.
    pub content: Content,
    /// The payload values on its card, if the operator configured the members.
    pub shown: CardValues,
    /// The institution's hash of the original.
    pub hash: Option<String>,
    /// How its recipient authenticates.
    pub authentication: Authentication,
    /// All times so far.
    pub times: Times,
    /// The deadline for opening it.
    pub deadline_at: UnixSeconds,
    /// The recipient refuses further documents of this institution.
    pub refused: bool,
}

/// An institution whose documents a recipient refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedInstitution {
    /// Its id.
    pub id: InstitutionId,
    /// Its name.
    pub name: String,
}

/// The sender of a document, as its recipient sees it.
#[derive(Clone, Debug)]
pub struct BoxSender {
    /// Its name.
    pub name: String,
    /// It has a picture.
    pub has_mark: bool,
    /// How recipients of the document's contract authenticate.
    pub authentication: Authentication,
    /// The members of a payload that a card shows.
    pub card: Card,
    /// The recipient refuses further documents of it.
    pub refused: bool,
}

impl BoxDocument {
    /// A document with its opened text.
    pub fn of(document: &StoredDocument, text: OpenedText, sender: &BoxSender) -> Self {
        Self {
            id: document.id,
            institution: document.institution,
            institution_name: sender.name.clone(),
            has_mark: sender.has_mark,
            shown: sender.card.shown(text.own.payload.as_deref()),
            content: text.content,
            hash: document.hash.clone(),
            authentication: sender.authentication,
            times: document.times,
            deadline_at: document.deadline_at,
            refused: sender.refused,
        }
    }
}

/// Document boxes.
#[async_trait]
#[delegatable_trait]
pub trait Boxes: Send + Sync {
    /// Documents on a shelf of a person's box, newest first, older than `before`, at most `limit`.
    async fn shelf(
        &self,
        person: PersonId,
        shelf: Shelf,
        before: Option<BinderId>,
        limit: usize,
        now: UnixSeconds,
    ) -> Result<Vec<BoxDocument>>;

    /// One document of a person's box; `None` if it is not in the box.
    async fn box_document(&self, person: PersonId, document: BinderId) -> Result<Option<BoxDocument>>;

    /// The number of unread documents that can be opened, counted up to `limit`.
    async fn unread(&self, person: PersonId, limit: usize, now: UnixSeconds) -> Result<usize>;

    /// The institutions that a person refuses.
    async fn refused_institutions(&self, person: PersonId) -> Result<Vec<RefusedInstitution>>;

    /// Opens a document. Records `opened_at`, and `authenticated_at` if the contract requires authentication, which the caller
    /// has just performed, and stores the token by its hash.
    async fn open(
        &self,
        opener: Opener,
        document: BinderId,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<OpenVerdict>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_lies_on_one_shelf() {
        let at = UnixSeconds;
        for (received, read, withdrawn, now, shelf) in [
            (None, None, None, 150, None),
            (None, Some(120), None, 150, None),
            (Some(100), None, None, 199, Some(Shelf::Unread)),
            (Some(100), None, None, 200, Some(Shelf::Expired)),
            (Some(100), None, Some(120), 150, Some(Shelf::Expired)),
            (None, None, Some(120), 150, None),
            (Some(100), Some(120), None, 150, Some(Shelf::Read)),
            (Some(100), Some(120), None, 300, Some(Shelf::Read)),
        ] {
            let times = Times {
                received_at: received.map(at),
                read_at: read.map(at),
                withdrawn_at: withdrawn.map(at),
                ..Times::accepted(at(100))
            };
            assert_eq!(Shelf::of(&times, at(200), at(now)), shelf, "{received:?} {read:?} {now}");
        }
    }
}
