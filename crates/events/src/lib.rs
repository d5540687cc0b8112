//! Event feeds (SPEC 15): reading them, and waiting for new events.
//!
//! What an event is and how it is numbered belongs to the store; the calls of the institution API to the gateway. No SQL
//! and no HTTP here.

mod hub;

pub use hub::{FeedHub, TooManyWaiting, WAITING_MAX, WAITING_OF_INSTITUTION_MAX};
