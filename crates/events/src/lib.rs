//! Event feeds (SPEC 15): waiting for new events, and serving webhooks.
//!
//! What an event is and how it is numbered belongs to the store; the calls of the institution API to the gateway. No SQL
//! and no HTTP server here.

mod hub;
mod webhooks;

pub use hub::{FeedHub, TooManyWaiting, WAITING_MAX, WAITING_OF_INSTITUTION_MAX};
pub use webhooks::{ANSWER_TIME, WebhookServer};
