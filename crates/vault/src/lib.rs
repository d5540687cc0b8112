//! Cryptography and secrets: the master key, sealing of personal values, blind indexes for finding them, and
//! hashes of tokens and PINs.
//!
//! No I/O except for key files, no SQL, no HTTP. Stores use this to seal personal values before writing, so
//! that none reaches a database in plain text. No other crate implements cryptography.

mod digest;
mod index;
mod keys;
mod link;
mod pin;
mod private;
mod seal;
mod token;
mod webhook;

pub use digest::sha256;
pub use index::{BlindIndex, ItemTags};
pub use keys::{KeyFileError, KeyRing, RingFault};
pub use pin::{PinHash, hash_pin, hash_pin_bounded, verify_pin_bounded};
pub use private::{PrivateFileError, read_private, require_private, require_private_directory};
pub use seal::{KeyId, PersonKey, SealError, WrappedKey};
pub use token::{AccessToken, AdminToken, OneTimeToken, TokenHash};
pub use webhook::{WebhookKey, new_webhook_secret, webhook_secret_is_sound};

use aws_lc_rs::{aead, hkdf, hmac};
use zeroize::Zeroizing;

use keys::Key;

/// The keys of one deployment, derived from its key ring. They are never stored.
pub struct Vault {
    /// The keys of each master key. The first one seals new values.
    masters: Vec<MasterKeys>,
    /// The key of the blind indexes.
    index: hmac::Key,
}

/// The keys derived from one master key.
struct MasterKeys {
    id: KeyId,
    /// Wraps people's data keys.
    wrapping: aead::LessSafeKey,
    /// Seals text that several people share.
    content: aead::LessSafeKey,
}

impl Vault {
    /// Derives a deployment's keys.
    pub fn new(ring: &KeyRing) -> Self {
        Self {
            masters: ring.masters().map(MasterKeys::of).collect(),
            index: hmac_key(&Root::of(ring.index()).derive(b"blind index")),
        }
    }

    /// A value that a store keeps to detect another index key.
    pub fn key_check(&self) -> [u8; 16] {
        self.blind_index(b"key check", &[])
    }

    /// The master key that seals new values. A store keeps the ids of all keys that values may be sealed under.
    pub fn sealing_key(&self) -> KeyId {
        self.current().id
    }

    /// Whether the ring has a master key with this id.
    pub fn has_key(&self, id: KeyId) -> bool {
        self.master(id).is_some()
    }

    fn current(&self) -> &MasterKeys {
        self.masters.first().expect("a ring has a master key")
    }

    fn master(&self, id: KeyId) -> Option<&MasterKeys> {
        self.masters.iter().find(|master| master.id == id)
    }
}

impl MasterKeys {
    fn of(master: &Key) -> Self {
        let root = Root::of(master);
        let id = hmac::sign(&hmac_key(&root.derive(b"key id")), b"");
        Self {
            id: KeyId(id.as_ref()[..4].try_into().expect("an HMAC is longer than 4 bytes")),
            wrapping: seal::aead_key(&root.derive(b"wrapping")),
            content: seal::aead_key(&root.derive(b"content")),
        }
    }
}

/// The root from which keys for several purposes are derived.
struct Root(hkdf::Prk);

impl Root {
    fn of(key: &Key) -> Self {
        Self(hkdf::Salt::new(hkdf::HKDF_SHA256, b"seoham v1").extract(key.bytes()))
    }

    fn derive(&self, purpose: &'static [u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0u8; 32]);
        self.0
            .expand(&[purpose], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(key.as_mut()))
            .expect("32 bytes are within what HKDF-SHA-256 gives");
        key
    }
}

fn hmac_key(bytes: &[u8; 32]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}
