//! The worker: it claims what was accepted, sees it into the recipients' boxes, has the
//! messenger tell them, and moves what waits for people who join.
//!
//! The messenger is a port, [`Notifier`], with a simulator and an HTTP provider behind it. No
//! SQL here, and nothing of any API: what the worker knows it reads through the storage traits.

mod http;
mod message;
mod notifier;
mod reachability;
mod retry;
mod simulator;
mod worker;

pub use http::HttpNotifier;
pub use message::{Kind, Message, MessageId, login_link, new_pin_link, pin_changed};
pub use notifier::{NoMessenger, Notifier, Sent};
pub use simulator::{Report, ShownMessage, Simulator};
pub use worker::{Worker, WorkerOptions};
