//! PINs, kept as Argon2id with its default cost (19 MiB, 2 passes).

use argon2::{Argon2, password_hash::PasswordHasher};
use secrecy::{ExposeSecret, SecretString};

/// A PIN's hash in PHC form.
#[derive(Clone)]
pub struct PinHash(pub String);

/// Hashes a PIN. Takes tens of milliseconds on purpose: call it where blocking is allowed.
pub fn hash_pin(pin: &SecretString) -> PinHash {
    let hash = Argon2::default()
        .hash_password(pin.expose_secret().as_bytes())
        .expect("the default parameters are sound and the system's random source answers");
    PinHash(hash.to_string())
}
