//! Webhooks: cursors over an institution's feed, which are posted to its receivers (SPEC 15).
//!
//! A webhook is served by one node at a time, under a lease with a ticket; what an older ticket reports is ignored. What
//! becomes of a webhook after an attempt is decided in [`Cursor::after`]; a store only finds and writes rows.

mod schedule;
mod secrets;

use std::collections::BTreeSet;
use std::time::Duration;

use ambassador::delegatable_trait;
use async_trait::async_trait;
use secrecy::SecretString;
use seoham_model::{EventType, InstitutionId, NamedNumber, UnixSeconds, WebhookId};

use crate::{Result, StoreError};

pub use schedule::{DISABLED_AFTER_SECONDS, RETRY_SECONDS};
pub use secrets::{open_secret, seal_secret};

/// The most webhooks of one institution.
pub const WEBHOOKS_MAX: usize = 10;
/// The most events in one delivery (SPEC 15).
pub const BATCH_EVENTS: usize = 100;
/// How many of the last attempts are kept of each webhook.
pub const ATTEMPTS_KEPT: usize = 100;
/// How long the former secret signs beside a new one, in seconds (SPEC 15).
pub const FORMER_SECRET_SECONDS: i64 = 24 * 60 * 60;

/// Why a webhook is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disabled {
    /// Its receiver took nothing for five days.
    Failing,
    /// Its receiver said that it is gone (410).
    Gone,
}

impl NamedNumber for Disabled {
    const ALL: &'static [(Self, i64, &'static str)] =
        &[(Self::Failing, 0, "failing"), (Self::Gone, 1, "gone")];
}

/// A webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose feed it delivers.
    pub institution: InstitutionId,
    /// Where to.
    pub url: String,
    /// Only events of these types; `None` for all.
    pub types: Option<BTreeSet<EventType>>,
    /// When it was registered.
    pub created_at: UnixSeconds,
    /// Where it is.
    pub cursor: Cursor,
    /// Why it is disabled, and since when.
    pub disabled: Option<(Disabled, UnixSeconds)>,
}

/// Where a webhook is in its feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The receiver has everything up to this number.
    pub through: u64,
    /// The last number of the delivery that is under way or failed: a retry is the same delivery.
    pub pending: Option<u64>,
    /// Attempts of that delivery that failed.
    pub failures: u32,
    /// Since when nothing was taken.
    pub failing_since: Option<UnixSeconds>,
    /// Nothing is sent before.
    pub next_attempt_at: UnixSeconds,
}

/// Whether a webhook delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookState {
    /// Its receiver takes what comes.
    Active,
    /// Its receiver took nothing lately, and is tried again.
    Failing,
    /// It is not tried any more, until it is enabled.
    Disabled,
}

impl WebhookState {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Failing => "failing",
            Self::Disabled => "disabled",
        }
    }
}

impl Webhook {
    /// Whether it delivers.
    pub fn state(&self) -> WebhookState {
        match (self.disabled, self.cursor.failing_since) {
            (Some(_), _) => WebhookState::Disabled,
            (None, Some(_)) => WebhookState::Failing,
            (None, None) => WebhookState::Active,
        }
    }

    /// The stored form of its types.
    pub fn stored_types(types: Option<&BTreeSet<EventType>>) -> Option<String> {
        types.map(|types| types.iter().map(|event_type| event_type.name()).collect::<Vec<_>>().join(","))
    }

    /// Reads the stored form of types.
    pub fn types_from_stored(stored: Option<&str>) -> Result<Option<BTreeSet<EventType>>> {
        let read = |stored: &str| {
            let types: Option<BTreeSet<EventType>> = stored.split(',').map(EventType::from_name).collect();
            types.ok_or_else(|| StoreError::damaged("the types of a webhook"))
        };
        stored.map(read).transpose()
    }
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The receiver answered with this status.
    Answered(u16),
    /// No connection.
    Unreachable,
    /// No answer in time, or a broken connection.
    NoAnswer,
}

impl AttemptOutcome {
    /// Whether the receiver took it.
    pub fn is_taken(self) -> bool {
        matches!(self, Self::Answered(200..300))
    }

    /// The name in API calls and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered(_) if self.is_taken() => "taken",
            Self::Answered(_) => "refused",
            Self::Unreachable => "unreachable",
            Self::NoAnswer => "no_answer",
        }
    }

    /// The receiver's status, if it answered.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Answered(status) => Some(status),
            Self::Unreachable | Self::NoAnswer => None,
        }
    }

    /// The stored number: a status, or 0 and 1 for none.
    pub fn as_number(self) -> i64 {
        match self {
            Self::Unreachable => 0,
            Self::NoAnswer => 1,
            Self::Answered(status) => status.into(),
        }
    }

    /// Reads the stored number.
    pub fn from_number(number: i64) -> Result<Self> {
        match number {
            0 => Ok(Self::Unreachable),
            1 => Ok(Self::NoAnswer),
            _ => u16::try_from(number).map(Self::Answered).map_err(|_| StoreError::damaged("an attempt")),
        }
    }
}

