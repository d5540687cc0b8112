//! E-mail by SMTP, for people who have an address (RFC 5321). A mail server confirms that it has a message, and reports
//! nothing after that.

mod server;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MessageBuilder};
use lettre::{Address, Message as Mail};
use secrecy::{ExposeSecret, SecretString};
use seoham_delivery::{
    Abilities, Batch, Message, Provider, Reach, Recovery, Reporting, Sent, Together, Trouble, one_by_one,
};
use seoham_store::undelivered::Failure;

use self::server::{Failed, Server, Step};

/// Messages claimed together.
const BATCH_MAX: usize = 100;
/// The longest subject, in characters.
const SUBJECT_CHARACTERS_MAX: usize = 78;

/// How the mail server is reached, and who writes.
pub struct SmtpOptions {
    /// `smtps://host` (TLS from the beginning), or `smtp://host` (STARTTLS, which must be offered; without it only on this
    /// machine), with a port if it is not 465 or 587.
    pub url: String,
    /// The user's name and password, where the server asks for them.
    pub credentials: Option<(String, SecretString)>,
    /// Who writes: an address, or `name <address>`.
    pub from: String,
    /// How long each step of a conversation may take.
    pub timeout: Duration,
    /// Connections at the same time.
    pub concurrent_calls: usize,
}

/// What is wrong with [`SmtpOptions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmtpOptionsError {
    /// The address of the server.
    #[error("url must be smtps://host or smtp://host, with a port or without")]
    Url,
    /// Who writes.
    #[error("from must be an e-mail address, with a name or without: 서함 <no-reply@box.example.kr>")]
    From,
}

/// The SMTP provider.
pub struct Smtp {
    server: Server,
    from: Mailbox,
    timeout: Duration,
    concurrent_calls: usize,
}

impl Smtp {
    /// How often one conversation may take the time of a call.
    pub const WAITS: u32 = Step::WAITS;

    /// Builds the provider; connects to nothing yet.
    pub fn new(options: SmtpOptions) -> Result<Self, SmtpOptionsError> {
        let from: Mailbox = options.from.parse().map_err(|_| SmtpOptionsError::From)?;
        let server = Server::new(&options.url, options.credentials, options.timeout, from.email.domain());
        Ok(Self {
            server: server.ok_or(SmtpOptionsError::Url)?,
            from,
            timeout: options.timeout,
            concurrent_calls: options.concurrent_calls,
        })
    }

    async fn send_one(&self, message: &Message) -> Sent {
        let Some((to, mail)) = self.mail(message) else {
            return Sent::Refused(Trouble::of(Failure::Unsendable));
        };
        match self.server.send(self.from.email.clone(), to, &mail.formatted()).await {
            Ok(()) => Sent::Taken { reference: None },
            Err(failed) => sent(&failed),
        }
    }

