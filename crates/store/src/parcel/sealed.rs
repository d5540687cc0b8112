//! Sealing the documents of a request into a parcel, and opening their text again (DESIGN 4).
//!
//! Text that goes to several people is sealed once, under the deployment's key: it contains no names. Everything
//! else of a document is sealed under its recipient's data key, and is erased with that key.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use seoham_model::document::{Content, Own};
use seoham_model::person::Addresses;
use seoham_model::{BinderId, ContractUuid, EventType, InstitutionId, ParcelId, PersonId, UnixSeconds};
use seoham_vault::{PersonKey, Vault, WrappedKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::document::{Found, PERSON_BYTES, StoredDocument};
use super::head::{self, Entry};
use super::slices::Slices;
use crate::documents::{Acceptance, DocumentStatus, IdentifiedDocument};
use crate::error::AboutEntity;
use crate::events::{DocumentSet, Expiry, Step};
use crate::sealing::{PersonPlaintext, person_key, row};
use crate::{Result, StoreError};

/// A parcel, ready to be stored.
#[derive(Debug)]
pub struct SealedParcel {
    /// Its id.
    pub id: ParcelId,
    /// Who sent it.
    pub institution: InstitutionId,
    /// Under which contract.
    pub contract: ContractUuid,
    /// When it was accepted.
    pub sent_at: UnixSeconds,
    /// The earliest deadline of its documents: the first that the feed tells of.
    pub first_deadline_at: UnixSeconds,
    /// The latest deadline of its documents: until then it is kept.
    pub last_deadline_at: UnixSeconds,
    /// The documents that are in their recipients' boxes from the start.
    pub received: DocumentSet,
    /// How many documents it has.
    pub count: u8,
    /// The column `persons`: 16 bytes for each document.
    pub persons: Vec<u8>,
    /// The column `head` ([`head`]).
    pub head: Vec<u8>,
    /// The column `texts`: the sealed texts that several documents share.
    pub texts: Vec<u8>,
    /// The column `parts`: the sealed own part of each document.
    pub parts: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct OwnPart<'a> {
    #[serde(flatten)]
    own: Cow<'a, Own>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<Cow<'a, Content>>,
}

impl SealedParcel {
    /// Seals the documents of one request, at about a microsecond each; `None` if there are none. For more than a
    /// few, do not call it on a thread that interactive requests use.
    pub fn seal(vault: &Vault, acceptance: &Acceptance) -> Result<Option<Self>> {
        let Acceptance { parcel, documents, .. } = acceptance;
        if documents.is_empty() {
            return Ok(None);
        }
        let (uses, shared) = content_uses(documents);
        let (mut texts, mut text_bytes) = (Vec::new(), Vec::new());
        for (number, content) in (0u8..).zip(shared) {
            let sealed = vault.seal_shared(&text_row(*parcel, number), &to_json(content)?);
            text_bytes.push(length(&sealed)?);
            texts.extend(sealed);
        }
        let (mut parts, mut persons) = (Vec::new(), Vec::with_capacity(documents.len() * PERSON_BYTES));
        let mut entries = Vec::with_capacity(documents.len());
        for (position, document) in (0u8..).zip(documents) {
            let text = uses[&document.content].number;
            let own_part = OwnPart {
                own: Cow::Borrowed(&document.own),
                content: text.is_none().then_some(Cow::Borrowed(&document.content)),
            };
            let recipient = &document.recipient;
            let row = document_row(parcel.document(position));
            let sealed = recipient.key.seal(&row, &to_json(&own_part)?);
            persons.extend_from_slice(recipient.person.as_bytes());
            entries.push(Entry {
                member: recipient.member,
                deadline_at: document.deadline_at,
                text,
                part_bytes: length(&sealed)?,
                hash: document.hash.clone(),
            });
            parts.extend(sealed);
        }
        let deadlines = || documents.iter().map(|document| document.deadline_at);
        let (first_deadline_at, last_deadline_at) = (deadlines().min(), deadlines().max());
        let received = (0u8..).zip(documents).filter(|(_, document)| document.recipient.member);
        Ok(Some(Self {
            id: *parcel,
            institution: acceptance.institution,
            contract: acceptance.contract,
            sent_at: acceptance.accepted_at,
            first_deadline_at: first_deadline_at.unwrap_or(acceptance.accepted_at),
            last_deadline_at: last_deadline_at.unwrap_or(acceptance.accepted_at),
            received: received.map(|(position, _)| position).collect(),
            count: u8::try_from(documents.len()).map_err(|_| head::too_large())?,
            head: head::encode(&entries, &text_bytes)?,
            persons,
            texts,
            parts,
        }))
    }

    /// The steps of its acceptance.
    pub fn steps(&self) -> [Step; 2] {
        let all = DocumentSet::first(self.count);
        [(EventType::Accepted, all), (EventType::Received, self.received)].map(|(event_type, documents)| {
            Step::of_parcel(self.institution, event_type, self.sent_at, self.id, documents)
        })
    }

    /// The row from which the feed tells of its deadlines.
    pub fn expiry(&self) -> Expiry {
        Expiry { due_at: self.first_deadline_at, told_to: UnixSeconds(0) }
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> usize {
        self.persons.len() + self.head.len() + self.texts.len() + self.parts.len()
    }
}

/// The use of a content in a parcel.
struct Use {
    /// The first recipient.
    person: PersonId,
    /// The number of the shared text; `None` if one person alone receives it, however often: then it is sealed under
    /// that person's key, so that it is erased with it.
    number: Option<u8>,
}

/// The use of each content, and the shared ones by number.
fn content_uses(documents: &[IdentifiedDocument]) -> (HashMap<&Content, Use>, Vec<&Content>) {
    let mut uses: HashMap<&Content, Use> = HashMap::new();
    let mut shared = Vec::new();
    for document in documents {
        let person = document.recipient.person;
        let found = uses.entry(&document.content).or_insert(Use { person, number: None });
        if found.number.is_none() && found.person != person {
            found.number = u8::try_from(shared.len()).ok();
            shared.push(&document.content);
        }
    }
    (uses, shared)
}

/// The sealed text of one document.
#[derive(Clone, Copy)]
pub struct SealedDocument<'a> {
    /// The document.
    pub id: BinderId,
    /// Its recipient.
    pub person: PersonId,
    /// Their wrapped data key.
    pub key: &'a WrappedKey,
    /// The sealed own part.
    pub part: &'a [u8],
    /// The number of the shared text in the parcel, and that text, sealed.
    pub text: Option<(u8, &'a [u8])>,
}

/// A document's text and its recipient, opened.
pub struct OpenedText {
    /// The content.
    pub content: Content,
    /// The own part.
    pub own: Own,
    /// The recipient.
    pub recipient: PersonPlaintext,
}

/// The data that a notification needs.
pub struct NoticeText {
    /// What the document says.
    pub content: Arc<Content>,
    /// How the recipient can be reached.
    pub addresses: Addresses,
}

impl SealedDocument<'_> {
    /// Opens its text.
    pub fn open(&self, vault: &Vault) -> Result<(Content, Own)> {
        self.open_with(vault, &person_key(vault, self.person, self.key)?)
    }

    fn open_with(&self, vault: &Vault, key: &PersonKey) -> Result<(Content, Own)> {
        let own_part: OwnPart<'_> = self.own_part(key)?;
        let content = match (self.text, own_part.content) {
            (Some((number, text)), _) => open_text(vault, self.id.parcel(), number, text).about(self.id)?,
            (None, Some(content)) => content.into_owned(),
            (None, None) => return Err(self.without_content()),
        };
        Ok((content, own_part.own.into_owned()))
    }

    /// Opens only its own part.
    pub fn open_own(&self, vault: &Vault) -> Result<Own> {
        // Skips a content stored with it.
        self.own_part(&person_key(vault, self.person, self.key)?)
    }

    /// Opens its text and its recipient's sealed row.
    pub fn open_with_recipient(&self, vault: &Vault, sealed_person: &[u8]) -> Result<OpenedText> {
        let key = person_key(vault, self.person, self.key)?;
        let (content, own) = self.open_with(vault, &key)?;
        Ok(OpenedText { content, own, recipient: PersonPlaintext::open(&key, self.person, sealed_person)? })
    }

    /// Opens the data that a notification needs. `shared` is the document's content if that is shared, already
    /// opened; the own part then stays sealed.
    pub fn open_notice(
        &self,
        vault: &Vault,
        sealed_person: &[u8],
        shared: Option<Arc<Content>>,
    ) -> Result<NoticeText> {
        let key = person_key(vault, self.person, self.key)?;
        let content = if let Some(content) = shared {
            content
        } else {
            let own: OwnPart<'_> = self.own_part(&key)?;
            Arc::new(own.content.ok_or_else(|| self.without_content())?.into_owned())
        };
        let mut person = PersonPlaintext::open(&key, self.person, sealed_person)?;
        Ok(NoticeText { content, addresses: person.take_addresses() })
    }

    fn own_part<T: DeserializeOwned>(&self, key: &PersonKey) -> Result<T> {
        let opened = key.open(&document_row(self.id), self.part);
        let plaintext = opened.map_err(|error| StoreError::from(error).about(self.id))?;
        serde_json::from_slice(&plaintext)
            .map_err(|_| StoreError::damaged("the unreadable own part").about(self.id))
    }

    fn without_content(&self) -> StoreError {
        StoreError::damaged("the missing content").about(self.id)
    }
}

/// Opens a shared text of a parcel.
pub fn open_text(vault: &Vault, parcel: ParcelId, number: u8, sealed: &[u8]) -> Result<Content> {
    let opened = vault.open_shared(&text_row(parcel, number), sealed);
    let plaintext = opened.map_err(StoreError::from)?;
    serde_json::from_slice(&plaintext).map_err(|_| StoreError::damaged("the unreadable shared text"))
}

/// The status of a document, whose own part is among the slices that were read.
pub fn status(
    vault: &Vault,
    document: &StoredDocument,
    key: Option<&WrappedKey>,
    read: &Slices,
) -> Result<DocumentStatus> {
    let key = key.ok_or_else(|| StoreError::damaged("the missing person").about(document.id))?;
    let part = read.get(&document.part).about(document.id)?;
    let sealed = SealedDocument { id: document.id, person: document.person, key, part, text: None };
    let Own { payload, external_document_uuid } = sealed.open_own(vault).about(document.id)?;
    let (times, deadline_at) = (document.times, document.deadline_at);
    Ok(DocumentStatus { times, deadline_at, payload, external_document_uuid })
}

/// The status of each of `ids`, in that order; `None` for one that was not found. One that cannot be read is an error of that
/// document alone.
pub fn statuses<S: BuildHasher>(
    vault: &Vault,
    ids: &[BinderId],
    found: &Found,
    keys: &HashMap<PersonId, WrappedKey, S>,
    read: &Slices,
) -> Vec<Result<Option<DocumentStatus>>> {
    let status = |document: &Result<StoredDocument>| {
        let document = document.as_ref().map_err(Clone::clone)?;
        status(vault, document, keys.get(&document.person), read)
    };
    ids.iter().map(|id| found.get(id).map(status).transpose()).collect()
}

fn length(sealed: &[u8]) -> Result<u32> {
    u32::try_from(sealed.len()).map_err(|_| head::too_large())
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| StoreError::Failed(e.to_string()))
}

