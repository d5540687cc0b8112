//! The port to a messenger provider (SPEC 13): a batch goes in, and an outcome for each message comes back; reports come
//! by push or are asked for.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use seoham_model::message::ProviderTemplate;
use seoham_model::{BinderId, UnixSeconds};
use seoham_store::deliveries::Arrival;
use seoham_store::handovers::Awaited;
use seoham_store::undelivered::Failure;
use tokio_util::sync::CancellationToken;

use crate::message::Message;

/// Most characters of a provider's own words that are kept.
const WORDS_CHARACTERS_MAX: usize = 200;
/// So many digits in a row can be a telephone number; no provider has longer codes.
const NUMBER_DIGITS: usize = 7;

/// Why a provider did not take a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind of failure it is.
    pub failure: Failure,
    /// The provider's own words, without personal values.
    pub said: Option<String>,
}

impl Trouble {
    /// A failure about which the provider said nothing.
    pub fn of(failure: Failure) -> Self {
        Self { failure, said: None }
    }

    /// A failure in the provider's own words: its code, and what it says about that. Everything that could be a
    /// telephone number is removed.
    pub fn said(failure: Failure, code: &str, words: &str) -> Self {
        let said = if words.is_empty() { code.to_owned() } else { format!("{code} {words}") };
        Self { failure, said: Some(without_numbers(&said)) }
    }

    /// The provider's own words, or what kind of failure it is.
    pub fn words(&self) -> String {
        self.said.clone().unwrap_or_else(|| self.failure.to_string())
    }
}

/// The text without what could be a telephone number, cut to what is kept.
fn without_numbers(text: &str) -> String {
    let mut kept = String::new();
    let mut run = String::new();
    let flush = |run: &mut String, kept: &mut String| {
        let digits = run.chars().filter(char::is_ascii_digit).count();
        if digits >= NUMBER_DIGITS {
            kept.push('…');
            kept.push_str(&run[run.trim_end_matches(['-', ' ']).len()..]);
        } else {
            kept.push_str(run);
        }
        run.clear();
    };
    for c in text.chars() {
        // A telephone number may be grouped; a code is not, and does not begin with a zero.
        if c.is_ascii_digit() || (matches!(c, '-' | ' ') && run.starts_with('0')) {
            run.push(c);
        } else {
            flush(&mut run, &mut kept);
            kept.push(if c.is_control() { ' ' } else { c });
        }
    }
    flush(&mut run, &mut kept);
    kept.chars().take(WORDS_CHARACTERS_MAX).collect()
}

/// A provider's answer to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Taken; a delivery report follows.
    Taken {
        /// How the provider knows the message, if its report has to be asked for.
        reference: Option<String>,
    },
    /// Rejected permanently.
    Refused(Trouble),
    /// Rejected temporarily.
    NotNow {
        /// The delay that the provider asks for.
        retry_after: Option<Duration>,
        /// Why.
        trouble: Trouble,
    },
    /// The provider is misconfigured: this is not about the message, and nothing is given up.
    Misconfigured(Trouble),
    /// There was no answer after the request was sent.
    Unknown(Trouble),
    /// The message was not sent: there was no time left for it.
    NotSent,
}

/// What became of a message whose outcome was unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookedUp {
    /// The provider has it.
    Taken {
        /// How the provider knows it.
        reference: Option<String>,
    },
    /// The provider does not have it, and will not.
    NotTaken,
    /// It cannot be said yet.
    Unknown,
}

/// How a lost answer is made up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The provider ignores a message that it has already: it is simply sent again.
    Deduplicates,
    /// The provider can be asked.
    LooksUp {
        /// How long after the loss.
        after: Duration,
    },
    /// The provider cannot be asked: the operator chose what happens.
    None,
}

/// What a provider can do.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    /// Most messages in one call of [`Provider::send`].
    pub batch_max: usize,
    /// Most calls at the same time.
    pub calls_max: usize,
    /// How a lost answer is made up for.
    pub recovery: Recovery,
    /// It sends approved templates only.
    pub needs_template: bool,
    /// It sends an SMS or LMS itself to whom it cannot reach.
    pub falls_back: bool,
    /// Its reports tell messages of one batch apart by the number alone.
    pub one_per_number: bool,
    /// How long after a call its delivery reports are first asked for; `None` if they only come by themselves.
    pub asks_after: Option<Duration>,
    /// The longest that one call takes.
    pub slowest: Duration,
}

/// Messages that are handed over together.
pub struct Batch {
    /// Identifies the hand-over: the same on every attempt.
    pub id: String,
    /// The messages.
    pub messages: Vec<Message>,
    /// No message is started after this moment.
    pub start_by: Instant,
    /// No message is started after this.
    pub stop: CancellationToken,
}

