//! Hand-overs: messages that a worker gives to a provider in one call, with a write-ahead intent of that call (SPEC 13).
//!
//! A provider that cannot deduplicate could be given a message twice: when a worker dies after its call, or when the
//! answer is lost. Therefore a hand-over is recorded before its call, and takes the documents off the queue: from then
//! on only this hand-over decides about them. One whose outcome is unknown is looked up at the provider, or settled as
//! the operator chose. What was taken stays until its delivery reports are there.

mod packed;
mod settlement;

use std::time::Duration;

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Result;
use crate::deliveries::Claim;
use crate::undelivered::Failure;

pub use packed::{decode_handed, encode_handed, open_awaited, seal_awaited};
pub use settlement::{GivenUpRow, LookedAt, RetryRow, Settlement, ended, is_reported, settle, split};

/// For how long delivery reports are awaited.
pub const AWAITED_SECONDS_MAX: i64 = 3 * 24 * 60 * 60;

/// Identifies a hand-over; the same on every attempt of its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandoverId(pub Uuid);

impl std::fmt::Display for HandoverId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HND-{}", self.0.simple())
    }
}

/// A document of a hand-over that has no outcome yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handed {
    /// The document.
    pub document: BinderId,
    /// Who sent it.
    pub institution: InstitutionId,
    /// Attempts before this one.
    pub attempts: u32,
    /// The time of the first.
    pub first_attempt_at: Option<UnixSeconds>,
}

/// A document that a provider took, whose delivery report is awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// The document.
    pub document: BinderId,
    /// How the provider knows the message. It may contain a telephone number.
    pub reference: String,
}

/// The outcome of one document of a hand-over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Taken, and reported on under this reference; without one, nothing more is asked.
    Taken {
        /// How the provider knows the message.
        reference: Option<String>,
    },
    /// Goes back to the queue.
    Retry {
        /// Not before this time.
        not_before: UnixSeconds,
        /// Whether this attempt counts; one that the provider never saw does not.
        counts: bool,
        /// Why.
        failure: Failure,
        /// The provider's own words.
        said: Option<String>,
    },
    /// Given up.
    GivenUp {
        /// Why.
        failure: Failure,
        /// The provider's own words.
        said: Option<String>,
    },
    /// Its deadline has passed.
    Expired,
    /// Whether the provider has it is unknown and cannot be found out. Listed, and sent again or not.
    Uncertain {
        /// When it is sent again; given up without.
        again_at: Option<UnixSeconds>,
    },
}

/// A hand-over that is to be looked after.
pub struct DueHandover {
    /// Its id.
    pub id: HandoverId,
    /// Fences this worker's changes.
    pub ticket: i64,
    /// The name of the provider.
    pub provider: String,
    /// When its call began.
    pub begun_at: UnixSeconds,
    /// How often it was looked after before.
    pub looks: u32,
    /// Documents without an outcome, read anew: it is unknown whether the provider has them.
    pub unknown: Vec<Claim>,
    /// Documents whose reports are awaited, and not there yet.
    pub awaited: Vec<Awaited>,
}

/// A document for which it could not be found out whether the provider had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uncertain {
    /// The document.
    pub document: BinderId,
    /// Who sent it.
    pub institution: InstitutionId,
    /// When.
    pub at: UnixSeconds,
    /// It was sent again; otherwise it was given up.
    pub sent_again: bool,
}

/// How a worker sees a provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProviderState {
    /// The provider's name.
    pub provider: String,
    /// Its weight now.
    pub weight: f64,
    /// When it last took a message, in Unix seconds.
    pub last_success_at: Option<i64>,
    /// When it last did not.
    pub last_error_at: Option<i64>,
    /// What it said then, without personal values.
    pub last_error: Option<String>,
    /// It is misconfigured, and nothing is sent to it.
    pub is_held: bool,
}

/// What waits at a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandoverDepth {
    /// The provider's name.
    pub provider: String,
    /// Messages without an outcome.
    pub unsettled: u64,
    /// When the call of the oldest of them began.
    pub oldest_at: Option<UnixSeconds>,
    /// Messages whose delivery reports are awaited.
    pub awaited: u64,
}

/// Whose hand-overs.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// Of these providers.
    Providers(&'a [String]),
    /// Of providers that no worker knows any more.
    Abandoned {
        /// Those that this worker knows.
        besides: &'a [String],
        /// No worker has reported the provider since then, see [`Handovers::report_providers`].
        since: UnixSeconds,
    },
}

impl Whose<'_> {
    /// The named providers, and without these alone the time since when nobody may have reported the others.
    pub fn parts(&self) -> (&[String], Option<UnixSeconds>) {
        match *self {
            Self::Providers(providers) => (providers, None),
            Self::Abandoned { besides, since } => (besides, Some(since)),
        }
    }
}

