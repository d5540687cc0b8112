//! Sends messages that are not about a document to the messenger, in the background of the request that caused them.

use std::sync::Arc;
use std::time::Duration;

use backon::{ConstantBuilder, Retryable};
use futures_util::StreamExt;
use secrecy::SecretString;
use seoham_delivery::{Message, Notifier, Sent, login_link, new_pin_link, pin_changed};
use seoham_inbox::{Message as InboxMessage, Messages};
use seoham_model::{Clock, Lang};
use seoham_pages::Brand;
use tokio::sync::mpsc;

/// Maximum number of waiting messages. A person whose request exceeds it can ask again.
const WAITING_MAX: usize = 1_000;
/// Messages sent concurrently.
const AT_ONCE: usize = 32;
/// How often to retry a message. A link expires after ten minutes anyway.
const RETRIES: usize = 3;
const PAUSE: Duration = Duration::from_secs(5);

pub(super) struct MessageSender {
    waiting: mpsc::Sender<Message>,
    brand: Arc<Brand>,
    box_url: String,
    clock: Clock,
}

impl MessageSender {
    /// Starts sending on the current runtime.
    pub(super) fn start(
        notifier: Arc<dyn Notifier>,
        brand: Arc<Brand>,
        box_url: String,
        clock: Clock,
    ) -> Self {
        let (waiting, mut arrived) = mpsc::channel::<Message>(WAITING_MAX);
        let sending = futures_util::stream::poll_fn(move |context| arrived.poll_recv(context));
        // Several concurrently, so that a message that needs retries does not hold up the others.
        let sending = sending.for_each_concurrent(AT_ONCE, move |message| {
            let notifier = Arc::clone(&notifier);
            async move {
                let send = async || {
                    let sent = notifier.send(&message).await;
                    if matches!(sent, Sent::NotNow { .. }) { Err(sent) } else { Ok(sent) }
                };
                let backoff = ConstantBuilder::new().with_delay(PAUSE).with_max_times(RETRIES);
                match send.retry(backoff).await {
                    Ok(Sent::Taken) => {}
                    Ok(Sent::Refused(_)) => {
                        tracing::warn!(kind = ?message.kind, "a message was refused by the messenger");
                    }
                    Ok(Sent::NotNow { .. }) | Err(_) => {
                        tracing::warn!(kind = ?message.kind, "a message was not taken by the messenger");
                    }
                }
            }
        });
        tokio::spawn(sending);
        Self { waiting, brand, box_url, clock }
    }
}

impl Messages for MessageSender {
    fn send(&self, phone_number: SecretString, message: InboxMessage) {
        let (name, url) = (self.brand.name.in_lang(Lang::Ko), &self.box_url);
        let message = match message {
            InboxMessage::SignIn { path } => login_link(phone_number, name, url, &path),
            InboxMessage::NewPin { path } => new_pin_link(phone_number, name, url, &path),
            InboxMessage::PinChanged => pin_changed(phone_number, name, url, self.clock.now()),
        };
        if self.waiting.try_send(message).is_err() {
            tracing::warn!("too many messages to people are waiting");
        }
    }
}