impl Batch {
    /// Whether another message may be started.
    pub fn goes_on(&self) -> bool {
        Instant::now() < self.start_by && !self.stop.is_cancelled()
    }
}

/// A delivery report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The document.
    pub document: BinderId,
    /// What became of its notification.
    pub arrival: Arrival,
    /// When, by the provider's clock.
    pub at: UnixSeconds,
    /// Why it did not arrive, in the provider's words.
    pub said: Option<String>,
}

/// Delivery reports that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    /// The reports; also of messages that were not asked about.
    pub reported: Vec<Reported>,
    /// What [`Provider::confirm`] needs once they are recorded.
    pub receipt: Vec<String>,
}

/// A template as the provider has approved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovedTemplate {
    /// Its text.
    pub body: String,
    /// Its buttons: names and addresses.
    pub buttons: Vec<(String, String)>,
    /// Whether it can be used, in the provider's words.
    pub status: String,
    /// It can be used.
    pub is_usable: bool,
}

/// What a pushed report says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It is signed: these are reports.
    Reports(Vec<Reported>),
    /// Anybody could have sent it: the provider is asked.
    Ask,
    /// It is signed wrongly.
    Unauthorized,
    /// It is not a report of this provider.
    Malformed,
}

/// A messenger provider.
#[async_trait]
pub trait Provider: Send + Sync {
    /// What it can do.
    fn abilities(&self) -> Abilities;

    /// Sends a batch. Every message gets an outcome, by its place; they come in any order.
    fn send<'a>(&'a self, batch: &'a Batch) -> BoxStream<'a, (usize, Sent)>;

    /// Finds out what became of messages without an answer, `age` after their call began. Called only with
    /// [`Recovery::LooksUp`].
    async fn look_up(&self, batch: &Batch, age: Duration) -> Vec<LookedUp> {
        let _ = age;
        vec![LookedUp::Unknown; batch.messages.len()]
    }

    /// Asks for the delivery reports of messages taken since `since`.
    async fn reports(&self, awaited: &[Awaited], since: UnixSeconds) -> Result<Reports, Trouble> {
        let _ = (awaited, since);
        Ok(Reports::default())
    }

    /// Confirms reports after they were recorded.
    async fn confirm(&self, receipt: &[String]) -> Result<(), Trouble> {
        let _ = receipt;
        Ok(())
    }

    /// Reads a pushed report: `header` returns a header's value.
    fn pushed(&self, header: &dyn Fn(&str) -> Option<String>, body: &[u8]) -> Pushed {
        let _ = (header, body);
        Pushed::Malformed
    }

    /// The template as the provider has approved it; `None` if it cannot be asked.
    async fn approved(&self, template: &ProviderTemplate) -> Option<Result<ApprovedTemplate, Trouble>> {
        let _ = template;
        None
    }
}

/// Sends the messages of a batch one by one, `at_once` of them at the same time.
pub fn one_by_one<'a, F>(
    batch: &'a Batch,
    at_once: usize,
    send: impl Fn(&'a Message) -> F + Send + 'a,
) -> BoxStream<'a, (usize, Sent)>
where
    F: Future<Output = Sent> + Send + 'a,
{
    futures_util::stream::iter(batch.messages.iter().enumerate())
        .map(move |(place, message)| {
            let sending = batch.goes_on().then(|| send(message));
            async move {
                match sending {
                    Some(sending) => (place, sending.await),
                    None => (place, Sent::NotSent),
                }
            }
        })
        .buffer_unordered(at_once)
        .boxed()
}

/// Sends the messages of a batch in one call, which answers for each of them.
pub fn in_one_call<'a>(
    batch: &'a Batch,
    call: impl Future<Output = Vec<Sent>> + Send + 'a,
) -> BoxStream<'a, (usize, Sent)> {
    let call = async move {
        if !batch.goes_on() {
            return vec![Sent::NotSent; batch.messages.len()];
        }
        call.await
    };
    futures_util::stream::once(call)
        .flat_map(|sent| futures_util::stream::iter(sent.into_iter().enumerate()))
        .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_without_numbers() {
        let said = |code, words| Trouble::said(Failure::Provider, code, words).said.expect("said");
        assert_eq!(said("-1021", "템플릿이 없습니다"), "-1021 템플릿이 없습니다");
        assert_eq!(said("3008", "01000000001 is invalid"), "3008 … is invalid");
        assert_eq!(said("E1", "010 0000 0001 is invalid"), "E1 … is invalid");
        assert_eq!(said("E1", "to 010-0000-0001: no\nuser"), "E1 to …: no user");
        assert_eq!(said("E1", &"가".repeat(500)).chars().count(), WORDS_CHARACTERS_MAX);
    }
}
