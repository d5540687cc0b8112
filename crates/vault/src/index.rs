//! Blind indexes: keyed hashes for looking up a personal value without storing it.

use std::hash::Hasher;

use aws_lc_rs::hmac;
use seoham_model::PersonId;
use seoham_model::person::normalized_name;
use siphasher::sip::SipHasher24;

use crate::Vault;

/// Keyed hashes of the items of one idempotency key, 64 bits each: enough to distinguish ten thousand items.
/// Each idempotency key has its own hash key, so that hashes cannot be compared across keys. `SipHash` is
/// designed for short inputs under a secret key, and costs a quarter of an HMAC here, in the path of every
/// document.
pub struct ItemTags {
    key: [u8; 16],
}

impl ItemTags {
    /// The tag of an item's external id.
    pub fn external_id(&self, external_document_uuid: &[u8]) -> [u8; 8] {
        self.tag(1, external_document_uuid)
    }

    /// The tag of an item's content.
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
    /// The index of a telephone number.
    pub fn phone_index(&self, phone_number: &str) -> BlindIndex {
        self.blind_index(b"phone", &[phone_number.as_bytes()])
    }

    /// The index of connecting information.
    pub fn ci_index(&self, ci: &str) -> BlindIndex {
        self.blind_index(b"ci", &[ci.as_bytes()])
    }

    /// A keyed hash of a person's birthday, for comparison. It is bound to the person, so that a stolen
    /// database does not reveal equal birthdays.
    pub fn birthday_tag(&self, person: PersonId, birthday: &str) -> BlindIndex {
        self.blind_index(b"birthday", &[person.as_bytes(), birthday.as_bytes()])
    }

    /// A keyed hash of a person's normalised name, for comparison; also bound to the person.
    pub fn name_tag(&self, person: PersonId, name: &str) -> BlindIndex {
        self.blind_index(b"name", &[person.as_bytes(), normalized_name(name).as_bytes()])
    }

    /// The index of an institution's idempotency key.
    pub fn key_tag(&self, key: &[u8]) -> BlindIndex {
        self.blind_index(b"idempotency key", &[key])
    }

    /// The hasher for the items of an idempotency key.
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
