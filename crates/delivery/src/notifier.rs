//! The port to the messenger.

use std::time::Duration;

use async_trait::async_trait;
use seoham_store::undelivered::Failure;

use crate::message::Message;

/// The messenger's answer to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Accepted; a delivery report follows later.
    Taken,
    /// Rejected temporarily, with the delay that the messenger requested, if any.
    NotNow {
        /// The requested delay.
        retry_after: Option<Duration>,
        /// Why.
        failure: Failure,
    },
    /// Rejected permanently, for this reason.
    Refused(Failure),
}

/// A messenger.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Sends one message. A retry sends the same message id.
    async fn send(&self, message: &Message) -> Sent;
}

/// The messenger when none is configured: it accepts nothing, so that no message is wrongly reported as sent.
/// Messages stay queued, as they do while a messenger is unavailable.
pub struct NoMessenger;

#[async_trait]
impl Notifier for NoMessenger {
    async fn send(&self, _: &Message) -> Sent {
        Sent::NotNow { retry_after: None, failure: Failure::NoMessenger }
    }
}
