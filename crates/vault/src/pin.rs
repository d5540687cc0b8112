//! PIN hashes: Argon2id with the crate's default cost (19 MiB, 2 passes).

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

/// The permit for hashing: concurrent hashing would multiply the memory use.
static HASHING_PERMIT: Semaphore = Semaphore::const_new(1);

/// A PIN's hash in PHC form.
#[derive(Clone)]
pub struct PinHash(pub String);

/// Hashes a PIN. Deliberately takes tens of milliseconds: call it where blocking is allowed, and call
/// [`hash_pin_bounded`] where several callers may hash concurrently.
pub fn hash_pin(pin: &SecretString) -> PinHash {
    let hash = Argon2::default()
        .hash_password(pin.expose_secret().as_bytes())
        .expect("the default parameters are sound and the system's random source answers");
    PinHash(hash.to_string())
}

/// Hashes a PIN under a permit, one at a time in the whole process, in FIFO order. Waiting does not block a
/// thread.
pub async fn hash_pin_bounded(pin: SecretString) -> PinHash {
    let permit = HASHING_PERMIT.acquire().await.expect("it is never closed");
    let hashing = tokio::task::spawn_blocking(move || {
        // Released by the blocking thread, so that no other starts if the caller is cancelled.
        let _permit = permit;
        hash_pin(&pin)
    });
    hashing.await.expect("hashing does not break off")
}

/// Verifies a PIN against a hash under a permit, two at a time in the whole process.
pub async fn verify_pin_bounded(hash: PinHash, pin: SecretString) -> bool {
    static HASHING_PERMIT: Semaphore = Semaphore::const_new(2);
    let permit = HASHING_PERMIT.acquire().await.expect("it is never closed");
    let comparing = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let hash = PasswordHash::new(&hash.0);
        hash.is_ok_and(|hash| {
            Argon2::default().verify_password(pin.expose_secret().as_bytes(), &hash).is_ok()
        })
    });
    comparing.await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_permit_takes_no_thread() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().expect("a runtime");
        runtime.block_on(async {
            let permit = HASHING_PERMIT.acquire().await.expect("it is never closed");
            let waiting = tokio::spawn(hash_pin_bounded("135790".into()));
            tokio::task::yield_now().await;
            let other = tokio::task::spawn_blocking(|| 7).await.expect("the only thread is free");
            assert_eq!(other, 7);
            assert!(!waiting.is_finished(), "it has no permit yet");
            drop(permit);
            let hash = waiting.await.expect("hashed");
            assert!(hash.0.starts_with("$argon2id$"), "{}", hash.0);
        });
    }
}
