//! Why a provider did not take a message, or did not answer a question.

use seoham_store::undelivered::Failure;

use crate::redaction::{cut, redacted};

/// Why a provider did not take a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of failure it is.
    pub failure: Failure,
    /// The provider's own words, without personal values.
    pub said: Option<String>,
}

impl Trouble {
    /// A failure about which the provider said nothing.
    pub fn of(failure: Failure) -> Self {
        Self { failure, said: None }
    }

    /// A failure in the provider's own words: its code, and what it says about that. Everything that could be a
    /// telephone number, a link or a token is removed.
    pub fn said(failure: Failure, code: &str, words: &str) -> Self {
        Self { failure, said: Some(redacted(code, words)) }
    }

    /// Whether this is about the provider, so that other calls would fail as well.
    pub fn is_of_provider(&self) -> bool {
        matches!(
            self.failure,
            Failure::Unreachable
                | Failure::Misconfigured
                | Failure::Status(401 | 403 | 408 | 429 | 500..=599)
        )
    }

    /// The provider's own words, or what kind of failure it is.
    pub fn words(&self) -> String {
        self.said.as_deref().map_or_else(|| self.failure.to_string(), cut)
    }
}
