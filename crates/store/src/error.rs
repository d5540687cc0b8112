//! Why a store did not do what was asked, and whether it certainly did not.

use std::fmt;

use seoham_model::{BinderId, PersonId};
use seoham_vault::SealError;

use crate::Result;

/// A store's refusal or failure. Its text is for the log; it never carries a personal value.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// More is waiting than the store's bounds allow. Nothing was written.
    #[error("the store's queue is full")]
    Overloaded,
    /// The store cannot be reached, is closing or refuses writes. Nothing was written.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store broke off: what was asked may or may not have been written.
    #[error("the store broke off in the middle of {0}")]
    Uncertain(&'static str),
    /// The store refused a statement: a defect of ours. Nothing was written.
    #[error("the store failed: {0}")]
    Failed(String),
    /// What was stored does not read back: damage, or a defect of ours.
    #[error("damaged: {0}")]
    Damaged(Damage),
}

/// What does not read back, and of what.
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

/// What an error is about, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entity {
    /// A document.
    Document(BinderId),
    /// A person.
    Person(PersonId),
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document(id) => id.fmt(f),
            Self::Person(id) => id.fmt(f),
        }
    }
}

impl From<BinderId> for Entity {
    fn from(id: BinderId) -> Self {
        Self::Document(id)
    }
}

impl From<PersonId> for Entity {
    fn from(id: PersonId) -> Self {
        Self::Person(id)
    }
}

/// Says of what an error is.
pub trait OfEntity {
    /// The same; what is damaged is `entity`'s, unless it was said before.
    #[must_use]
    fn of(self, entity: impl Into<Entity>) -> Self;
}

impl OfEntity for StoreError {
    fn of(self, entity: impl Into<Entity>) -> Self {
        match self {
            Self::Damaged(Damage { what, entity: None }) => {
                Self::Damaged(Damage { what, entity: Some(entity.into()) })
            }
            other => other,
        }
    }
}

impl<T> OfEntity for Result<T> {
    fn of(self, entity: impl Into<Entity>) -> Self {
        self.map_err(|error| error.of(entity))
    }
}

impl StoreError {
    /// What was stored does not read back; [`OfEntity::of`] adds of what.
    pub fn damaged(what: &'static str) -> Self {
        Self::Damaged(Damage { what, entity: None })
    }

    /// Whether nothing of the request can have been written.
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
        let error = StoreError::damaged("a content").of(document);
        assert_eq!(error.to_string(), format!("damaged: a content of {document}"));
        assert_eq!(
            error.of(other).to_string(),
            format!("damaged: a content of {document}"),
            "what was nearest"
        );
        assert_eq!(StoreError::damaged("a column").to_string(), "damaged: a column");
        assert_eq!(StoreError::Overloaded.of(document).to_string(), StoreError::Overloaded.to_string());
    }
}
