//! The SMS or LMS that a provider sends itself to whom it cannot reach.

use secrecy::ExposeSecret;
use seoham_delivery::Message;

/// The most bytes of an SMS, of which a Hangul syllable takes two.
const SMS_BYTES_MAX: usize = 90;

/// A message's fallback.
pub(crate) struct Fallback<'a> {
    /// The sending number.
    pub(crate) from: &'a str,
    /// The text.
    pub(crate) text: &'a str,
    /// Too long for an SMS.
    pub(crate) is_long: bool,
}

impl<'a> Fallback<'a> {
    pub(crate) fn of(message: &'a Message) -> Option<Self> {
        let (from, text) = message.fallback.as_ref()?;
        let text = text.expose_secret();
        Some(Self { from, text, is_long: bytes(text) > SMS_BYTES_MAX })
    }

    /// `SMS` or `LMS`.
    pub(crate) fn kind(&self) -> &'static str {
        if self.is_long { "LMS" } else { "SMS" }
    }
}

fn bytes(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hangul_takes_two_bytes() {
        assert_eq!(bytes("[가상시청] a"), 12);
        assert!(bytes(&"가".repeat(45)) <= SMS_BYTES_MAX && bytes(&"가".repeat(46)) > SMS_BYTES_MAX);
    }
}
