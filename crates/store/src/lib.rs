//! The storage traits, one per capability, and their types.
//!
//! No SQL library is visible here, and no caller ever holds a transaction: every method is one coarse, atomic
//! step. Code common to all stores, such as the sealing of an acceptance, is here too, so that two stores
//! cannot do it differently.
//!
//! Tenancy is a parameter: on behalf of an institution nothing is looked up by id alone.

pub mod accounts;
pub mod admins;
pub mod attempts;
pub mod box_entry;
pub mod boxes;
pub mod deep_check;
pub mod deliveries;
pub mod deployment;
pub mod documents;
pub mod error;
pub mod events;
pub mod handovers;
pub mod health;
pub mod idempotency;
pub mod matching;
pub mod parcel;
pub mod people;
pub mod person_cache;
pub mod personas;
pub mod registering;
pub mod restore;
pub mod retention;
pub mod sealing;
pub mod statistics;
pub mod templates;
pub mod timekeeping;
pub mod token_uses;
pub mod transfer;
pub mod undelivered;
pub mod visits;
pub mod volumes;
pub mod webhooks;

pub use accounts::{Accounts, Callers, Marks, Overviews};
pub use admins::Admins;
pub use boxes::Boxes;
pub use deliveries::{Deliveries, Fallbacks, QueueDepths, Receipts};
pub use deployment::{Deployment, Mode};
pub use documents::{Documents, Records};
pub use error::{AboutEntity, StoreError};
pub use events::{FeedKeeping, Feeds, Timelines};
pub use handovers::{Handovers, ProviderViews};
pub use health::{Health, Obstacle};
pub use people::People;
pub use retention::Retention;
pub use statistics::Statistics;
pub use templates::Templates;
pub use undelivered::Notices;
pub use visits::{Links, Secrets, Sessions, Unlocking};
pub use volumes::Volumes;
pub use webhooks::{WebhookRemoval, WebhookServing, WebhookViews, Webhooks};

/// The result of every method.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Defines a role's trait from the capabilities that the role may use, for every type that has them.
macro_rules! role {
    ($(#[$doc:meta])* $role:ident: $first:ident $(+ $capability:ident)*) => {
        $(#[$doc])*
        pub trait $role: $first $(+ $capability)* {}
        impl<T: $first $(+ $capability)*> $role for T {}
    };
}

role! {
    /// The capabilities of the institution API. Its sandbox acts for people, so it opens documents and has
    /// people join.
    GatewayStore: Callers + Overviews + Documents + People + Boxes + Receipts + Feeds + Timelines + Webhooks + WebhookRemoval + Deployment
}
role! {
    /// The capabilities of the recipient's pages.
    InboxStore: Links + Sessions + Secrets + Boxes + Marks + People + Receipts + Deployment
}
role! {
    /// The capabilities of the operator API.
    OperatorStore: Accounts + Templates + ProviderViews + Admins + Overviews + People + Documents + Records + Notices + QueueDepths + Unlocking + Volumes + Statistics + Timelines + WebhookViews + WebhookRemoval + Deployment
}
role! {
    /// The capabilities of the delivery worker.
    WorkerStore: Deliveries + Fallbacks + Handovers + Receipts + Retention + FeedKeeping + Feeds + WebhookServing + Deployment
}
role! {
    /// All capabilities of a store.
    Store: GatewayStore + InboxStore + OperatorStore + WorkerStore
}

/// The traffic class of a read: each lane has its own connections, so that bulk work never delays a person
/// (SPEC 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Single calls, the box, the operator.
    Interactive,
    /// Bulk sends and bulk status queries.
    Bulk,
}
