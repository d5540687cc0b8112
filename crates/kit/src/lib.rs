//! What an institution runs beside its own page: the [`landing`] gateway, which does the
//! institution's part of the contract for it, and the [`exchange`] log, which keeps the records
//! that it must be able to show.
//!
//! It knows the platform by the contract alone, so it works against any server that speaks it: of
//! ours it depends on the model and on nothing else. Never here: a store, a vault, anything of the
//! platform's inside; a token, a payload, a query or another personal value in a log.

pub mod exchange;
pub mod landing;