    fn mail(&self, message: &Message) -> Option<(Address, Mail)> {
        let to: Address = message.to.email().parse().ok()?;
        let text = message.text.expose_secret();
        let builder = MessageBuilder::new()
            .from(self.from.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(subject(text))
            // The same on every attempt: mail programs show a repeated one once.
            .message_id(Some(format!("<{}@{}>", message.id, self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN);
        Some((to, builder.body(body(text, &message.buttons, &message.link)).ok()?))
    }
}

/// The first line of the text.
fn subject(text: &str) -> String {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if first.chars().count() <= SUBJECT_CHARACTERS_MAX {
        return first.to_owned();
    }
    first.chars().take(SUBJECT_CHARACTERS_MAX - 1).chain(['…']).collect()
}

/// The text with what its buttons lead to, or with the link if there are none and it does not stand in it.
fn body(text: &str, buttons: &[(String, String)], link: &str) -> String {
    let mut parts = vec![text.trim_end().to_owned()];
    parts.extend(buttons.iter().map(|(name, address)| format!("{name}: {address}")));
    if buttons.is_empty() && !text.contains(link) {
        parts.push(link.to_owned());
    }
    parts.join("\n\n") + "\n"
}

/// What an attempt that failed means for the message.
fn sent(failed: &Failed) -> Sent {
    let trouble = || match failed.code {
        Some(code) => Trouble::said(Failure::Provider, &code.to_string(), &failed.words),
        None => Trouble::said(Failure::Unreachable, "", &failed.words),
    };
    match (failed.code, failed.step) {
        // The server asks for a name and a password, or does not accept them, or the sender.
        (Some(530 | 534 | 535 | 538), _) | (Some(500..), Step::Greeting | Step::Sender) => {
            Sent::Misconfigured(trouble())
        }
        (None, Step::Greeting) if failed.is_unfit => Sent::Misconfigured(trouble()),
        (Some(505..), Step::Recipient | Step::Content) if !is_of_policy(&failed.words) => {
            Sent::Refused(trouble())
        }
        // The whole message went out, and the reply did not come.
        (None, Step::Content) => Sent::unknown(trouble()),
        // A policy is about us more often than about the recipient: servers name the sender's fault at this step.
        (Some(_) | None, _) => Sent::NotNow { retry_after: None, trouble: trouble() },
    }
}

/// Whether a reply is about security or policy, by its enhanced status code (RFC 3463).
fn is_of_policy(words: &str) -> bool {
    words.trim_start().starts_with("5.7.")
}

#[async_trait]
impl Provider for Smtp {
    fn abilities(&self) -> Abilities {
        Abilities {
            batch_max: BATCH_MAX,
            calls_max: 4,
            recovery: Recovery::None,
            takes_once: false,
            reaches: Reach::Email,
            needs_template: false,
            falls_back: false,
            together: Together::Mixed,
            reporting: Reporting::Never,
            slowest: self.timeout * Self::WAITS,
        }
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> BoxStream<'a, (usize, Sent)> {
        one_by_one(batch, self.concurrent_calls, |message| self.send_one(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_means_something_else_at_each_step() {
        let of = |code: Option<u16>, words: &str, step| match sent(&Failed {
            step,
            code,
            words: words.to_owned(),
            is_unfit: words == "unfit",
        }) {
            Sent::Taken { .. } | Sent::NotSent => unreachable!("it failed"),
            Sent::Refused(_) => "refused",
            Sent::NotNow { .. } => "later",
            Sent::Misconfigured(_) => "misconfigured",
            Sent::Unknown { .. } => "unknown",
        };
        let unknown_user = "5.1.1 no such user";
        for (code, words, [greeting, sender, recipient, content]) in [
            (None, "", ["later", "later", "later", "unknown"]),
            (None, "unfit", ["misconfigured", "later", "later", "unknown"]),
            (Some(421), "", ["later"; 4]),
            (Some(451), "", ["later"; 4]),
            (Some(502), "", ["misconfigured", "misconfigured", "later", "later"]),
            (Some(550), unknown_user, ["misconfigured", "misconfigured", "refused", "refused"]),
            (Some(554), "", ["misconfigured", "misconfigured", "refused", "refused"]),
            (Some(554), "5.7.1 Relay access denied", ["misconfigured", "misconfigured", "later", "later"]),
            (Some(530), "", ["misconfigured"; 4]),
            (Some(535), "", ["misconfigured"; 4]),
        ] {
            assert_eq!(of(code, words, Step::Greeting), greeting, "{code:?}");
            assert_eq!(of(code, words, Step::Sender), sender, "{code:?}");
            assert_eq!(of(code, words, Step::Recipient), recipient, "{code:?}");
            assert_eq!(of(code, words, Step::Content), content, "{code:?}");
        }
    }

    #[test]
    fn the_text_becomes_a_mail() {
        assert_eq!(subject("\n  [가상시청] 재산세\n납부기한"), "[가상시청] 재산세");
        let long = subject(&"가".repeat(79));
        assert_eq!((long.chars().count(), long.ends_with('…')), (78, true));
        let link = "https://box.example/l/abc";
        assert_eq!(body("재산세\n", &[], link), format!("재산세\n\n{link}\n"));
        assert_eq!(body(&format!("재산세 {link}"), &[], link), format!("재산세 {link}\n"));
        let button = [("문서확인".to_owned(), link.to_owned())];
        assert_eq!(body("재산세", &button, link), format!("재산세\n\n문서확인: {link}\n"));
    }

    #[test]
    fn only_what_can_be_used_is_a_server() {
        let of = |url: &str, from: &str| {
            let (url, from) = (url.to_owned(), from.to_owned());
            let timeout = Duration::from_secs(1);
            Smtp::new(SmtpOptions { url, credentials: None, from, timeout, concurrent_calls: 1 }).err()
        };
        let from = "서함 <no-reply@box.example.kr>";
        for url in ["smtps://mail.example.kr", "smtp://mail.example.kr:587", "smtp://127.0.0.1:2525"] {
            assert_eq!(of(url, from), None, "{url}");
        }
        for url in ["https://mail.example.kr", "mail.example.kr", "smtp://", "smtp://a:b@mail.example.kr"] {
            assert_eq!(of(url, from), Some(SmtpOptionsError::Url), "{url}");
        }
        assert_eq!(of("smtps://mail.example.kr", "서함"), Some(SmtpOptionsError::From));
    }
}
