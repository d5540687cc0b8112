//! The contract's domain model: documents with their members and rules, ids, times, the status machine and
//! the error codes.
//!
//! Everything here is a value or a pure function. No I/O except reading the clock, no async, no HTTP, no SQL:
//! servers, clients and tests share these rules.

pub mod bulk;
pub mod card;
pub mod clock;
pub mod contract;
pub mod document;
pub mod error_code;
pub mod event;
pub mod forms;
pub mod identity;
pub mod ids;
pub mod lang;
pub mod link;
pub mod mask;
pub mod message;
pub mod network;
pub mod notification;
pub mod peer;
pub mod person;
pub mod status;
pub mod status_data;
pub mod stored;
pub mod template;
pub mod token;
pub mod violation;
pub mod visible;
pub mod webhook;

pub use clock::{Clock, SeoulDay, Standing, UnixSeconds};
pub use document::Document;
pub use error_code::ErrorCode;
pub use event::EventType;
pub use ids::{
    AccessTokenId, ActionId, AgencyId, BinderId, BlockId, ContractUuid, InstitutionId, OperatorId, ParcelId,
    PersonId, PlanId, WebhookId,
};
pub use lang::{Lang, Text};
pub use stored::{NamedNumber, StoredNumber};
