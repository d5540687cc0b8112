//! HMAC signatures of calls, and the comparison of secrets.

use aws_lc_rs::{constant_time, digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

fn sign(secret: &str, text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text.as_bytes())
}

/// HMAC-SHA-256 in hex.
pub(crate) fn hex(secret: &str, text: &str) -> String {
    hex::encode(sign(secret, text))
}

/// HMAC-SHA-256 in base64.
pub(crate) fn base64(secret: &str, text: &str) -> String {
    STANDARD.encode(sign(secret, text))
}

/// Basic authentication.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// Whether a header carries the secret, as it is or as its SHA-1 in hex.
pub(crate) fn is_secret(given: &str, secret: &str) -> bool {
    let hashed = hex::encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes()));
    let equals =
        |other: &str| constant_time::verify_slices_are_equal(given.as_bytes(), other.as_bytes()).is_ok();
    equals(secret) | equals(&hashed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_standard() {
        // RFC 4231, case 2.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex("Jefe", "what do ya want for nothing?"), expected);
        assert_eq!(
            hex::encode(STANDARD.decode(base64("Jefe", "what do ya want for nothing?")).expect("base64")),
            expected
        );
        assert_eq!(basic("acc", "pw"), "Basic YWNjOnB3");
        assert!(is_secret("s", "s") && is_secret("a0f1490a20d0211c997b44bc357e1972deab8ae3", "s"));
        assert!(!is_secret("", "s") && !is_secret("S", "s"));
    }
}
