//! Documents as a store finds them: a position of a parcel, with its notice and its marks.

use std::collections::HashMap;

use seoham_model::status::Times;
use seoham_model::{BinderId, ContractUuid, InstitutionId, ParcelId, PersonId, UnixSeconds};
use seoham_vault::{Vault, WrappedKey};

use super::head::ParcelHead;
use super::mark::Mark;
use super::notices::{self, Notice};
use super::sealed::{OpenedText, SealedDocument};
use super::slices::{Column, Slice, Slices};
use crate::error::AboutEntity;
use crate::people::StoredPerson;
use crate::{Result, StoreError};

/// The bytes of one person in the column `persons`.
pub const PERSON_BYTES: usize = 16;

/// A stored parcel without its sealed columns.
#[derive(Clone, Debug)]
pub struct StoredParcel {
    /// Its id.
    pub id: ParcelId,
    /// Who sent it.
    pub institution: InstitutionId,
    /// Under which contract.
    pub contract: ContractUuid,
    /// When it was accepted.
    pub sent_at: UnixSeconds,
    /// What is known of each document without opening it.
    pub head: ParcelHead,
    /// The column `persons`.
    pub persons: Vec<u8>,
    /// The packed notices; empty if there are none yet.
    pub notices: Vec<u8>,
}

/// A stored document without its sealed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredDocument {
    /// Its id.
    pub id: BinderId,
    /// Who sent it.
    pub institution: InstitutionId,
    /// Under which contract.
    pub contract: ContractUuid,
    /// The recipient.
    pub person: PersonId,
    /// The institution's hash of the original.
    pub hash: Option<String>,
    /// Until when it can be opened.
    pub deadline_at: UnixSeconds,
    /// All times so far.
    pub times: Times,
    /// The stored state of its notification.
    pub notice: Notice,
    /// Where its own part is.
    pub part: Slice,
    /// Where its shared text is, and the number of that text in the parcel.
    pub text: Option<(u8, Slice)>,
}

impl StoredDocument {
    /// Whether it will never be opened again: its deadline has passed, or it was withdrawn.
    pub fn is_over(&self, now: UnixSeconds) -> bool {
        self.times.opening(self.deadline_at, now).is_over()
    }
}

impl StoredParcel {
    /// The document with `id`, which has `mark`; `None` if the parcel has no such document.
    pub fn document(&self, id: BinderId, mark: Option<Mark>) -> Result<Option<StoredDocument>> {
        let position = id.position();
        if id.parcel() != self.id || usize::from(position) >= self.head.count() {
            return Ok(None);
        }
        self.at(position, mark.unwrap_or_default()).map(Some).about(id)
    }

    fn at(&self, position: u8, mark: Mark) -> Result<StoredDocument> {
        let (head, sent_at) = (&self.head, self.sent_at);
        let notice = notices::notice(&self.notices, position, sent_at)?;
        let received_at = if head.is_member(position)? { Some(sent_at) } else { mark.received_at };
        let text = head.text(position)?;
        Ok(StoredDocument {
            id: self.id.document(position),
            institution: self.institution,
            contract: self.contract,
            person: self.person(position)?,
            hash: head.hash(position)?.map(str::to_owned),
            deadline_at: head.deadline_at(position)?,
            times: Times {
                sent_at,
                received_at,
                opened_at: mark.opened_at,
                authenticated_at: mark.authenticated_at,
                token_used_at: mark.token_used_at,
                read_at: mark.read_at,
                notified_at: notice.notified_at,
                withdrawn_at: mark.withdrawn_at,
            },
            notice,
            part: Slice::new(self.id, Column::Parts, head.part(position)?),
            text: text.map(|(number, range)| (number, Slice::new(self.id, Column::Texts, range))),
        })
    }

    /// The recipient of the document at `position`.
    pub fn person(&self, position: u8) -> Result<PersonId> {
        let start = usize::from(position) * PERSON_BYTES;
        let id = self.persons.get(start..).and_then(<[u8]>::first_chunk::<PERSON_BYTES>);
        id.map(|id| PersonId::from_bytes(*id)).ok_or_else(|| StoreError::damaged("the person of a document"))
    }

    /// The documents of `person`, by id.
    pub fn documents_of(&self, person: PersonId) -> impl Iterator<Item = BinderId> {
        documents_of(self.id, &self.persons, person)
    }
}

/// Those of `ids` that are for `person`, in that order. One that cannot be read is left out and logged.
pub fn of_person<'a>(
    found: &'a Found,
    ids: &'a [BinderId],
    person: PersonId,
) -> impl Iterator<Item = BinderId> + 'a {
    let is_theirs = move |id: &BinderId| match found.get(id) {
        Some(Ok(document)) => document.person == person,
        Some(Err(error)) => {
            tracing::error!(%error, document = %id, "a document cannot be read");
            false
        }
        None => false,
    };
    ids.iter().copied().filter(is_theirs)
}

/// The documents of `person` in a parcel with the column `persons`.
pub fn documents_of(parcel: ParcelId, persons: &[u8], person: PersonId) -> impl Iterator<Item = BinderId> {
    recipients(parcel, persons).filter(move |(id, _)| *id == person).map(|(_, document)| document)
}

/// The documents of a parcel with the column `persons`, each with its person.
pub fn recipients(parcel: ParcelId, persons: &[u8]) -> impl Iterator<Item = (PersonId, BinderId)> {
    let persons = persons.as_chunks::<PERSON_BYTES>().0.iter().take(super::head::DOCUMENTS_MAX);
    let recipient = move |(position, id): (u8, &[u8; PERSON_BYTES])| {
        (PersonId::from_bytes(*id), parcel.document(position))
    };
    (0u8..).zip(persons).map(recipient)
}

