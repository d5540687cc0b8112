//! Deliveries: what was accepted and is not yet announced (SPEC 5, 8 and 13).

use std::sync::Arc;
use std::time::Duration;

use ambassador::delegatable_trait;
use async_trait::async_trait;
use secrecy::SecretString;
use seoham_model::document::Content;
use seoham_model::{BinderId, InstitutionId, UnixSeconds};

use crate::Result;
use crate::undelivered::Failure;

/// A delivery that this worker holds until its lease runs out.
pub struct Claim {
    /// Names this claim; a finish under an older one changes nothing.
    pub ticket: u64,
    /// The document.
    pub document: BinderId,
    /// Who sent it.
    pub institution: InstitutionId,
    /// The sender's name.
    pub institution_name: Arc<str>,
    /// Where the notification goes.
    pub phone_number: SecretString,
    /// The token in the notification's link: the same however often it is sent, and nowhere stored.
    pub link_token: SecretString,
    /// The document stands in the recipient's box; if not, the notification invites to join.
    pub received: bool,
    /// What it says; many documents say the same.
    pub content: Arc<Content>,
    /// Until when it can be opened.
    pub deadline_at: UnixSeconds,
    /// How often its notification was tried before.
    pub attempts: u32,
    /// When it was tried first.
    pub first_attempt_at: Option<UnixSeconds>,
}

/// What a call of [`Deliveries::claim`] did.
pub struct Claimed {
    /// To be announced.
    pub claims: Vec<Claim>,
    /// How many were dropped because their deadline had passed.
    pub expired: usize,
}

/// What became of one notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The messenger took it.
    Taken,
    /// It is to be tried again.
    Retry {
        /// Not before this moment.
        not_before: UnixSeconds,
    },
    /// It is given up.
    GivenUp,
}

/// A claim that is done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The claim's ticket.
    pub ticket: u64,
    /// Its document.
    pub document: BinderId,
    /// Who sent it.
    pub institution: InstitutionId,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it was not taken, if it was not.
    pub failure: Option<Failure>,
}

/// The messenger's own report on a notification (SPEC 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Which document's notification.
    pub document: BinderId,
    /// It arrived; if not, it failed.
    pub delivered: bool,
    /// When, by the messenger's clock.
    pub at: UnixSeconds,
}

/// Rows that are counted of the queue of one institution, and as many of what waits to be tried again: a gauge
/// costs the same however long the queue is.
pub const DEPTH_ROWS_MAX: u32 = 10_000;

/// What waits for delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// Whose documents.
    pub institution: InstitutionId,
    /// How many, those waiting to be tried again included; at least so many in a very long queue.
    pub waiting: u64,
    /// When the oldest of them was accepted.
    pub oldest_accepted_at: UnixSeconds,
}

/// The outbox, for the worker.
#[async_trait]
#[delegatable_trait]
pub trait Deliveries: Send + Sync {
    /// Claims up to `limit` deliveries, in turns over the institutions that have any. Documents of
    /// people who became members while they were being accepted are put into their boxes: when
    /// this returns they stand there.
    async fn claim(&self, limit: usize, lease: Duration, now: UnixSeconds) -> Result<Claimed>;

    /// Finishes claims; gives how many still counted. On an error they are still held, and may be
    /// finished again.
    async fn finish(&self, finished: Vec<Finished>, now: UnixSeconds) -> Result<usize>;

    /// Moves what waits for people who have joined, about `limit` documents at most; gives how
    /// many, or at least one when there may be more to move.
    async fn join_due(&self, limit: usize, now: UnixSeconds) -> Result<usize>;

    /// Returns when there may be something to claim, at the latest after `at_most`.
    async fn wait_for_work(&self, at_most: Duration);
}

/// The messenger's reports.
#[async_trait]
#[delegatable_trait]
pub trait Receipts: Send + Sync {
    /// Records the messenger's reports. The first `delivered` sets `user_notified_at`, which is
    /// the reported time, but never before the acceptance or after `now`; repeated, late,
    /// reordered and unknown ones change nothing.
    async fn record_receipts(&self, receipts: Vec<Receipt>, now: UnixSeconds) -> Result<()>;
}

/// How much waits in the outbox.
#[async_trait]
#[delegatable_trait]
pub trait QueueDepths: Send + Sync {
    /// What waits, by institution. The cost is bounded: of a queue of more than [`DEPTH_ROWS_MAX`] rows it is
    /// what these hold, and so at least.
    async fn queue_depths(&self) -> Result<Vec<QueueDepth>>;
}
