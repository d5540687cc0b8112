//! The formats of tokens, and the path of a link with a token. The vault generates and hashes tokens.

/// The path in the box of a message's link (SPEC 8.9).
pub fn link_path(token: &str) -> String {
    format!("/l/{token}")
}

/// Whether `text` has the form of an access token: 32 lower-case hex digits (SPEC 2).
pub fn is_access_token(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Whether `text` can be a one-time token: 1 to 50 characters of the URL-safe alphabet (SPEC 7).
pub fn is_one_time_token(text: &str) -> bool {
    (1..=50).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