/// That messages were taken, which a provider told by the way: whoever holds their hand-over keeps it, and looks at it when
/// it would have.
pub fn were_taken(documents: &[BinderId], look_at: UnixSeconds) -> Found {
    let taken = |document: &BinderId| (*document, Settled::Taken { reference: None });
    let settled = documents.iter().map(taken).collect();
    Found { settled, still_awaited: None, goes_on: true, look_at }
}

/// Hand-overs, for the worker.
#[async_trait]
#[delegatable_trait]
pub trait Handovers: Send + Sync {
    /// Takes claims that are still held off the queue into a new hand-over, and leases that. Returns the documents that
    /// it has: only these may be sent, without those that were withdrawn since they were claimed. `None` if none is left.
    async fn begin_handover(
        &self,
        id: HandoverId,
        provider: &str,
        claims: Vec<HandoverClaim>,
        lease: Duration,
        now: UnixSeconds,
    ) -> Result<Option<BegunHandover>>;

    /// Records what was found out about a hand-over. Returns `false` if it is no longer held under this ticket: nothing
    /// was changed then.
    async fn settle_handover(
        &self,
        id: HandoverId,
        ticket: i64,
        found: Found,
        now: UnixSeconds,
    ) -> Result<bool>;

    /// Leases hand-overs whose worker is gone or whose time to be looked at has come: at most `limit`.
    async fn due_handovers(
        &self,
        whose: Whose<'_>,
        limit: usize,
        lease: Duration,
        now: UnixSeconds,
    ) -> Result<Vec<DueHandover>>;

    /// Records that a provider has these documents' messages, in whichever of its hand-overs they have no outcome yet.
    async fn handed_were_taken(&self, provider: &str, documents: &[BinderId], now: UnixSeconds)
    -> Result<()>;

    /// Reserves the time for `messages` at `rate_per_second`, which all nodes share: how long to wait before they are
    /// sent. `None` if that is longer than `at_most`: nothing is reserved then.
    async fn reserve(
        &self,
        provider: &str,
        messages: usize,
        rate_per_second: f64,
        at_most: Duration,
    ) -> Result<Option<Duration>>;

    /// Records how a worker sees its providers.
    async fn report_providers(
        &self,
        worker: Uuid,
        states: Vec<ProviderState>,
        now: UnixSeconds,
    ) -> Result<()>;
}

/// A claim that a hand-over takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandoverClaim {
    /// The claim's ticket.
    pub ticket: u64,
    /// Its document.
    pub handed: Handed,
}

/// What was found out about a hand-over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Outcomes. The other documents stay without one.
    pub settled: Vec<(BinderId, Settled)>,
    /// The documents whose reports are still awaited, of those that were; all of them without.
    pub still_awaited: Option<Vec<BinderId>>,
    /// The hand-over stays leased to this worker: there is more to come. Otherwise it is looked at again at `look_at`.
    pub goes_on: bool,
    /// When to look at what is left.
    pub look_at: UnixSeconds,
}

/// A hand-over that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BegunHandover {
    /// Fences this worker's changes.
    pub ticket: i64,
    /// The documents that it has.
    pub documents: Vec<BinderId>,
}

/// What operators see of hand-overs and providers.
#[async_trait]
#[delegatable_trait]
pub trait ProviderViews: Send + Sync {
    /// What every worker reported since `since`.
    async fn provider_states(&self, since: UnixSeconds) -> Result<Vec<ProviderState>>;

    /// What waits at each provider.
    async fn handover_depths(&self) -> Result<Vec<HandoverDepth>>;

    /// Messages whose outcome could not be found out, newest document first, older than `before`.
    async fn uncertain(&self, before: Option<BinderId>, limit: usize) -> Result<Vec<Uncertain>>;
}

/// For how long uncertain messages are listed.
pub const UNCERTAIN_SECONDS_MAX: i64 = 90 * 24 * 60 * 60;

/// When a hand-over whose reports are awaited is next looked at, after `looks` looks at `age_seconds`: soon at first, at
/// last once an hour. Looks before it was known that messages were taken do not count: `is_taken_now` begins anew. `None`
/// when it is no longer awaited.
pub fn next_look_seconds(looks: u32, age_seconds: i64, is_taken_now: bool) -> Option<i64> {
    const PAUSES: [i64; 8] = [5, 10, 30, 60, 120, 300, 900, 3_600];
    let looks = if is_taken_now { 0 } else { looks };
    let pause = PAUSES[usize::try_from(looks).unwrap_or(usize::MAX).min(PAUSES.len() - 1)];
    (age_seconds < AWAITED_SECONDS_MAX).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_asked_for_less_and_less_often() {
        let pauses: Vec<_> =
            (0..10).map(|looks| next_look_seconds(looks, 0, false).expect("awaited")).collect();
        assert!(pauses.is_sorted() && pauses[0] == 5 && pauses[9] == 3_600);
        assert_eq!(next_look_seconds(9, 0, true), Some(5), "what was just found taken is asked about soon");
        assert_eq!(next_look_seconds(0, AWAITED_SECONDS_MAX, true), None);
    }
}
