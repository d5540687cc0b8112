//! The messenger for demo, sandbox and tests: nothing leaves the machine, and the messages can be viewed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use secrecy::SecretString;
use seoham_delivery::{
    Abilities, Batch, Message, Provider, Reach, Recovery, Report, Reporting, Sent, Together, Trouble,
    one_by_one,
};
use seoham_model::{BinderId, Clock, UnixSeconds};
use seoham_store::deliveries::{Arrival, Receipt};
use seoham_store::personas;
use seoham_store::undelivered::Failure;
use tokio::sync::{mpsc, oneshot};

/// Messages kept for viewing; older ones are dropped.
const KEPT: usize = 2_000;
/// Messages in one batch.
const BATCH: usize = 1_000;

/// A message as it appears on a phone.
#[derive(Clone, Debug)]
pub struct ShownMessage {
    /// The document, if the message is about one.
    pub document: Option<BinderId>,
    /// The telephone number.
    pub to: SecretString,
    /// The text.
    pub text: SecretString,
    /// The link into the document box.
    pub link: String,
    /// When the simulator accepted it.
    pub taken_at: UnixSeconds,
}

/// The simulated messenger. It reports every message as delivered, except for the special people of SPEC 12.
pub struct Simulator {
    clock: Clock,
    messages: Mutex<VecDeque<ShownMessage>>,
    reports: mpsc::Sender<Report>,
}

impl Simulator {
    /// Creates a messenger that sends its reports to `reports`.
    pub fn new(clock: Clock, reports: mpsc::Sender<Report>) -> Self {
        Self { clock, messages: Mutex::default(), reports }
    }

    /// The last messages, newest first.
    pub fn messages(&self) -> Vec<ShownMessage> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }

    async fn take(&self, message: &Message) -> Sent {
        let number = message.to.number();
        if number == personas::NUMBER_REFUSED {
            return Sent::Refused(Trouble::of(Failure::Status(400)));
        }
        let now = self.clock.now();
        let document = message.document();
        {
            let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
            if messages.len() == KEPT {
                messages.pop_front();
            }
            messages.push_back(ShownMessage {
                document,
                to: message.to.phone_number.clone().unwrap_or_default(),
                text: message.text.clone(),
                link: message.link.clone(),
                taken_at: now,
            });
        }
        let Some(document) = document.filter(|_| number != personas::NEVER_REPORTED) else {
            return Sent::Taken { reference: None };
        };
        // A real messenger reports even if this process crashes. This one lives in the same process, so a
        // message counts as accepted only once its report is durable.
        let (recorded, wait) = oneshot::channel();
        let receipt = Receipt { document, arrival: Arrival::Messenger, at: now };
        match self.reports.send(Report { receipt, recorded }).await {
            Ok(()) if wait.await.is_ok() => Sent::Taken { reference: None },
            _ => Sent::NotNow { retry_after: None, trouble: Trouble::of(Failure::Unreachable) },
        }
    }
}

#[async_trait]
impl Provider for Simulator {
    fn abilities(&self) -> Abilities {
        Abilities {
            batch_max: BATCH,
            calls_max: 4,
            recovery: Recovery::Deduplicates,
            takes_once: true,
            reaches: Reach::Number,
            needs_template: false,
            falls_back: false,
            together: Together::Mixed,
            reporting: Reporting::Pushed,
            slowest: Duration::from_secs(10),
        }
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> BoxStream<'a, (usize, Sent)> {
        one_by_one(batch, BATCH, |message| self.take(message))
    }
}