/// Documents by id. One that cannot be read is an error of that document alone.
pub type Found = HashMap<BinderId, Result<StoredDocument>>;

/// The document with `id`, which has `mark`, from what was read of its parcel; `None` if the parcel has no such document.
pub fn find(
    parcel: &Result<StoredParcel>,
    id: BinderId,
    mark: Option<Mark>,
) -> Option<Result<StoredDocument>> {
    match parcel {
        Ok(parcel) => parcel.document(id, mark).transpose(),
        Err(error) => Some(Err(error.clone().about(id))),
    }
}

impl StoredDocument {
    /// Whether it is in the box of `person`.
    pub fn is_in_box_of(&self, person: PersonId) -> bool {
        self.person == person && self.times.received_at.is_some()
    }

    /// The slices with all of its text.
    pub fn slices(&self) -> impl Iterator<Item = Slice> {
        let text = self.text.iter().map(|(_, slice)| slice.clone());
        std::iter::once(self.part.clone()).chain(text)
    }

    /// Its sealed text, from slices that were read; without the shared text if that was not.
    pub fn sealed<'a>(&self, key: &'a WrappedKey, read: &'a Slices) -> Result<SealedDocument<'a>> {
        let text = self.text.as_ref().map(|(number, slice)| Ok((*number, read.get(slice)?))).transpose();
        Ok(SealedDocument {
            id: self.id,
            person: self.person,
            key,
            part: read.get(&self.part).about(self.id)?,
            text: text.about(self.id)?,
        })
    }
}

/// Opens a document's text and its recipient, from what was read.
pub fn open_text(
    vault: &Vault,
    document: &StoredDocument,
    person: Option<&StoredPerson>,
    read: &Slices,
) -> Result<OpenedText> {
    let person = person.ok_or_else(|| StoreError::damaged("the missing person").about(document.id))?;
    document.sealed(&person.key, read)?.open_with_recipient(vault, &person.sealed).about(document.id)
}

#[cfg(test)]
mod tests {
    use seoham_model::Clock;

    use super::super::head::{Entry, encode};
    use super::*;
    use crate::documents::Notification;

    fn parcel(members: [bool; 3]) -> (StoredParcel, Vec<PersonId>) {
        let clock = Clock::default();
        let people: Vec<PersonId> = members.iter().map(|_| PersonId::generate(&clock)).collect();
        let entry = |member: &bool| Entry {
            member: *member,
            deadline_at: UnixSeconds(2_000),
            text: None,
            part_bytes: 10,
            hash: None,
        };
        let head = encode(&members.iter().map(entry).collect::<Vec<_>>(), &[]).expect("fits");
        let parcel = StoredParcel {
            id: ParcelId::generate(&clock),
            institution: InstitutionId::generate(&clock),
            contract: ContractUuid::generate(&clock),
            sent_at: UnixSeconds(1_000),
            head: ParcelHead::parse(head).expect("reads"),
            persons: people.iter().flat_map(|person| *person.as_bytes()).collect(),
            notices: Vec::new(),
        };
        (parcel, people)
    }

    #[test]
    fn a_document_has_the_times_of_parcel_notice_and_mark() {
        let (mut parcel, people) = parcel([true, false, false]);
        let delivered =
            Notice { outcome: Notification::Delivered, notified_at: Some(parcel.sent_at.plus(7)) };
        notices::set(&mut parcel.notices, 3, 1, delivered, parcel.sent_at).expect("there");
        let mark = Mark {
            received_at: Some(UnixSeconds(1_100)),
            read_at: Some(UnixSeconds(1_200)),
            ..Mark::default()
        };
        let document = |position, mark| {
            parcel.document(parcel.id.document(position), mark).expect("sound").expect("there")
        };
        let member = document(0, None);
        assert_eq!((member.person, member.times.received_at), (people[0], Some(UnixSeconds(1_000))));
        assert_eq!((member.part.start, member.part.end), (0, 10));
        let joined = document(1, Some(mark));
        assert_eq!(joined.times.received_at, Some(UnixSeconds(1_100)));
        assert_eq!(joined.times.read_at, Some(UnixSeconds(1_200)));
        assert_eq!(joined.times.notified_at, Some(UnixSeconds(1_007)));
        assert_eq!(document(2, None).times.received_at, None);
        for other in [parcel.id.document(3), ParcelId::generate(&Clock::default()).document(0)] {
            assert_eq!(parcel.document(other, None).expect("sound"), None);
        }
    }

    #[test]
    fn a_damaged_notice_is_damage_of_its_document_alone() {
        let (mut parcel, _) = parcel([true; 3]);
        notices::set(&mut parcel.notices, 3, 0, Notice::PENDING, parcel.sent_at).expect("there");
        parcel.notices[notices::NOTICE_BYTES] = 99;
        let found = |position| parcel.document(parcel.id.document(position), None);
        assert!(found(0).is_ok() && found(2).is_ok());
        let error = found(1).expect_err("damaged").to_string();
        assert!(error.contains(&parcel.id.document(1).to_string()), "{error}");
    }

    #[test]
    fn the_documents_of_a_person_are_found_in_persons() {
        let (mut parcel, people) = parcel([true; 3]);
        let first = parcel.persons[..PERSON_BYTES].to_vec();
        parcel.persons[2 * PERSON_BYTES..].copy_from_slice(&first);
        let of: Vec<u8> = parcel.documents_of(people[0]).map(BinderId::position).collect();
        assert_eq!(of, [0, 2]);
        assert_eq!(parcel.documents_of(people[2]).count(), 0);
    }
}
