//! Blind indexes: keyed hashes by which a personal value is found without being stored.

use aws_lc_rs::hmac;
use seoham_model::PersonId;
use seoham_model::person::normalized_name;

use crate::Vault;

/// The first 16 bytes of an HMAC-SHA-256 over a normalised value.
pub type BlindIndex = [u8; 16];

impl Vault {
    /// Finds a person by telephone number.
    pub fn phone_index(&self, phone_number: &str) -> BlindIndex {
        self.blind_index(b"phone", &[phone_number.as_bytes()])
    }

    /// Finds a person by connecting information.
    pub fn ci_index(&self, ci: &str) -> BlindIndex {
        self.blind_index(b"ci", &[ci.as_bytes()])
    }

    /// Compares a birthday with a person's. Bound to the person, so that equal birthdays cannot
    /// be seen in a stolen database.
    pub fn birthday_tag(&self, person: PersonId, birthday: &str) -> BlindIndex {
        self.blind_index(b"birthday", &[person.as_bytes(), birthday.as_bytes()])
    }

    /// Compares a name with a person's, in normal form; bound to the person likewise.
    pub fn name_tag(&self, person: PersonId, name: &str) -> BlindIndex {
        self.blind_index(b"name", &[person.as_bytes(), normalized_name(name).as_bytes()])
    }

    /// Finds what an institution's idempotency key is known for.
    pub fn key_tag(&self, key: &[u8]) -> BlindIndex {
        self.blind_index(b"idempotency key", &[key])
    }

    /// Finds an item among those of an idempotency key.
    pub fn external_id_tag(&self, external_document_uuid: &[u8]) -> BlindIndex {
        self.blind_index(b"external id", &[external_document_uuid])
    }

    /// Compares an item with one that came before.
    pub fn content_tag(&self, content: &[u8]) -> BlindIndex {
        self.blind_index(b"content", &[content])
    }

    pub(crate) fn blind_index(&self, purpose: &[u8], parts: &[&[u8]]) -> BlindIndex {
        let mut context = hmac::Context::with_key(&self.index);
        context.update(purpose);
        context.update(&[0]);
        for part in parts {
            context.update(part);
        }
        context.sign().as_ref()[..16].try_into().expect("an HMAC-SHA-256 has 32 bytes")
    }
}
