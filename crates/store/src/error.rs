//! Why a store did not do what was asked, and whether it certainly did not.

use seoham_vault::SealError;

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
    Damaged(&'static str),
}

impl StoreError {
    /// Whether nothing of the request can have been written.
    pub fn certainly_not_written(&self) -> bool {
        !matches!(self, Self::Uncertain(_))
    }
}

impl From<SealError> for StoreError {
    fn from(_: SealError) -> Self {
        Self::Damaged("a sealed value")
    }
}
