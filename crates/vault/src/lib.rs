//! Everything secret: the master key, the sealing of personal values, the blind indexes by which
//! they are found again, and the hashes of tokens and PINs.
//!
//! No I/O but the key file, no SQL, no HTTP. Stores seal at their edge with what is here, so that
//! a personal value never reaches a database, and no other crate does cryptography of its own.

mod digest;
mod index;
mod link;
mod master;
mod pin;
mod private;
mod seal;
mod token;
mod webhook;

pub use digest::sha256;
pub use index::{BlindIndex, ItemTags};
pub use master::{KeyFileError, MasterKey};
pub use pin::{PinHash, hash_pin, hash_pin_bounded, verify_pin_bounded};
pub use private::{PrivateFileError, read_private, require_private, require_private_directory};
pub use seal::{PersonKey, SealError, WrappedKey};
pub use token::{AccessToken, AdminToken, OneTimeToken, TokenHash};
pub use webhook::{WebhookKey, webhook_secret_is_sound};

use aws_lc_rs::{aead, hkdf, hmac};
use secrecy::ExposeSecret;

/// The keys of one deployment, derived from its master key.
///
/// One for wrapping people's data keys, one for what several people share, one for blind
/// indexes; none of them is ever written down.
pub struct Vault {
    wrapping: aead::LessSafeKey,
    content: aead::LessSafeKey,
    index: hmac::Key,
    key_id: [u8; 4],
}

impl Vault {
    /// Derives a deployment's keys.
    pub fn new(master: &MasterKey) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"seoham v1");
        let root = salt.extract(master.bytes().expose_secret());
        let derive = |purpose: &'static [u8]| {
            let mut key = zeroize::Zeroizing::new([0u8; 32]);
            root.expand(&[purpose], hkdf::HKDF_SHA256)
                .and_then(|okm| okm.fill(key.as_mut()))
                .expect("32 bytes are within what HKDF-SHA-256 gives");
            key
        };
        let key_id = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &derive(b"key id")[..]), b"");
        Self {
            wrapping: seal::aead_key(&derive(b"wrapping")),
            content: seal::aead_key(&derive(b"content")),
            index: hmac::Key::new(hmac::HMAC_SHA256, &derive(b"blind index")[..]),
            key_id: key_id.as_ref()[..4].try_into().expect("an HMAC is longer than 4 bytes"),
        }
    }

    /// What a store keeps to notice that it is opened with another master key.
    pub fn key_check(&self) -> [u8; 16] {
        self.blind_index(b"key check", &[])
    }
}
