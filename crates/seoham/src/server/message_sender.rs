//! Sends messages that are not about a document, in the background of the request that caused them. They go before
//! notifications: nothing queues ahead of them, and their rate limit is their own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use secrecy::SecretString;
use seoham_delivery::{BoxMessage, Lines, Message, Recovery, Sent, UnknownPolicy};
use seoham_inbox::{Message as InboxMessage, Messages};
use seoham_model::Lang;
use seoham_model::message::MessageKind;
use seoham_pages::Brand;
use seoham_store::Store;
use seoham_store::templates::TemplateOwner;
use tokio::sync::mpsc;

/// Maximum number of waiting messages. A person whose request exceeds it can ask again.
const WAITING_MAX: usize = 1_000;
/// Messages sent concurrently.
const AT_ONCE: usize = 32;
/// How often to try a message. A link expires after ten minutes anyway.
const TRIES: usize = 4;
const PAUSE: Duration = Duration::from_secs(5);
/// The longest that a message waits for its rate limit.
const RATE_WAIT_MAX: Duration = Duration::from_mins(1);

/// A message that a person waits for.
struct Waiting {
    to: SecretString,
    message: InboxMessage,
}

pub(super) struct MessageSender {
    waiting: mpsc::Sender<Waiting>,
}

/// What sending needs.
pub(super) struct SenderParts {
    pub(super) lines: Lines,
    pub(super) store: Arc<dyn Store>,
    pub(super) brand: Arc<Brand>,
    pub(super) box_url: String,
    pub(super) unknown: UnknownPolicy,
}

impl MessageSender {
    /// Starts sending on the current runtime.
    pub(super) fn start(parts: SenderParts) -> Self {
        let (waiting, mut arrived) = mpsc::channel::<Waiting>(WAITING_MAX);
        let parts = Arc::new(parts);
        let sending = futures_util::stream::poll_fn(move |context| arrived.poll_recv(context));
        // Several concurrently, so that a message that needs retries does not hold up the others.
        let sending = sending.for_each_concurrent(AT_ONCE, move |waiting| {
            let parts = Arc::clone(&parts);
            async move { parts.send(waiting).await }
        });
        tokio::spawn(sending);
        Self { waiting }
    }
}

impl SenderParts {
    async fn send(&self, waiting: Waiting) {
        let kind = match &waiting.message {
            InboxMessage::SignIn { .. } | InboxMessage::NewPin { .. } => MessageKind::LoginLink,
            InboxMessage::PinChanged => MessageKind::PinChanged,
        };
        let template = self.store.template(TemplateOwner::Platform, kind).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "a template cannot be read");
            None
        });
        let template = template.map(Arc::new);
        let in_box = BoxMessage {
            box_name: self.brand.name.in_lang(Lang::Ko),
            box_url: &self.box_url,
            template: template.as_ref(),
            now: self.store.clock().now(),
        };
        let message = match waiting.message {
            InboxMessage::SignIn { path } => in_box.login_link(waiting.to, &path),
            InboxMessage::NewPin { path } => in_box.new_pin_link(waiting.to, &path),
            InboxMessage::PinChanged => in_box.pin_changed(waiting.to),
        };
        self.deliver(&message).await;
    }

    async fn deliver(&self, message: &Message) {
        let kind = message.kind.name();
        let mut tried = Vec::new();
        for number in 0..TRIES {
            if number > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            self.wait_for_rate().await;
            let now = self.store.clock().now();
            let Some((name, sent)) = self.lines.send_one(message.clone(), &tried, now).await else {
                if tried.is_empty() {
                    tracing::error!(kind, "no messenger provider has a template for a message");
                    return;
                }
                // All of them were tried: from the beginning.
                tried.clear();
                continue;
            };
            match sent {
                Sent::Taken { .. } => return,
                Sent::Refused(_) => {
                    tracing::warn!(kind, provider = name, "a message was refused by the messenger");
                    return;
                }
                Sent::Unknown(_) => {
                    let deduplicates = self
                        .lines
                        .named(&name)
                        .is_some_and(|line| line.abilities().recovery == Recovery::Deduplicates);
                    tracing::warn!(
                        kind,
                        provider = name,
                        "it is unknown whether the messenger has a message"
                    );
                    if self.unknown == UnknownPolicy::AtMostOnce && !deduplicates {
                        return;
                    }
                    if !deduplicates {
                        tried.push(name);
                    }
                }
                Sent::NotNow { .. } | Sent::Misconfigured(_) | Sent::NotSent => tried.push(name),
            }
        }
        tracing::warn!(kind, "a message was not taken by the messenger");
    }

    /// Waits until the rate limit for such messages allows one more.
    async fn wait_for_rate(&self) {
        for line in self.lines.all() {
            let Some(rate) = line.options.personal_rate_per_second else { continue };
            let name = format!("{}/personal", line.name());
            match self.store.reserve(&name, 1, rate).await {
                Ok(wait) => tokio::time::sleep(wait.min(RATE_WAIT_MAX)).await,
                Err(error) => tracing::warn!(%error, "a rate limit could not be kept"),
            }
        }
    }
}

impl Messages for MessageSender {
    fn send(&self, phone_number: SecretString, message: InboxMessage) {
        if self.waiting.try_send(Waiting { to: phone_number, message }).is_err() {
            tracing::warn!("too many messages to people are waiting");
        }
    }
}
