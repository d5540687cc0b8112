//! What a contract is: a product that an institution bought (SPEC 14).

use serde::Serialize;

/// How a recipient authenticates under a contract (SPEC 8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Authentication {
    /// A payment-style PIN.
    Pin,
    /// A certificate's password.
    Certificate,
    /// No authentication beyond being signed in; no authentication time is recorded.
    None,
}

impl Authentication {
    /// The name in API calls and in a store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Certificate => "certificate",
            Self::None => "none",
        }
    }

    /// Parses the name; `None` if it is unknown.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pin, Self::Certificate, Self::None].into_iter().find(|kind| kind.name() == name)
    }
}
