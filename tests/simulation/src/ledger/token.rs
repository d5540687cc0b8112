//! The known facts about a one-time token.

use seoham_model::UnixSeconds;
use seoham_vault::TokenHash;

/// Whether something happened, as far as is known.
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
    /// `None` if the opening was not answered.
    pub(crate) expires_at: Option<UnixSeconds>,
    pub(crate) used: Known,
}
