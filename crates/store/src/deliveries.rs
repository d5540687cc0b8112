//! Deliveries: documents that were accepted but whose notification is not finished (SPEC 5, 8 and 13).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ambassador::delegatable_trait;
use async_trait::async_trait;
use secrecy::SecretString;
use seoham_model::contract::Notice;
use seoham_model::document::Content;
use seoham_model::message::MessageTemplate;
use seoham_model::person::Addresses;
use seoham_model::{BinderId, InstitutionId, UnixSeconds};

use crate::documents::Notification;
use crate::parcel::StoredDocument;
use crate::undelivered::Failure;
use crate::{Result, StoreError, templates};

/// A delivery leased to this worker.
pub struct Claim {
    /// Identifies this claim; a finish with an older ticket is ignored.
    pub ticket: u64,
    /// The document.
    pub document: BinderId,
    /// Who sent it.
    pub institution: InstitutionId,
    /// The sender, as its notification names it.
    pub sender: Arc<ClaimSender>,
    /// How the recipient can be reached.
    pub addresses: Addresses,
    /// The token of the notification's link: the same on every send, and never stored.
    pub link_token: SecretString,
    /// The document is in the recipient's box; if not, the notification contains an invitation to join.
    pub received: bool,
    /// Its content, which many documents share.
    pub content: Arc<Content>,
    /// The deadline for opening it.
    pub deadline_at: UnixSeconds,
    /// The number of earlier attempts.
    pub attempts: u32,
    /// The time of the first attempt.
    pub first_attempt_at: Option<UnixSeconds>,
    /// Its notification did not arrive, and our own fallback is sent, see [`Fallbacks`].
    pub as_fallback: bool,
}

/// The sender of claimed documents, and how their contract notifies.
#[derive(Debug)]
pub struct ClaimSender {
    /// Its name.
    pub institution_name: String,
    /// Who notifies.
    pub notice: Notice,
    /// The template of the channel that notifies, if there is one.
    pub template: Option<Arc<MessageTemplate>>,
}

impl ClaimSender {
    /// A sender of whom nothing is stored: its contract was removed.
    pub fn unknown() -> Self {
        Self { institution_name: String::new(), notice: Notice::Platform, template: None }
    }

    /// A sender from its stored values: `own` is the template of its own channel, `platform` that of the platform's.
    pub fn stored(
        institution_name: String,
        notice: &str,
        own: Option<&str>,
        platform: Option<&str>,
    ) -> Result<Self> {
        let notice = Notice::from_name(notice).ok_or(StoreError::damaged("a contract's notice"))?;
        let template = match notice {
            Notice::Institution => own,
            Notice::Platform => platform,
            Notice::None => None,
        };
        let template = template.map(templates::stored).transpose()?.map(Arc::new);
        Ok(Self { institution_name, notice, template })
    }
}

/// The result of [`Deliveries::claim`].
pub struct Claimed {
    /// The deliveries to notify about.
    pub claims: Vec<Claim>,
    /// How many were dropped because their deadline had passed.
    pub expired: usize,
}

/// The result of one notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The messenger accepted it.
    Taken,
    /// To be retried.
    Retry {
        /// Not before this time.
        not_before: UnixSeconds,
    },
    /// Back to the queue without an attempt: no provider could be given it.
    Later {
        /// Not before this time.
        not_before: UnixSeconds,
    },
    /// Given up.
    GivenUp,
}

/// A finished claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The claim's ticket.
    pub ticket: u64,
    /// Its document.
    pub document: BinderId,
    /// Who sent it.
    pub institution: InstitutionId,
    /// The result.
    pub outcome: Outcome,
    /// Why it was not accepted, if so.
    pub failure: Option<Failure>,
}

/// What became of a notification that a messenger took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The messenger delivered it.
    Messenger,
    /// It was delivered as an SMS or LMS instead.
    Fallback,
    /// It was not delivered.
    Failed,
    /// It was not delivered, and our own fallback follows.
    FallsBack,
}

impl Arrival {
    /// Whether the person was told, in either way.
    pub fn is_delivered(self) -> bool {
        matches!(self, Self::Messenger | Self::Fallback)
    }

    /// What is recorded of the notification.
    pub fn notification(self) -> Notification {
        match self {
            Self::Messenger => Notification::Delivered,
            Self::Fallback => Notification::Fallback,
            Self::Failed | Self::FallsBack => Notification::Failed,
        }
    }

