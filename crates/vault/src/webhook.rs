//! Verifies the signature of a messenger provider's reports, as Standard Webhooks prescribes (SPEC 13).

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

/// The supported signature version.
const VERSION: &str = "v1";
/// The minimum size of a signing secret in bytes, as Standard Webhooks recommends.
const SECRET_BYTES_MIN: usize = 24;

/// The verification key of a signing secret.
///
/// Not the `standardwebhooks` crate, which accepts only text: a signed report that is not text would look
/// like a forged one, and its sender would look for the fault in the secret.
pub struct WebhookKey(hmac::Key);

impl WebhookKey {
    /// The key of a base64 secret, with or without `whsec_`; `None` if it is invalid.
    pub fn new(secret: &SecretString) -> Option<Self> {
        Some(Self(hmac::Key::new(hmac::HMAC_SHA256, &secret_bytes(secret)?)))
    }

    /// Whether one of the space-separated `signatures` (`v1,base64`) matches this message.
    pub fn is_signed(&self, id: &[u8], timestamp: &[u8], body: &[u8], signatures: &[u8]) -> bool {
        let message = [id, b".", timestamp, b".", body].concat();
        let Ok(signatures) = std::str::from_utf8(signatures) else { return false };
        let of_version = signatures.split(' ').filter_map(|signature| signature.split_once(','));
        of_version.filter(|(version, _)| *version == VERSION).any(|(_, signature)| {
            STANDARD.decode(signature).is_ok_and(|tag| hmac::verify(&self.0, &message, &tag).is_ok())
        })
    }
}

/// Whether `secret` can sign webhooks: base64 of at least 24 bytes, with or without `whsec_`, as Standard
/// Webhooks recommends.
pub fn webhook_secret_is_sound(secret: &SecretString) -> bool {
    secret_bytes(secret).is_some_and(|bytes| bytes.len() >= SECRET_BYTES_MIN)
}

/// A new secret that signs webhooks: `whsec_` and 32 random bytes in base64.
pub fn new_webhook_secret() -> SecretString {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(&mut *bytes).expect("the system's random source answers");
    SecretString::from(format!("whsec_{}", STANDARD.encode(*bytes)))
}

fn secret_bytes(secret: &SecretString) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let text = secret.expose_secret();
    let text = text.strip_prefix("whsec_").unwrap_or(text);
    STANDARD.decode(text).ok().map(zeroize::Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_standard_webhooks() {
        // The example from the specification's own libraries.
        let key =
            WebhookKey::new(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned().into()).expect("a key");
        let (id, at, body) = (b"msg_p5jXN8AQM9LWM0D4loKWxJek", b"1614265330", br#"{"test": 2432232314}"#);
        let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let is = |signatures: &str| key.is_signed(id, at, body, signatures.as_bytes());
        assert!(is(right));
        assert!(is(&format!("v1a,AAAA v1,AAAA {right}")), "one of several");
        for wrong in ["", "v1", "v1,", "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "v1,AAAA"] {
            assert!(!is(wrong), "{wrong}");
        }
        assert!(!key.is_signed(id, b"1614265331", body, right.as_bytes()));
        assert!(!key.is_signed(id, at, b"\xff", right.as_bytes()));
    }

    #[test]
    fn a_secret_is_base64_and_long_enough() {
        let sound = |secret: &str| webhook_secret_is_sound(&secret.to_owned().into());
        assert!(sound("whsec_c2VvaGFtIGJsYWNrIGJveCB0ZXN0IHNlY3JldA=="));
        assert!(!sound("c2VvaGFt") && !sound("not base64!") && !sound(""));
    }
}