/// What an own part is bound to.
fn document_row(id: BinderId) -> [u8; 17] {
    row(b'D', id.as_bytes())
}

/// What a shared text is bound to: its parcel and its number there.
fn text_row(parcel: ParcelId, number: u8) -> [u8; 17] {
    row(b'C', parcel.document(number).as_bytes())
}

#[cfg(test)]
mod tests {
    use seoham_model::Clock;
    use seoham_model::document::Categories;
    use seoham_vault::KeyRing;

    use super::super::document::StoredParcel;
    use super::super::head::ParcelHead;
    use super::super::slices::{Column, Slice};
    use super::*;
    use crate::people::Recipient;

    struct Parcel {
        vault: Vault,
        keys: Vec<WrappedKey>,
        sealed: SealedParcel,
    }

    fn content(title: &str) -> Content {
        Content {
            bridge: None,
            title: title.to_owned(),
            message: None,
            link: "https://notice.example.kr".to_owned(),
            cs_number: "02-000-0000".to_owned(),
            cs_name: "민원실".to_owned(),
            categories: Categories::default(),
        }
    }

    /// Documents with these titles for these two people.
    fn parcel(titles: &[(usize, &str)]) -> Parcel {
        let (clock, vault) = (Clock::default(), Vault::new(&KeyRing::generate()));
        let people = [(); 2].map(|()| {
            let person = PersonId::generate(&clock);
            let (key, wrapped) = vault.new_person_key(person);
            (Recipient { person, key: Arc::new(key), member: true }, wrapped)
        });
        let document = |(i, (person, title)): (usize, &(usize, &str))| IdentifiedDocument {
            recipient: people[*person].0.clone(),
            content: content(title),
            own: Own { external_document_uuid: Some(i.to_string()), payload: None },
            hash: None,
            deadline_at: UnixSeconds(1_900_000_000 + i64::try_from(i).unwrap_or(0)),
        };
        let acceptance = Acceptance {
            parcel: ParcelId::generate(&clock),
            institution: InstitutionId::generate(&clock),
            contract: ContractUuid::generate(&clock),
            accepted_at: UnixSeconds(1_800_000_000),
            documents: titles.iter().enumerate().map(document).collect(),
            remember: None,
            refused: crate::statistics::Refusals::new(),
        };
        let sealed = SealedParcel::seal(&vault, &acceptance).expect("seals").expect("has documents");
        let keys = titles.iter().map(|(person, _)| people[*person].1.clone()).collect();
        Parcel { vault, keys, sealed }
    }

