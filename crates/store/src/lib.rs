//! The storage traits, one for each capability, and the types that cross them.
//!
//! No SQL library shows here, and no caller ever holds a transaction: every method is one coarse
//! step that happens whole or not at all. What is common to all stores, such as the way an
//! acceptance is sealed, lives here too, so that two stores cannot do it differently.
//!
//! Tenancy is a parameter: nothing is looked up by its bare id on behalf of an institution.

pub mod accounts;
pub mod attempts;
pub mod box_entry;
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

pub use accounts::{Accounts, Callers, Marks, Overviews};
pub use boxes::Boxes;
pub use deliveries::{Deliveries, QueueDepths, Receipts};
pub use deployment::{Deployment, Mode};
pub use documents::{Documents, Records};
pub use error::{OfEntity, StoreError};
pub use health::{Health, Obstacle};
pub use people::People;
pub use retention::Retention;
pub use undelivered::Notices;
pub use visits::{Links, Secrets, Sessions, Unlocking};
pub use volumes::Volumes;

/// What every method gives.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Makes a role's trait of the capabilities that the role may use, for everything that has them.
macro_rules! role {
    ($(#[$doc:meta])* $role:ident: $first:ident $(+ $capability:ident)*) => {
        $(#[$doc])*
        pub trait $role: $first $(+ $capability)* {}
        impl<T: $first $(+ $capability)*> $role for T {}
    };
}

role! {
    /// What the institution API may do. Its sandbox stands in for people, so it opens documents and has people join.
    GatewayStore: Callers + Overviews + Documents + People + Boxes + Receipts + Deployment
}
role! {
    /// What the recipient's pages may do.
    InboxStore: Links + Sessions + Secrets + Boxes + Marks + People + Receipts + Deployment
}
role! {
    /// What the operator API may do.
    OperatorStore: Accounts + Overviews + People + Records + Notices + QueueDepths + Unlocking + Volumes + Deployment
}
role! {
    /// What the delivery worker may do.
    WorkerStore: Deliveries + Receipts + Retention + Deployment
}
role! {
    /// Everything that a store does, for all roles.
    Store: GatewayStore + InboxStore + OperatorStore + WorkerStore
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
