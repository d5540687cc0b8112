//! The worker: it claims accepted documents, delivers them to the recipients' boxes, notifies the recipients
//! through the messenger, and moves documents that wait for a person to join.
//!
//! The messenger is a port, [`Notifier`], with a simulator and an HTTP provider as implementations. No SQL
//! and no API here: the worker reads all its data through the storage traits.

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
