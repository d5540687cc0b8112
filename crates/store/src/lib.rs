//! The storage traits, one for each capability, and the types that cross them.
//!
//! No SQL library shows here, and no caller ever holds a transaction: every method is one coarse
//! step that happens whole or not at all. What is common to all stores, such as the way an
//! acceptance is sealed, lives here too, so that two stores cannot do it differently.
//!
//! Tenancy is a parameter: nothing is looked up by its bare id on behalf of an institution.

pub mod accounts;
pub mod attempts;
pub mod boxes;
pub mod deep_check;
pub mod deliveries;
pub mod deployment;
pub mod documents;
pub mod error;
pub mod health;
pub mod idempotency;
pub mod matching;
pub mod people;
pub mod personas;
pub mod restore;
pub mod retention;
pub mod sealing;
pub mod timekeeping;
pub mod transfer;
pub mod undelivered;
pub mod visits;
pub mod volumes;

pub use accounts::Accounts;
pub use boxes::Boxes;
pub use deliveries::Deliveries;
pub use deployment::{Deployment, Mode};
pub use documents::Documents;
pub use error::StoreError;
pub use health::{Health, Obstacle};
pub use people::People;
pub use retention::Retention;
pub use undelivered::Notices;
pub use visits::Visits;
pub use volumes::Volumes;

/// What every method gives.
pub type Result<T> = std::result::Result<T, StoreError>;

/// All capabilities of a store.
pub trait Store:
    Accounts + People + Documents + Deliveries + Notices + Boxes + Deployment + Retention + Visits + Volumes
{
}

impl<T> Store for T where
    T: Accounts
        + People
        + Documents
        + Deliveries
        + Notices
        + Boxes
        + Deployment
        + Retention
        + Visits
        + Volumes
{
}

/// Which traffic a read belongs to: each lane has connections of its own, so that bulk work
/// never delays a person (SPEC 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Single calls, the box, the operator.
    Interactive,
    /// Bulk sends and bulk status queries.
    Bulk,
}
