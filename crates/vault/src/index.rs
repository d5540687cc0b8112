//! Blind indexes: keyed hashes by which a personal value is found without being stored.

use std::hash::Hasher;

use aws_lc_rs::hmac;
use seoham_model::PersonId;
use seoham_model::person::normalized_name;
use siphasher::sip::SipHasher24;

use crate::Vault;

/// Keyed hashes of the items of one idempotency key, 64 bits each: enough to tell ten thousand apart,
/// and under a key of their own, so that nothing is told across keys. `SipHash` is made for short
/// inputs under a secret key, and costs a quarter of an HMAC here, on the path of every document.
pub struct ItemTags {
    key: [u8; 16],
}

impl ItemTags {
    /// The tag of an item's external id.
    pub fn external_id(&self, external_document_uuid: &[u8]) -> [u8; 8] {
        self.tag(1, external_document_uuid)
    }

    /// The tag of what an item asks for.
    pub fn content(&self, content: &[u8]) -> [u8; 8] {
        self.tag(2, content)
    }

    fn tag(&self, purpose: u8, bytes: &[u8]) -> [u8; 8] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write_u8(purpose);
        hasher.write(bytes);
        hasher.finish().to_le_bytes()
    }
}

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

    /// Tells the items of an idempotency key apart.
    pub fn item_tags(&self, key_tag: BlindIndex) -> ItemTags {
        ItemTags { key: self.blind_index(b"idempotency items", &[&key_tag]) }
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
