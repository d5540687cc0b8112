//! The messenger of demo, sandbox and tests: nothing leaves the machine, and what was said can
//! be looked at.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use seoham_model::{BinderId, Clock, UnixSeconds};
use seoham_store::deliveries::Receipt;
use seoham_store::personas;
use seoham_store::undelivered::Failure;
use tokio::sync::{mpsc, oneshot};

use crate::message::{Message, MessageId};
use crate::notifier::{Notifier, Sent};

/// Messages kept to be looked at; older ones are forgotten.
const KEPT: usize = 2_000;

/// A message as a phone would show it.
#[derive(Clone, Debug)]
pub struct ShownMessage {
    /// The document it is about, if it is about one.
    pub document: Option<BinderId>,
    /// The telephone number.
    pub to: SecretString,
    /// What it says.
    pub text: SecretString,
    /// The document box.
    pub link: String,
    /// When it was taken.
    pub taken_at: UnixSeconds,
}

/// The simulated messenger. It reports every message as arrived, but for the people of SPEC 12
/// who are different.
pub struct Simulator {
    clock: Clock,
    messages: Mutex<VecDeque<ShownMessage>>,
    reports: mpsc::Sender<Report>,
}

/// A report, and whom to tell that it is recorded for good.
pub struct Report {
    pub(crate) receipt: Receipt,
    pub(crate) recorded: oneshot::Sender<()>,
}

impl Simulator {
    /// A messenger that reports into `reports`.
    pub fn new(clock: Clock, reports: mpsc::Sender<Report>) -> Self {
        Self { clock, messages: Mutex::default(), reports }
    }

    /// The last messages, newest first.
    pub fn messages(&self) -> Vec<ShownMessage> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }
}

#[async_trait]
impl Notifier for Simulator {
    async fn send(&self, message: &Message) -> Sent {
        let number = message.to.expose_secret();
        if number == personas::NUMBER_REFUSED {
            return Sent::Refused(Failure::Status(400));
        }
        let now = self.clock.now();
        let document = match message.id {
            MessageId::Document(id) => Some(id.0),
            MessageId::Login(_) | MessageId::PinChanged(_) => None,
        };
        {
            let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
            if messages.len() == KEPT {
                messages.pop_front();
            }
            messages.push_back(ShownMessage {
                document,
                to: message.to.clone(),
                text: message.text.clone(),
                link: message.link.clone(),
                taken_at: now,
            });
        }
        let Some(document) = document.filter(|_| number != personas::NEVER_REPORTED) else {
            return Sent::Taken;
        };
        // A real messenger reports however often we crash; this one lives in our own process, so
        // a message counts as taken only when its report cannot be lost any more.
        let (recorded, wait) = oneshot::channel();
        let report = Report { receipt: Receipt { document, delivered: true, at: now }, recorded };
        match self.reports.send(report).await {
            Ok(()) if wait.await.is_ok() => Sent::Taken,
            _ => Sent::NotNow { retry_after: None, failure: Failure::Unreachable },
        }
    }
}
