//! Why a store operation failed, and whether it certainly wrote nothing.

use std::fmt;

use seoham_model::{BinderId, PersonId, WebhookId};
use seoham_vault::SealError;

use crate::Result;

/// A store's rejection or failure. Its text is for the log, and never contains personal data.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The queue is at its limit. Nothing was written.
    #[error("the store's queue is full")]
    Overloaded,
    /// The store is unreachable, closing or read-only. Nothing was written.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The connection or the disk failed midway: the data may or may not have been written.
    #[error("the store broke off in the middle of {0}")]
    Uncertain(&'static str),
    /// The store rejected a statement, which is a bug. Nothing was written.
    #[error("the store failed: {0}")]
    Failed(String),
    /// Stored data is unreadable: damage or a bug.
    #[error("damaged: {0}")]
    Damaged(Damage),
}

/// The unreadable data, and the entity that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    what: &'static str,
    entity: Option<Entity>,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entity {
            Some(entity) => write!(f, "{} of {entity}", self.what),
            None => f.write_str(self.what),
        }
    }
}

/// The entity of an error, by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    /// A document.
    Document(BinderId),
    /// A person.
    Person(PersonId),
    /// A webhook.
    Webhook(WebhookId),
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document(id) => id.fmt(f),
            Self::Person(id) => id.fmt(f),
            Self::Webhook(id) => id.fmt(f),
        }
    }
}

impl From<BinderId> for Entity {
    fn from(id: BinderId) -> Self {
        Self::Document(id)
    }
}

impl From<WebhookId> for Entity {
    fn from(id: WebhookId) -> Self {
        Self::Webhook(id)
    }
}

impl From<PersonId> for Entity {
    fn from(id: PersonId) -> Self {
        Self::Person(id)
    }
}

/// Adds the affected entity to an error.
pub trait AboutEntity {
    /// The same error; adds `entity` to a damage error that has none.
    #[must_use]
    fn about(self, entity: impl Into<Entity>) -> Self;
}

impl AboutEntity for StoreError {
    fn about(self, entity: impl Into<Entity>) -> Self {
        match self {
            Self::Damaged(Damage { what, entity: None }) => {
                Self::Damaged(Damage { what, entity: Some(entity.into()) })
            }
            other => other,
        }
    }
}

impl<T> AboutEntity for Result<T> {
    fn about(self, entity: impl Into<Entity>) -> Self {
        self.map_err(|error| error.about(entity))
    }
}

impl StoreError {
    /// An error about unreadable stored data; [`AboutEntity::about`] adds the entity.
    pub fn damaged(what: &'static str) -> Self {
        Self::Damaged(Damage { what, entity: None })
    }

    /// Whether the request certainly wrote nothing.
    pub fn certainly_not_written(&self) -> bool {
        !matches!(self, Self::Uncertain(_))
    }
}

impl From<SealError> for StoreError {
    fn from(_: SealError) -> Self {
        Self::damaged("a sealed value")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_says_of_what_it_is_once() {
        let (document, other) = (BinderId::from_bytes([1; 16]), BinderId::from_bytes([2; 16]));
        let error = StoreError::damaged("a content").about(document);
        assert_eq!(error.to_string(), format!("damaged: a content of {document}"));
        assert_eq!(
            error.about(other).to_string(),
            format!("damaged: a content of {document}"),
            "what was nearest"
        );
        assert_eq!(StoreError::damaged("a column").to_string(), "damaged: a column");
        assert_eq!(StoreError::Overloaded.about(document).to_string(), StoreError::Overloaded.to_string());
    }
}