    /// As a messenger of one channel reports it.
    pub fn of_messenger(is_delivered: bool) -> Self {
        if is_delivered { Self::Messenger } else { Self::Failed }
    }
}

/// The messenger's report about a notification (SPEC 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Which document's notification.
    pub document: BinderId,
    /// What became of it.
    pub arrival: Arrival,
    /// When, by the messenger's clock.
    pub at: UnixSeconds,
}

/// The maximum number of rows counted per institution, in the queue and among the retries: the cost of a
/// gauge is bounded for any queue length.
pub const DEPTH_ROWS_MAX: u32 = 10_000;

/// The queue depth of an institution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// Whose documents.
    pub institution: InstitutionId,
    /// The number of deliveries including retries; a lower bound if the queue is very long.
    pub waiting: u64,
    /// The acceptance time of the oldest.
    pub oldest_accepted_at: UnixSeconds,
}

impl QueueDepth {
    /// The depth per institution, from the number of documents and the oldest document of each institution in each table
    /// of the queue.
    pub fn sum(counted: impl IntoIterator<Item = (InstitutionId, u64, BinderId)>) -> Vec<Self> {
        let mut found: BTreeMap<InstitutionId, (u64, BinderId)> = BTreeMap::new();
        for (institution, count, oldest) in counted {
            let depth = found.entry(institution).or_insert((0, oldest));
            *depth = (depth.0 + count, depth.1.min(oldest));
        }
        // An id contains the time of acceptance, and the oldest sorts first.
        let depth = |(institution, (waiting, oldest)): (InstitutionId, (u64, BinderId))| Self {
            institution,
            waiting,
            oldest_accepted_at: UnixSeconds(i64::try_from(oldest.unix_millis() / 1000).unwrap_or(0)),
        };
        found.into_iter().map(depth).collect()
    }
}

/// The outbox, for the worker.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Claims up to `limit` deliveries, in round robin over the institutions that have any. Documents of
    /// people who became members during the acceptance are put into their boxes before this returns.
    async fn claim(&self, limit: usize, lease: Duration, now: UnixSeconds) -> Result<Claimed>;

    /// Finishes claims; returns how many were still valid. On an error they are still leased, and can be
    /// finished again.
    async fn finish(&self, finished: Vec<Finished>, now: UnixSeconds) -> Result<usize>;

    /// Moves about `limit` waiting documents of people who have joined. Returns the number, which is at least
    /// one if there may be more.
    async fn join_due(&self, limit: usize, now: UnixSeconds) -> Result<usize>;

    /// Returns when there may be work, at the latest after `at_most`.
    async fn wait_for_work(&self, at_most: Duration);
}

/// The messenger's reports.
#[async_trait]
pub trait Receipts: Send + Sync {
    /// Records the messenger's reports. The first `delivered` sets `user_notified_at` to the reported time,
    /// clamped between the acceptance and `now`. Repeated, late, reordered and unknown reports are ignored.
    async fn record_receipts(&self, receipts: Vec<Receipt>, now: UnixSeconds) -> Result<()>;
}

/// Our own fallback (SPEC 13): an SMS or LMS instead of a notification that did not arrive, where the provider that had it
/// sends none itself. Which documents have begun one is remembered as long as they exist, so that each has one at most.
#[async_trait]
#[delegatable_trait]
pub trait Fallbacks: Send + Sync {
    /// From now on, a claim of these documents is one of their fallback. Their claims stay as they are: whoever holds them
    /// finishes them as to be tried again.
    async fn begin_fallbacks(&self, documents: Vec<BinderId>, now: UnixSeconds) -> Result<()>;
}

/// Whether our own fallback may follow the report that a document's notification did not arrive: the template of its sender has
/// one, nobody was told, and there is something to open.
pub fn may_fall_back(document: &StoredDocument, sender: &ClaimSender, now: UnixSeconds) -> bool {
    let has_fallback = sender.template.as_ref().is_some_and(|template| template.fallback.is_some());
    has_fallback && document.times.notified_at.is_none() && !document.is_over(now)
}

/// The depth of the outbox.
#[async_trait]
#[delegatable_trait]
pub trait QueueDepths: Send + Sync {
    /// The queue depth per institution. The cost is bounded: for a queue of more than [`DEPTH_ROWS_MAX`]
    /// rows, only these rows are counted, and the result is a lower bound.
    async fn queue_depths(&self) -> Result<Vec<QueueDepth>>;
}
