//! Encryption at rest: seals the personal text of documents, in the same way in every store (DESIGN 4).
//!
//! Text that several documents of a request share is sealed once, under the deployment's key: it contains no
//! names. A document's own text is sealed under its recipient's data key, and is erased with that key.

use std::collections::HashMap;
use std::sync::Arc;

use secrecy::SecretString;
use seoham_model::document::{Content, Own};
use seoham_model::{BinderId, PersonId};
use seoham_vault::{PersonKey, Vault, WrappedKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::documents::IdentifiedDocument;
use crate::error::AboutEntity;
use crate::{Result, StoreError};

/// A shared content, ready to be stored.
pub struct SealedContent {
    /// Its row: the id of the first document with this content.
    pub id: BinderId,
    /// The sealed content.
    pub sealed: Vec<u8>,
}

/// A document, ready to be stored.
pub struct SealedDocument {
    /// Its id.
    pub id: BinderId,
    /// Whose box it is for.
    pub person: PersonId,
    /// They are a member: it is in their box from the start.
    pub member: bool,
    /// The row of its content, if that is shared.
    pub content: Option<BinderId>,
    /// The sealed individual part.
    pub sealed: Vec<u8>,
    /// The institution's hash of the original, stored unencrypted: it outlives the person's data.
    pub hash: Option<String>,
    /// Until when it can be opened.
    pub deadline_at: i64,
}

#[derive(Serialize, Deserialize)]
struct OwnPart<'a> {
    #[serde(flatten)]
    own: std::borrow::Cow<'a, Own>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<std::borrow::Cow<'a, Content>>,
}

/// Seals the documents of one request, at about a microsecond each. For more than a few, do not call it on a
/// thread that interactive requests use.
pub fn seal(
    vault: &Vault,
    documents: &[IdentifiedDocument],
) -> Result<(Vec<SealedContent>, Vec<SealedDocument>)> {
    let uses = content_uses(documents);
    let mut contents = Vec::new();
    for (content, first) in &uses {
        if first.is_shared {
            let plaintext = to_json(content)?;
            let sealed = vault.seal_shared(&content_row(first.document), &plaintext);
            contents.push(SealedContent { id: first.document, sealed });
        }
    }
    let mut sealed = Vec::with_capacity(documents.len());
    for document in documents {
        let first = &uses[&document.content];
        let own_part = OwnPart {
            own: std::borrow::Cow::Borrowed(&document.own),
            content: (!first.is_shared).then_some(std::borrow::Cow::Borrowed(&document.content)),
        };
        let recipient = &document.recipient;
        sealed.push(SealedDocument {
            id: document.id,
            person: recipient.person,
            member: recipient.member,
            content: first.is_shared.then_some(first.document),
            sealed: recipient.key.seal(&document_row(document.id), &to_json(&own_part)?),
            hash: document.hash.clone(),
            deadline_at: document.deadline_at.0,
        });
    }
    Ok((contents, sealed))
}

/// The first document with a content.
struct FirstUse {
    document: BinderId,
    person: PersonId,
    /// Another document with it goes to another person.
    is_shared: bool,
}

/// What one person alone receives, however often, is sealed under that person's key, so that it is erased with it.
fn content_uses(documents: &[IdentifiedDocument]) -> HashMap<&Content, FirstUse> {
    let mut uses: HashMap<&Content, FirstUse> = HashMap::new();
    for document in documents {
        let person = document.recipient.person;
        let first = FirstUse { document: document.id, person, is_shared: false };
        let first = uses.entry(&document.content).or_insert(first);
        first.is_shared |= first.person != person;
    }
    uses
}

/// The stored text of one document.
pub struct StoredText {
    /// The document.
    pub id: BinderId,
    /// Its recipient.
    pub person: PersonId,
    /// Their wrapped data key.
    pub key: WrappedKey,
    /// The sealed individual part.
    pub sealed: Vec<u8>,
    /// The shared content, if any.
    pub content: Option<SealedContent>,
}

/// Opens a document's text.
pub fn open(vault: &Vault, stored: &StoredText) -> Result<(Content, Own)> {
    let key = person_key(vault, stored.person, &stored.key)?;
    let own_part: OwnPart<'_> = open_own_part(&key, stored.id, &stored.sealed)?;
    let content = match (&stored.content, own_part.content) {
        (Some(shared), _) => open_content(vault, shared)?,
        (None, Some(content)) => content.into_owned(),
        (None, None) => return Err(without_content(stored.id)),
    };
    Ok((content, own_part.own.into_owned()))
}

/// Opens a shared content.
pub fn open_content(vault: &Vault, shared: &SealedContent) -> Result<Content> {
    let opened = vault.open_shared(&content_row(shared.id), &shared.sealed);
    let plaintext = opened.map_err(|error| StoreError::from(error).about(shared.id))?;
    serde_json::from_slice(&plaintext)
        .map_err(|_| StoreError::damaged("the unreadable shared text").about(shared.id))
}

/// The sealed data that a notification needs.
pub struct SealedNotice<'a> {
    /// The document.
    pub document: BinderId,
    /// Its recipient.
    pub person: PersonId,
    /// Their wrapped data key.
    pub key: &'a WrappedKey,
    /// The document's sealed individual part.
    pub own: &'a [u8],
    /// Their sealed row.
    pub of_person: &'a [u8],
}

/// The data that a notification needs.
pub struct Notice {
    /// What the document says.
    pub content: Arc<Content>,
    /// The recipient's telephone number.
    pub phone_number: SecretString,
}

