//! What is known of one one-time token.

use seoham_model::UnixSeconds;
use seoham_vault::TokenHash;

/// As far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Yes,
    No,
    Unsure,
}

pub(crate) struct Token {
    pub(crate) hash: TokenHash,
    pub(crate) document: usize,
    pub(crate) issued: Known,
    pub(crate) issued_at: UnixSeconds,
    /// Not known of one whose opening was not answered.
    pub(crate) expires_at: Option<UnixSeconds>,
    pub(crate) used: Known,
}
