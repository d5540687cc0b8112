//! Sends messages that are not about a document, in the background of the request that caused them. They go before
//! notifications: nothing queues ahead of them, and their rate limit is their own.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use secrecy::SecretString;
use seoham_delivery::{BoxMessage, Line, Lines, Message, Sent, UnknownPolicy};
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
        let mut route = Route::default();
        for number in 0..TRIES {
            if number > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let Some(line) = route.next(&self.lines, message) else {
                tracing::error!(
                    kind,
                    "no messenger provider has a template for a message and reaches a telephone number"
                );
                return;
            };
            self.wait_for_rate(line).await;
            let sent = line.send_one(message.clone(), self.store.clock().now()).await;
            let provider = line.name();
            if matches!(sent, Sent::Unknown { .. }) {
                tracing::warn!(kind, provider, "it is unknown whether the messenger has a message");
            }
            let takes_once = line.abilities().takes_once;
            match route.after(provider, &sent, takes_once, self.unknown) {
                Verdict::Sent | Verdict::MayHaveIt => return,
                Verdict::Refused => {
                    tracing::warn!(kind, provider, "a message was refused by the messenger");
                    return;
                }
                Verdict::Again => {}
            }
        }
        tracing::warn!(kind, "a message was not taken by the messenger");
    }

    /// Waits until the provider's rate limit for such messages allows one more.
    async fn wait_for_rate(&self, line: &Line) {
        let Some(rate) = line.options.personal_rate_per_second else { return };
        let name = format!("{}/personal", line.name());
        match self.store.reserve(&name, 1, rate, RATE_WAIT_MAX).await {
            Ok(Some(wait)) => tokio::time::sleep(wait).await,
            // A person waits for it: it goes out all the same.
            Ok(None) => tokio::time::sleep(RATE_WAIT_MAX).await,
            Err(error) => tracing::warn!(%error, "a rate limit could not be kept"),
        }
    }
}

/// Through which providers a message may still go.
#[derive(Default)]
struct Route {
    /// Those that did not take it in this round.
    tried: Vec<String>,
    /// The only one that may be given it again: it may have it already, and ignores it then.
    only: Option<String>,
}

/// What an answer means for a message.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Sent,
    Refused,
    /// It is not sent again.
    MayHaveIt,
    Again,
}

impl Route {
    /// The provider of the next try; `None` if none has a template.
    fn next<'a>(&mut self, lines: &'a Lines, message: &Message) -> Option<&'a Arc<Line>> {
        if let Some(only) = &self.only {
            return lines.named(only);
        }
        lines.choose(message, &self.tried).or_else(|| {
            // All of them were tried: from the beginning.
            self.tried.clear();
            lines.choose(message, &self.tried)
        })
    }

    /// What becomes of the message after a provider's answer.
    fn after(&mut self, provider: &str, sent: &Sent, takes_once: bool, policy: UnknownPolicy) -> Verdict {
        match sent {
            Sent::Taken { .. } => return Verdict::Sent,
            Sent::Refused(_) => return Verdict::Refused,
            Sent::Unknown { .. } if takes_once => self.only = Some(provider.to_owned()),
            Sent::Unknown { .. } if policy == UnknownPolicy::AtMostOnce => return Verdict::MayHaveIt,
            Sent::Unknown { .. } | Sent::NotNow { .. } | Sent::Misconfigured(_) | Sent::NotSent => {
                self.tried.push(provider.to_owned());
            }
        }
        Verdict::Again
    }
}

impl Messages for MessageSender {
    fn send(&self, phone_number: SecretString, message: InboxMessage) {
        if self.waiting.try_send(Waiting { to: phone_number, message }).is_err() {
            tracing::warn!("too many messages to people are waiting");
        }
    }
}

#[cfg(test)]
mod tests {
    use seoham_delivery::Trouble;
    use seoham_store::undelivered::Failure;

    use super::*;

    #[test]
    fn an_answer_decides_where_a_message_may_still_go() {
        let trouble = || Trouble::of(Failure::Unreachable);
        let (once, again) = (UnknownPolicy::AtMostOnce, UnknownPolicy::AtLeastOnce);
        let not_now = || Sent::NotNow { retry_after: None, trouble: trouble() };
        for (sent, takes_once, policy, verdict, only, tried) in [
            (Sent::Taken { reference: None }, true, again, Verdict::Sent, None, 0),
            (Sent::Refused(trouble()), true, again, Verdict::Refused, None, 0),
            // It may have it, and ignores it then: no other provider does.
            (Sent::unknown(trouble()), true, again, Verdict::Again, Some("a"), 0),
            (Sent::unknown(trouble()), true, once, Verdict::Again, Some("a"), 0),
            (Sent::unknown(trouble()), false, once, Verdict::MayHaveIt, None, 0),
            (Sent::unknown(trouble()), false, again, Verdict::Again, None, 1),
            (not_now(), true, once, Verdict::Again, None, 1),
            (Sent::Misconfigured(trouble()), false, once, Verdict::Again, None, 1),
        ] {
            let mut route = Route::default();
            assert_eq!(route.after("a", &sent, takes_once, policy), verdict, "{sent:?}");
            assert_eq!((route.only.as_deref(), route.tried.len()), (only, tried), "{sent:?}");
        }
    }

    #[test]
    fn every_try_has_a_provider() {
        let lines = Lines::new(vec![line("a"), line("b")]);
        let message = message();
        let mut route = Route::default();
        let not_now = Sent::NotNow { retry_after: None, trouble: Trouble::of(Failure::Unreachable) };
        let mut names = Vec::new();
        for _ in 0..TRIES {
            let name = route.next(&lines, &message).expect("a provider").name().to_owned();
            route.after(&name, &not_now, false, UnknownPolicy::AtLeastOnce);
            names.push(name);
        }
        assert!(names[0] != names[1] && names[2] != names[3], "each once a round: {names:?}");
        let one = Lines::new(vec![line("a")]);
        let mut route = Route::default();
        for _ in 0..TRIES {
            assert!(route.next(&one, &message).is_some(), "with one provider too");
            route.after("a", &not_now, false, UnknownPolicy::AtLeastOnce);
        }
        let unknown = Sent::unknown(Trouble::of(Failure::Unreachable));
        route.after("a", &unknown, true, UnknownPolicy::AtLeastOnce);
        for _ in 0..TRIES {
            assert_eq!(route.next(&lines, &message).expect("a provider").name(), "a", "and no other");
        }
    }

    fn line(name: &'static str) -> Line {
        Line::new(super::super::messenger::options(name), Arc::new(seoham_delivery::NoMessenger))
    }

    fn message() -> Message {
        let in_box = BoxMessage {
            box_name: "서함",
            box_url: "https://box.example",
            template: None,
            now: seoham_model::UnixSeconds(1_800_000_000),
        };
        in_box.login_link("01000000001".to_owned().into(), &"/l/abc".to_owned().into())
    }
}