/// Opens the data that a notification needs. `shared` is the document's content if that is shared, already
/// opened; the document's own part then stays sealed.
pub fn open_notice(vault: &Vault, sealed: &SealedNotice<'_>, shared: Option<Arc<Content>>) -> Result<Notice> {
    let key = person_key(vault, sealed.person, sealed.key)?;
    let content = if let Some(content) = shared {
        content
    } else {
        let own: OwnPart<'_> = open_own_part(&key, sealed.document, sealed.own)?;
        Arc::new(own.content.ok_or_else(|| without_content(sealed.document))?.into_owned())
    };
    let mut person = PersonPlaintext::open(&key, sealed.person, sealed.of_person)?;
    Ok(Notice { content, phone_number: std::mem::take(&mut person.phone_number).into() })
}

/// Opens only a person's telephone number.
pub fn open_phone_number(
    vault: &Vault,
    person: PersonId,
    key: &WrappedKey,
    sealed: &[u8],
) -> Result<SecretString> {
    let mut plaintext = PersonPlaintext::open(&person_key(vault, person, key)?, person, sealed)?;
    Ok(std::mem::take(&mut plaintext.phone_number).into())
}

/// A document's text and its recipient, opened.
pub struct OpenedText {
    /// The shared content.
    pub content: Content,
    /// The individual part.
    pub own: Own,
    /// The recipient.
    pub recipient: PersonPlaintext,
}

/// Opens a document's text and its recipient's sealed row.
pub fn open_with_recipient(vault: &Vault, stored: &StoredText, person: &[u8]) -> Result<OpenedText> {
    let (content, own) = open(vault, stored)?;
    let key = person_key(vault, stored.person, &stored.key)?;
    Ok(OpenedText { content, own, recipient: PersonPlaintext::open(&key, stored.person, person)? })
}

/// Opens only a document's individual part.
pub fn open_own(
    vault: &Vault,
    person: PersonId,
    key: &WrappedKey,
    id: BinderId,
    sealed: &[u8],
) -> Result<Own> {
    // Skips a content stored with it.
    open_own_part(&person_key(vault, person, key)?, id, sealed)
}

fn open_own_part<T: DeserializeOwned>(key: &PersonKey, id: BinderId, sealed: &[u8]) -> Result<T> {
    let plaintext = key.open(&document_row(id), sealed).map_err(|error| StoreError::from(error).about(id))?;
    serde_json::from_slice(&plaintext).map_err(|_| StoreError::damaged("the unreadable own part").about(id))
}

fn person_key(vault: &Vault, person: PersonId, key: &WrappedKey) -> Result<PersonKey> {
    vault.person_key(person, key).map_err(|error| StoreError::from(error).about(person))
}

fn without_content(id: BinderId) -> StoreError {
    StoreError::damaged("the missing content").about(id)
}

fn to_json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|e| StoreError::Failed(e.to_string()))
}

fn document_row(id: BinderId) -> [u8; 17] {
    row(b'D', id.as_bytes())
}

fn content_row(id: BinderId) -> [u8; 17] {
    row(b'C', id.as_bytes())
}

/// The associated data of a person's own row.
pub fn person_row(id: PersonId) -> [u8; 17] {
    row(b'P', id.as_bytes())
}

fn row(kind: u8, id: &[u8; 16]) -> [u8; 17] {
    let mut row = [kind; 17];
    row[1..].copy_from_slice(id);
    row
}

/// The sealed data of a person.
#[derive(Serialize, Deserialize)]
pub struct PersonPlaintext {
    /// 10 or 11 digits.
    pub phone_number: String,
    /// As registered.
    pub name: String,
    /// `YYYYMMDD`.
    pub birthday: String,
    /// Connecting information.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci: Option<String>,
}

impl PersonPlaintext {
    /// Opens the stored data of a person.
    pub fn open(key: &PersonKey, person: PersonId, sealed: &[u8]) -> Result<Self> {
        let opened = key.open(&person_row(person), sealed);
        let plaintext = opened.map_err(|error| StoreError::from(error).about(person))?;
        serde_json::from_slice(&plaintext).map_err(|_| StoreError::damaged("the sealed row").about(person))
    }
}

impl Drop for PersonPlaintext {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.phone_number.zeroize();
        self.name.zeroize();
        self.birthday.zeroize();
        self.ci.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use seoham_model::document::Categories;
    use seoham_model::{Clock, UnixSeconds};
    use seoham_vault::KeyRing;

    use super::*;
    use crate::people::Recipient;

    #[test]
    fn only_what_goes_to_several_people_is_under_the_deployments_key() {
        let (clock, vault) = (Clock::default(), Vault::new(&KeyRing::generate()));
        let [one, other] = [(); 2].map(|()| {
            let person = PersonId::generate(&clock);
            let (key, _) = vault.new_person_key(person);
            Recipient { person, key: Arc::new(key), member: true }
        });
        let document = |recipient: &Recipient, title: &str| IdentifiedDocument {
            id: BinderId::generate(&clock),
            recipient: recipient.clone(),
            content: Content {
                title: title.to_owned(),
                message: None,
                link: "https://notice.example.kr".to_owned(),
                cs_number: "02-000-0000".to_owned(),
                cs_name: "민원실".to_owned(),
                categories: Categories::default(),
            },
            own: Own { external_document_uuid: None, payload: None },
            hash: None,
            deadline_at: UnixSeconds(1_900_000_000),
        };
        let documents = [
            document(&one, "to both"),
            document(&one, "twice to one"),
            document(&one, "twice to one"),
            document(&other, "to both"),
            document(&other, "once"),
        ];
        let (contents, sealed) = seal(&vault, &documents).expect("seals");
        let ids: Vec<BinderId> = contents.iter().map(|content| content.id).collect();
        assert_eq!(ids, [documents[0].id]);
        let shared: Vec<bool> = sealed.iter().map(|document| document.content.is_some()).collect();
        assert_eq!(shared, [true, false, false, true, false]);
    }
}
