//! The institution's side of the contract, as a library: the typed [`client`] with the documents that it
//! sends, bulk [`sending`] without losses or duplicates, the [`landing`] gateway in front of the
//! institution's page, and the [`exchange`] log, which keeps the records that the institution must be able to
//! show.
//!
//! It knows the platform only through the contract, so it works against any server that implements it. Of
//! this workspace it depends only on the model. Not here: a store, a vault, or any other platform internals;
//! spreadsheets; tokens, payloads, queries or other personal values in a log.

mod address;
mod backoff;
pub mod client;
pub mod exchange;
pub mod landing;
pub mod sending;
pub mod webhook;