    impl Parcel {
        fn documents(&self) -> Vec<StoredDocument> {
            let stored = StoredParcel {
                id: self.sealed.id,
                institution: self.sealed.institution,
                contract: self.sealed.contract,
                sent_at: self.sealed.sent_at,
                head: ParcelHead::parse(self.sealed.head.clone()).expect("reads"),
                persons: self.sealed.persons.clone(),
                notices: Vec::new(),
            };
            let ids = (0..self.sealed.count).map(|position| self.sealed.id.document(position));
            ids.map(|id| stored.document(id, None).expect("sound").expect("there")).collect()
        }

        fn slices(&self) -> Slices {
            let mut slices = Slices::default();
            for (column, bytes) in [(Column::Texts, &self.sealed.texts), (Column::Parts, &self.sealed.parts)]
            {
                slices.add(&Slice::new(self.sealed.id, column, 0..bytes.len()), bytes.clone());
            }
            slices
        }
    }

    const TITLES: [(usize, &str); 5] =
        [(0, "to both"), (0, "twice to one"), (0, "twice to one"), (1, "to both"), (1, "once")];

    #[test]
    fn a_parcel_opens_as_it_was_sealed_and_shares_what_goes_to_several() {
        let parcel = parcel(&TITLES);
        let (documents, slices) = (parcel.documents(), parcel.slices());
        let shared: Vec<bool> = documents.iter().map(|document| document.text.is_some()).collect();
        assert_eq!(shared, [true, false, false, true, false]);
        for (i, (document, (_, title))) in documents.iter().zip(TITLES).enumerate() {
            let sealed = document.sealed(&parcel.keys[i], &slices).expect("read");
            let (opened, own) = sealed.open(&parcel.vault).expect("opens");
            assert_eq!((opened, own.external_document_uuid), (content(title), Some(i.to_string())));
            let status = status(&parcel.vault, document, Some(&parcel.keys[i]), &slices).expect("opens");
            assert_eq!(status.deadline_at, document.deadline_at);
        }
        assert_eq!(parcel.sealed.last_deadline_at, UnixSeconds(1_900_000_004));
    }

    #[test]
    fn a_damaged_part_or_key_is_damage_of_its_document_alone() {
        let mut parcel = parcel(&TITLES);
        let documents = parcel.documents();
        parcel.sealed.parts[documents[1].part.start + 20] ^= 1;
        let slices = parcel.slices();
        for (i, document) in documents.iter().enumerate() {
            let status = status(&parcel.vault, document, Some(&parcel.keys[i]), &slices);
            assert_eq!(status.is_err(), i == 1, "{i}");
        }
        let error = status(&parcel.vault, &documents[4], None, &slices).expect_err("no key").to_string();
        assert!(error.contains(&documents[4].id.to_string()), "{error}");
        let moved = SealedDocument {
            id: documents[2].id,
            ..documents[0].sealed(&parcel.keys[0], &slices).expect("read")
        };
        assert!(moved.open(&parcel.vault).is_err(), "a part belongs to its position");
    }
}
