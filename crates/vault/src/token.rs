//! Tokens: generated from the system's random source, stored only as SHA-256. They have at least 128 random
//! bits, so a fast hash is enough.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

/// A token's SHA-256: the only form that a store ever sees.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of a presented token.
    pub fn of(token: &str) -> Self {
        let hash = digest::digest(&digest::SHA256, token.as_bytes());
        Self(hash.as_ref().try_into().expect("a SHA-256 has 32 bytes"))
    }

    /// Whether this is the hash of `token`; compared in constant time.
    pub fn is_of(&self, token: &str) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &Self::of(token).0).is_ok()
    }
}

macro_rules! token {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $encode:expr) => {
        $(#[$doc])*
        pub struct $name(SecretString);

        impl $name {
            /// A new random token.
            pub fn generate() -> Self {
                let mut bytes = zeroize::Zeroizing::new([0u8; $bytes]);
                aws_lc_rs::rand::fill(bytes.as_mut()).expect("the system's random source answers");
                let encode: fn(&[u8]) -> String = $encode;
                Self(SecretString::from(encode(&bytes[..])))
            }

            /// The token itself, for handing it out once.
            pub fn expose(&self) -> &str {
                self.0.expose_secret()
            }

            /// The form that a store keeps.
            pub fn hash(&self) -> TokenHash {
                TokenHash::of(self.expose())
            }
        }
    };
}

token!(
    /// An institution's access token: 32 lower-case hex digits (SPEC 2).
    AccessToken,
    16,
    |bytes| hex::encode(bytes)
);
token!(
    /// A one-time token: 256 bits in 43 characters of the URL-safe alphabet (SPEC 7).
    OneTimeToken,
    32,
    |bytes| URL_SAFE_NO_PAD.encode(bytes)
);
token!(
    /// The operator's token: 256 bits in hex.
    AdminToken,
    32,
    |bytes| hex::encode(bytes)
);

#[cfg(test)]
mod tests {
    use super::*;
    use seoham_model::token::{is_access_token, is_one_time_token};

    #[test]
    fn tokens_have_the_contracts_form_and_differ() {
        let (a, b) = (AccessToken::generate(), AccessToken::generate());
        assert!(is_access_token(a.expose()) && a.expose() != b.expose());
        let token = OneTimeToken::generate();
        assert!(is_one_time_token(token.expose()));
        assert!(token.hash() == TokenHash::of(token.expose()));
    }
}
