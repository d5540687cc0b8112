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

/// Documents of a box that are read at once, at most.
const READ_AT_ONCE_MAX: usize = 256;

/// Those of `ids`, newest first, that are older than `before`.
pub fn older(ids: &[BinderId], before: Option<BinderId>) -> &[BinderId] {
    let newer = before.map_or(0, |before| ids.partition_point(|id| *id >= before));
    &ids[newer..]
}

/// `ids` in pieces to read one after the other, until `wanted` of them were found on a shelf: most are on the one that is
/// looked at, so the first piece is about as many, and each further one twice as large.
pub fn pieces(ids: &[BinderId], wanted: usize) -> impl Iterator<Item = &[BinderId]> {
    let (mut left, mut size) = (ids, wanted.max(1));
    std::iter::from_fn(move || {
        let (piece, rest) = left.split_at(size.min(READ_AT_ONCE_MAX).min(left.len()));
        (left, size) = (rest, size.saturating_mul(2));
        (!piece.is_empty()).then_some(piece)
    })
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

/// What is asked of a box.
#[derive(Clone, Copy, Debug)]
pub struct BoxQuery {
    /// The shelf.
    pub shelf: Shelf,
    /// Only documents older than this one.
    pub before: Option<BinderId>,
    /// Documents of the shelf, at most.
    pub limit: usize,
    /// Up to which number the unread documents are counted.
    pub unread_max: usize,
}

impl BoxQuery {
    /// The number of unread documents, if the page of `shown` documents has all of them: nothing is left to count.
    pub fn unread_of(&self, shown: usize) -> Option<usize> {
        let shows_all = self.shelf == Shelf::Unread && self.before.is_none() && shown < self.limit;
        shows_all.then_some(shown.min(self.unread_max))
    }
}

/// What a person sees of a box at once.
#[derive(Clone, Debug)]
pub struct BoxView {
    /// Documents of the shelf, newest first.
    pub documents: Vec<BoxDocument>,
    /// The unread documents of the box, at most as many as were asked for.
    pub unread: usize,
}

/// Document boxes.
#[async_trait]
#[delegatable_trait]
pub trait Boxes: Send + Sync {
    /// What a person sees of a box at once.
    async fn box_view(&self, person: PersonId, asked: BoxQuery, now: UnixSeconds) -> Result<BoxView>;

    /// Documents on a shelf of a person's box, newest first, older than `before`, at most `limit`.
    async fn shelf(
        &self,
        person: PersonId,
        shelf: Shelf,
        before: Option<BinderId>,
        limit: usize,
        now: UnixSeconds,
    ) -> Result<Vec<BoxDocument>> {
        let asked = BoxQuery { shelf, before, limit, unread_max: 0 };
        Ok(self.box_view(person, asked, now).await?.documents)
    }

    /// One document of a person's box; `None` if it is not in the box.
    async fn box_document(&self, person: PersonId, document: BinderId) -> Result<Option<BoxDocument>>;

    /// The number of unread documents that can be opened, counted up to `limit`.
    async fn unread(&self, person: PersonId, limit: usize, now: UnixSeconds) -> Result<usize> {
        let asked = BoxQuery { shelf: Shelf::Unread, before: None, limit: 0, unread_max: limit };
        Ok(self.box_view(person, asked, now).await?.unread)
    }

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
    use seoham_model::Clock;

    use super::*;

    #[test]
    fn a_page_goes_on_behind_the_former() {
        let clock = Clock::default();
        let mut ids: Vec<BinderId> = (0..5).map(|_| BinderId::generate(&clock)).collect();
        ids.sort_by(|a, b| b.cmp(a));
        assert_eq!(older(&ids, None), ids);
        assert_eq!(older(&ids, Some(ids[1])), &ids[2..]);
        let gone = ids.remove(2);
        assert_eq!(older(&ids, Some(gone)), &ids[2..], "one that is not there any more");
        assert!(older(&ids, Some(ids[3])).is_empty() && older(&[], Some(gone)).is_empty());
    }

    #[test]
    fn what_is_shown_whole_is_not_counted_again() {
        let of =
            |shelf, before, limit, shown| BoxQuery { shelf, before, limit, unread_max: 100 }.unread_of(shown);
        assert_eq!(of(Shelf::Unread, None, 21, 20), Some(20));
        assert_eq!(of(Shelf::Unread, None, 501, 300), Some(100), "counted up to a number");
        assert_eq!(of(Shelf::Unread, None, 21, 21), None, "there may be more");
        assert_eq!(of(Shelf::Unread, None, 0, 0), None, "none was asked for");
        assert_eq!(of(Shelf::Read, None, 21, 3), None);
        let before = Some(BinderId::generate(&Clock::default()));
        assert_eq!(of(Shelf::Unread, before, 21, 3), None, "a later page");
    }

    #[test]
    fn pieces_grow_until_all_is_read() {
        let clock = Clock::default();
        let ids: Vec<BinderId> = (0..1_000).map(|_| BinderId::generate(&clock)).collect();
        let sizes = |count: usize, wanted| pieces(&ids[..count], wanted).map(<[_]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(1_000, 21), [21, 42, 84, 168, 256, 256, 173]);
        assert_eq!(sizes(1_000, 501), [256, 256, 256, 232]);
        assert_eq!(sizes(6, 0), [1, 2, 3], "there is always an end to it");
        assert_eq!(sizes(0, 21), [0; 0]);
        assert_eq!(pieces(&ids, 21).flatten().copied().collect::<Vec<_>>(), ids);
    }

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
