//! The institution's side of the contract, as a library: the typed [`client`] with the documents
//! that it sends, [`sending`] in bulk without losing or repeating one, the [`landing`] gateway, which
//! stands in front of the institution's page, and the [`exchange`] log, which keeps the records that
//! the institution must be able to show.
//!
//! It knows the platform by the contract alone, so it works against any server that speaks it: of
//! ours it depends on the model and on nothing else. Never here: a store, a vault, anything of the
//! platform's inside; spreadsheets; a token, a payload, a query or another personal value in a log.

mod address;
pub mod client;
pub mod exchange;
pub mod landing;
mod pause;
pub mod sending;