/// An attempt to deliver events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebhookAttempt {
    /// When it began.
    pub at: UnixSeconds,
    /// The number of the first event.
    pub first: u64,
    /// The number of the last one.
    pub last: u64,
    /// What became of it.
    pub outcome: AttemptOutcome,
    /// How long it took, in milliseconds.
    pub took_millis: u32,
}

/// A webhook that this node serves.
pub struct ClaimedWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// Identifies this claim.
    pub ticket: i64,
}

/// A new webhook.
pub struct NewWebhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose feed it delivers.
    pub institution: InstitutionId,
    /// Where to.
    pub url: String,
    /// Only events of these types; `None` for all.
    pub types: Option<BTreeSet<EventType>>,
    /// Its signing secret.
    pub secret: SecretString,
    /// When it is registered. It begins with the events after this moment.
    pub created_at: UnixSeconds,
}

/// How far a webhook is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookView {
    /// The webhook.
    pub webhook: Webhook,
    /// The number of the last event of its feed.
    pub last_seq: u64,
    /// Its last attempt.
    pub last_attempt: Option<WebhookAttempt>,
}

/// An institution's webhooks.
#[async_trait]
#[delegatable_trait]
pub trait Webhooks: Send + Sync {
    /// Adds a webhook; `false` if the institution has [`WEBHOOKS_MAX`] already.
    async fn add_webhook(&self, webhook: NewWebhook) -> Result<bool>;

    /// The webhooks of an institution, oldest first.
    async fn webhooks(&self, institution: InstitutionId) -> Result<Vec<WebhookView>>;

    /// Enables a webhook: it goes on where it stopped, at once. `false` if the institution has none with this id; the same
    /// for the calls below.
    async fn enable_webhook(
        &self,
        institution: InstitutionId,
        id: WebhookId,
        now: UnixSeconds,
    ) -> Result<bool>;

    /// Replaces its secret. The former one signs too, until `former_until`.
    async fn renew_webhook_secret(
        &self,
        institution: InstitutionId,
        id: WebhookId,
        secret: SecretString,
        former_until: UnixSeconds,
    ) -> Result<bool>;

    /// Moves its cursor to `after`, forward or back, at once.
    async fn replay_webhook(
        &self,
        institution: InstitutionId,
        id: WebhookId,
        after: u64,
        now: UnixSeconds,
    ) -> Result<bool>;

    /// Its last attempts, newest first; `None` if the institution has no such webhook.
    async fn webhook_attempts(
        &self,
        institution: InstitutionId,
        id: WebhookId,
    ) -> Result<Option<Vec<WebhookAttempt>>>;
}

/// Removing a webhook, for its institution and for the operator.
#[async_trait]
#[delegatable_trait]
pub trait WebhookRemoval: Send + Sync {
    /// Removes a webhook with its attempts; `false` if the institution has none with this id.
    async fn remove_webhook(&self, institution: InstitutionId, id: WebhookId) -> Result<bool>;
}

/// Every webhook, for the operator.
#[async_trait]
#[delegatable_trait]
pub trait WebhookViews: Send + Sync {
    /// Webhooks after `after` by id, at most `limit`.
    async fn all_webhooks(&self, after: Option<WebhookId>, limit: usize) -> Result<Vec<WebhookView>>;
}

/// Serving webhooks, for the worker.
#[async_trait]
#[delegatable_trait]
pub trait WebhookServing: Send + Sync {
    /// Claims webhooks that have events to deliver and whose time has come, except those in `served`, which this process
    /// serves already.
    async fn claim_webhooks(
        &self,
        served: &[WebhookId],
        limit: usize,
        lease: Duration,
        now: UnixSeconds,
    ) -> Result<Vec<ClaimedWebhook>>;

    /// Records, before it is sent, which delivery is under way, and extends the lease. Returns what signs it: the secret,
    /// and for a day the former one too. `None` if the webhook is not held under this ticket any more: nothing must be
    /// sent then.
    async fn begin_delivery(
        &self,
        id: WebhookId,
        ticket: i64,
        last: u64,
        lease: Duration,
        now: UnixSeconds,
    ) -> Result<Option<Vec<SecretString>>>;

    /// Records where a webhook is after an attempt, or without one after it passed events that it does not ask for; `false`
    /// if it is not held under this ticket any more.
    async fn finish_delivery(
        &self,
        id: WebhookId,
        ticket: i64,
        cursor: Cursor,
        disabled: Option<(Disabled, UnixSeconds)>,
        attempt: Option<WebhookAttempt>,
    ) -> Result<bool>;

    /// Lets another node serve it.
    async fn release_webhook(&self, id: WebhookId, ticket: i64) -> Result<()>;
}
