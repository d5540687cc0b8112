//! The worker: it claims accepted documents, delivers them to the recipients' boxes, notifies the recipients
//! through messenger providers, and moves documents that wait for a person to join.
//!
//! A provider is a port, [`Provider`], which the messengers crate implements; which of them a message goes through is
//! decided here, by their weights. No SQL, no API and no provider's wire format: the worker reads all its data through
//! the storage traits.

mod health;
mod lines;
mod message;
mod no_messenger;
mod provider;
mod reachability;
mod redaction;
mod reports;
mod retry;
mod worker;

pub use lines::{Line, LineOptions, Lines, Sends};
pub use message::{BoxMessage, Message, MessageId};
pub use no_messenger::NoMessenger;
pub use provider::{
    Abilities, ApprovedTemplate, Batch, LookUp, LookedUp, Provider, Pushed, Reach, Recovery, ReportQuestion,
    Reported, Reporting, Reports, Sent, Together, Trouble, in_one_call, one_by_one,
};
pub use reports::{Report, record_reported, record_reports};
pub use worker::{UnknownPolicy, Worker, WorkerOptions};
