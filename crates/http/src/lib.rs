//! Code shared by all listeners: the error envelope and its languages, size-limited body reading, request
//! ids, request logs and metrics.
//!
//! It has no endpoints, and nothing that only one interface needs.

pub mod body;
mod client;
mod discard;
pub mod error;
mod extract;
pub mod headers;
mod language;
mod normalize;
mod observe;

pub use client::client_address;
pub use error::ApiError;
pub use extract::{Path, Query};
pub use language::Language;
pub use normalize::normalized;
pub use observe::{Listener, with_api_layers, with_layers};
