//! The shapes of the two kinds of token. What makes and hashes them is the vault.

/// Whether `text` has the form of an access token: 32 lower-case hex digits (SPEC 2).
pub fn is_access_token(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether `text` can be a one-time token: 1 to 50 characters of the URL-safe alphabet (SPEC 7).
pub fn is_one_time_token(text: &str) -> bool {
    (1..=50).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
