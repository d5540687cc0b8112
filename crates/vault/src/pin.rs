//! PINs, kept as Argon2id with its default cost (19 MiB, 2 passes).

use std::sync::{Mutex, PoisonError};

use argon2::{Argon2, password_hash::PasswordHasher};
use secrecy::{ExposeSecret, SecretString};

/// A PIN's hash in PHC form.
#[derive(Clone)]
pub struct PinHash(pub String);

/// Hashes a PIN. Takes tens of milliseconds on purpose: call it where blocking is allowed. One is
/// hashed at a time, so that many at once do not take many times the memory.
pub fn hash_pin(pin: &SecretString) -> PinHash {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let hash = Argon2::default()
        .hash_password(pin.expose_secret().as_bytes())
        .expect("the default parameters are sound and the system's random source answers");
    PinHash(hash.to_string())
}
