//! Encryption at rest of people: seals and opens what is stored of a person, in the same way in every store
//! (DESIGN 4). The text of documents is sealed by [`parcel::sealed`](crate::parcel::sealed).

use secrecy::SecretString;
use seoham_model::PersonId;
use seoham_model::person::Addresses;
use seoham_vault::{PersonKey, Vault, WrappedKey};
use serde::{Deserialize, Serialize};

use crate::error::AboutEntity;
use crate::{Result, StoreError};

/// Opens only a person's telephone number, if they have one.
pub fn open_phone_number(
    vault: &Vault,
    person: PersonId,
    key: &WrappedKey,
    sealed: &[u8],
) -> Result<Option<SecretString>> {
    let mut plaintext = PersonPlaintext::open(&person_key(vault, person, key)?, person, sealed)?;
    Ok(plaintext.phone_number.take().map(SecretString::from))
}

/// Opens a person's data key.
pub(crate) fn person_key(vault: &Vault, person: PersonId, key: &WrappedKey) -> Result<PersonKey> {
    vault.person_key(person, key).map_err(|error| StoreError::from(error).about(person))
}

/// The associated data of a person's own row.
pub fn person_row(id: PersonId) -> [u8; 17] {
    row(b'P', id.as_bytes())
}

/// The associated data of a value: its kind, and the id of what it belongs to.
pub(crate) fn row(kind: u8, id: &[u8; 16]) -> [u8; 17] {
    let mut row = [kind; 17];
    row[1..].copy_from_slice(id);
    row
}

/// The sealed data of a person.
#[derive(Serialize, Deserialize)]
pub struct PersonPlaintext {
    /// 10 or 11 digits; absent if it passed on to another person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// As registered.
    pub name: String,
    /// `YYYYMMDD`.
    pub birthday: String,
    /// Connecting information.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ci: Option<String>,
    /// The e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

impl PersonPlaintext {
    /// Takes how the person can be reached.
    pub(crate) fn take_addresses(&mut self) -> Addresses {
        Addresses {
            phone_number: self.phone_number.take().map(SecretString::from),
            email: self.email.take().map(SecretString::from),
        }
    }
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
        self.email.zeroize();
    }
}
