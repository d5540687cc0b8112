//! The port to the messenger.

use std::time::Duration;

use async_trait::async_trait;
use seoham_store::undelivered::Failure;

use crate::message::Message;

/// What the messenger did with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It took it; whether it arrived is reported later.
    Taken,
    /// Not now; the pause that it asked for, if it did.
    NotNow {
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
        /// Why.
        failure: Failure,
    },
    /// It will never take it, for this reason.
    Refused(Failure),
}

/// A messenger.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Hands over one message. The same message may be handed over again: its id says so.
    async fn send(&self, message: &Message) -> Sent;
}

/// Stands in where no messenger is configured: it takes nothing, so that nothing is ever
/// reported as sent that was not. Messages wait as they would for a messenger that is away.
pub struct NoMessenger;

#[async_trait]
impl Notifier for NoMessenger {
    async fn send(&self, _: &Message) -> Sent {
        Sent::NotNow { retry_after: None, failure: Failure::NoMessenger }
    }
}
