//! The port to a messenger provider (SPEC 13): a batch goes in, and an outcome for each message comes back; reports come
//! by push or are asked for.

mod batch;
mod trouble;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use seoham_model::message::ProviderTemplate;
use seoham_model::person::Addresses;
use seoham_model::{BinderId, UnixSeconds};
use seoham_store::deliveries::Arrival;
use seoham_store::handovers::Awaited;
use seoham_store::undelivered::Failure;
use tokio_util::sync::CancellationToken;

pub use batch::{Batch, in_one_call, one_by_one};
pub use trouble::Trouble;

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
    /// The provider may have it: there was no answer after the request was sent, or a fault of the server.
    Unknown {
        /// The delay that the provider asks for.
        retry_after: Option<Duration>,
        /// Why.
        trouble: Trouble,
    },
    /// The message was not sent: there was no time left for it.
    NotSent,
}

impl Sent {
    /// There was no usable answer.
    pub fn unknown(trouble: Trouble) -> Self {
        Self::Unknown { retry_after: None, trouble }
    }

    /// Why it was not taken, if the provider said something.
    pub fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Refused(trouble)
            | Self::NotNow { trouble, .. }
            | Self::Misconfigured(trouble)
            | Self::Unknown { trouble, .. } => Some(trouble),
            Self::Taken { .. } | Self::NotSent => None,
        }
    }

    /// The same, to change it.
    pub(crate) fn trouble_mut(&mut self) -> Option<&mut Trouble> {
        match self {
            Self::Refused(trouble)
            | Self::NotNow { trouble, .. }
            | Self::Misconfigured(trouble)
            | Self::Unknown { trouble, .. } => Some(trouble),
            Self::Taken { .. } | Self::NotSent => None,
        }
    }
}

/// What became of a message whose outcome was unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookedUp {
    /// The provider has it.
    Taken {
        /// How the provider knows it.
        reference: Option<String>,
    },
    /// The provider refuses it.
    Refused(Trouble),
    /// The provider does not have it, and will not.
    NotTaken,
    /// It cannot be said yet.
    Unknown,
}

impl LookedUp {
    /// What the answer to a message says that was sent again to a provider that ignores what it has already. Only what it
    /// took or refused is certain: otherwise it may have it from before.
    pub fn of_answer(sent: Sent) -> Self {
        match sent {
            Sent::Taken { reference } => Self::Taken { reference },
            Sent::Refused(trouble) => Self::Refused(trouble),
            Sent::NotNow { .. } | Sent::Misconfigured(_) | Sent::Unknown { .. } | Sent::NotSent => {
                Self::Unknown
            }
        }
    }
}

/// How a lost answer is made up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The provider ignores a message that it has already: it is simply sent to it again, and to no other.
    Deduplicates,
    /// The provider can be asked.
    LooksUp {
        /// How long after the loss.
        after: Duration,
    },
    /// The provider cannot be asked: the operator chose what happens.
    None,
}

/// Which messages can go in one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// Any.
    Mixed,
    /// Those of one template.
    OneTemplate,
    /// Those of one template, and each number once: its reports tell them apart by the number alone.
    OneTemplateAndNumber,
}

/// How a provider reports what was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reporting {
    /// It does not.
    Never,
    /// Its reports come by themselves.
    Pushed,
    /// They are asked for, first so long after the call. They may come by themselves too.
    AskedAfter(Duration),
}

/// By which address a provider reaches a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The telephone number.
    Number,
    /// The e-mail address.
    Email,
}

impl Reach {
    /// Whether there is an address of this kind.
    pub fn is_among(self, addresses: &Addresses) -> bool {
        match self {
            Self::Number => addresses.phone_number.is_some(),
            Self::Email => addresses.email.is_some(),
        }
    }
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
    /// The same batch can be sent again within minutes: it is taken once, and a lost answer is asked for by that.
    pub takes_once: bool,
    /// By which address it reaches a person.
    pub reaches: Reach,
    /// It sends approved templates only.
    pub needs_template: bool,
    /// It sends an SMS or LMS itself to whom it cannot reach.
    pub falls_back: bool,
    /// Which messages can go in one call.
    pub together: Together,
    /// How it reports what was delivered.
    pub reporting: Reporting,
    /// The longest that one call takes.
    pub slowest: Duration,
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

/// A question about delivery reports.
pub struct ReportQuestion<'a> {
    /// The messages whose reports are awaited.
    pub awaited: &'a [Awaited],
    /// When the first of their calls began.
    pub since: UnixSeconds,
    /// When the last of their calls began.
    pub until: UnixSeconds,
    /// No call is started after this moment.
    pub ask_by: Instant,
    /// No call is started after this.
    pub stop: &'a CancellationToken,
}

impl ReportQuestion<'_> {
    /// Whether another call may be started.
    pub fn goes_on(&self) -> bool {
        Instant::now() < self.ask_by && !self.stop.is_cancelled()
    }
}

/// Delivery reports that were asked for. What one call told is there, whatever became of the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    /// The reports; also of messages that were not asked about.
    pub reported: Vec<Reported>,
    /// Messages that the provider has, and of which it does not know yet, or will never know, what became of them.
    pub open: Vec<BinderId>,
    /// What [`Provider::confirm`] needs once they are recorded.
    pub receipt: Vec<String>,
    /// The provider has more, which it tells once these are confirmed.
    pub has_more: bool,
    /// Why not everything could be asked.
    pub trouble: Option<Trouble>,
}

impl Reports {
    /// A call failed. Returns whether others are worth making.
    pub fn failed(&mut self, trouble: Trouble) -> bool {
        let goes_on = !trouble.is_of_provider();
        self.trouble.get_or_insert(trouble);
        goes_on
    }

    /// A list was read, to its end or not. Returns whether other calls are worth making.
    pub fn read(&mut self, read: Result<bool, Trouble>) -> bool {
        match read {
            Ok(true) => true,
            Ok(false) => {
                self.broke_off();
                false
            }
            Err(trouble) => self.failed(trouble),
        }
    }

    /// There was no time for all calls.
    pub fn broke_off(&mut self) {
        self.trouble.get_or_insert_with(|| Trouble::said(Failure::Provider, "", "no time for all questions"));
    }
}

/// A question about messages without an answer.
pub struct LookUp<'a> {
    /// The messages.
    pub batch: &'a Batch,
    /// The time since their call began.
    pub age: Duration,
    /// The age at which all reports of the provider were last recorded, before it was seen that none is about these
    /// messages. `None` if they were not.
    pub reports_read_at: Option<Duration>,
}

impl LookUp<'_> {
    /// The same answer for every message.
    pub fn all(&self, found: &LookedUp) -> Vec<LookedUp> {
        vec![found.clone(); self.batch.messages.len()]
    }
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

    /// Finds out what became of messages without an answer. Called only with [`Recovery::LooksUp`].
    async fn look_up(&self, look_up: &LookUp<'_>) -> Vec<LookedUp> {
        look_up.all(&LookedUp::Unknown)
    }

    /// Asks for delivery reports.
    async fn reports(&self, question: &ReportQuestion<'_>) -> Reports {
        let _ = question;
        Reports::default()
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
