//! What a contract is: a product that an institution bought (SPEC 14).

use serde::Serialize;

use crate::event::EventType;

/// How a recipient authenticates under a contract (SPEC 8.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Authentication {
    /// A payment-style PIN.
    #[default]
    Pin,
    /// A certificate's password.
    Certificate,
    /// No authentication beyond being signed in; no authentication time is recorded.
    None,
}

impl Authentication {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pin, Self::Certificate, Self::None];

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
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The event of the first opening of a document (SPEC 15).
    pub fn first_opening(self) -> EventType {
        match self {
            Self::Pin | Self::Certificate => EventType::Authenticated,
            Self::None => EventType::Opened,
        }
    }
}

/// Who notifies the person under a contract (SPEC 14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Notice {
    /// The platform's channel, with its template.
    #[default]
    Platform,
    /// The institution's own channel, with its own template.
    Institution,
    /// Nobody: the box shows `bridge.content`.
    None,
}

impl Notice {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Platform, Self::Institution, Self::None];

    /// The name in API calls and in a store.
    pub fn name(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Institution => "institution",
            Self::None => "none",
        }
    }

    /// Parses the name; `None` if it is unknown.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.name() == name)
    }
}

/// A product: how a document is opened, whether its times are certified, and who notifies the person (SPEC 14). It never
/// changes during a contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Product {
    /// How recipients authenticate.
    pub authentication: Authentication,
    /// Documents need a hash of the original.
    pub certified: bool,
    /// Who notifies the person.
    pub notice: Notice,
}
