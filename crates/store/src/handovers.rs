//! Hand-overs: messages that a worker gives to a provider in one call, with a write-ahead intent of that call (SPEC 13).
//!
//! A provider that cannot deduplicate could be given a message twice: when a worker dies after its call, or when the
//! answer is lost. Therefore a hand-over is recorded before its call, and takes the documents off the queue: from then
//! on only this hand-over decides about them. One whose outcome is unknown is looked up at the provider, or settled as
//! the operator chose. What was taken stays until its delivery reports are there.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_vault::Vault;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::deliveries::Claim;
use crate::documents::Notification;
use crate::parcel::notices::Notice;
use crate::sealing::row;
use crate::undelivered::Failure;
use crate::{Result, StoreError};

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

/// Hand-overs, for the worker.
#[async_trait]
#[delegatable_trait]
pub trait Handovers: Send + Sync {
    /// Takes claims that are still held off the queue into a new hand-over, and leases that. Returns the documents that
    /// it has: only these may be sent. `None` if none of the claims is still held.
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

    /// Leases hand-overs whose worker is gone or whose time to be looked at has come: at most `limit` of one of
    /// `providers`.
    async fn due_handovers(
        &self,
        providers: &[String],
        limit: usize,
        lease: Duration,
        now: UnixSeconds,
    ) -> Result<Vec<DueHandover>>;

    /// Reserves the time for `messages` at `rate_per_second`, which all nodes share: how long to wait before they are
    /// sent.
    async fn reserve(&self, provider: &str, messages: usize, rate_per_second: f64) -> Result<Duration>;

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
/// last once an hour. `None` when it is no longer awaited.
pub fn next_look_seconds(looks: u32, age_seconds: i64) -> Option<i64> {
    const PAUSES: [i64; 8] = [5, 10, 30, 60, 120, 300, 900, 3_600];
    let pause = PAUSES[usize::try_from(looks).unwrap_or(usize::MAX).min(PAUSES.len() - 1)];
    (age_seconds < AWAITED_SECONDS_MAX).then_some(pause)
}

/// The stored form of documents without an outcome: 44 bytes each.
pub fn encode_handed(handed: &[Handed]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(handed.len() * HANDED_BYTES);
    for one in handed {
        bytes.extend_from_slice(one.document.as_bytes());
        bytes.extend_from_slice(one.institution.as_bytes());
        bytes.extend_from_slice(&one.attempts.to_le_bytes());
        bytes.extend_from_slice(&one.first_attempt_at.map_or(0, |at| at.0).to_le_bytes());
    }
    bytes
}

const HANDED_BYTES: usize = 16 + 16 + 4 + 8;

/// Reads what [`encode_handed`] wrote.
pub fn decode_handed(bytes: &[u8]) -> Result<Vec<Handed>> {
    let (chunks, []) = bytes.as_chunks::<HANDED_BYTES>() else {
        return Err(StoreError::damaged("a hand-over"));
    };
    let read = |chunk: &[u8; HANDED_BYTES]| {
        let (document, rest) = chunk.split_first_chunk::<16>()?;
        let (institution, rest) = rest.split_first_chunk::<16>()?;
        let (attempts, rest) = rest.split_first_chunk::<4>()?;
        let first = i64::from_le_bytes(*rest.first_chunk::<8>()?);
        Some(Handed {
            document: BinderId::from_bytes(*document),
            institution: InstitutionId::from_bytes(*institution),
            attempts: u32::from_le_bytes(*attempts),
            first_attempt_at: (first != 0).then_some(UnixSeconds(first)),
        })
    };
    chunks.iter().map(|chunk| read(chunk).ok_or(StoreError::damaged("a hand-over"))).collect()
}

/// A hand-over that is looked at.
pub struct LookedAt {
    /// Documents of which it is unknown whether the provider has them.
    pub unknown: Vec<Handed>,
    /// Those whose reports are awaited.
    pub awaited: Vec<Awaited>,
    /// Those that were unknown, and were taken: there is a report on them.
    pub taken: Vec<(BinderId, Settled)>,
}

/// Splits a hand-over by the documents on which there is a report.
pub fn split(
    handed: Vec<Handed>,
    mut awaited: Vec<Awaited>,
    is_reported: impl Fn(BinderId) -> bool,
) -> LookedAt {
    awaited.retain(|one| !is_reported(one.document));
    let (taken, unknown): (Vec<Handed>, Vec<Handed>) =
        handed.into_iter().partition(|one| is_reported(one.document));
    let taken = taken.iter().map(|one| (one.document, Settled::Taken { reference: None }));
    LookedAt { unknown, awaited, taken: taken.collect() }
}

/// What ends without being asked about: documents past their deadline, and those that cannot be read.
pub fn ended(over: Vec<BinderId>, unreadable: Vec<BinderId>) -> Vec<(BinderId, Settled)> {
    let over = over.into_iter().map(|document| (document, Settled::Expired));
    let given_up = || Settled::GivenUp { failure: Failure::Unreadable, said: None };
    over.chain(unreadable.into_iter().map(|document| (document, given_up()))).collect()
}

/// Whether a report on a notification is there, by its notice.
pub fn is_reported(notice: Notice) -> bool {
    notice.notified_at.is_some() || notice.outcome == Notification::Failed
}

/// Seals the awaited documents of a hand-over: a reference may contain a telephone number.
pub fn seal_awaited(vault: &Vault, id: HandoverId, awaited: &[Awaited]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for one in awaited {
        bytes.extend_from_slice(one.document.as_bytes());
        let reference = one.reference.as_bytes();
        let length = u16::try_from(reference.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&reference[..usize::from(length)]);
    }
    vault.seal_shared(&row(b'H', id.0.as_bytes()), &bytes)
}

/// Opens what [`seal_awaited`] sealed.
pub fn open_awaited(vault: &Vault, id: HandoverId, sealed: &[u8]) -> Result<Vec<Awaited>> {
    let damaged = || StoreError::damaged("a hand-over");
    let opened = vault.open_shared(&row(b'H', id.0.as_bytes()), sealed).map_err(StoreError::from)?;
    let mut rest: &[u8] = &opened;
    let mut awaited = Vec::new();
    while !rest.is_empty() {
        let (document, after) = rest.split_first_chunk::<16>().ok_or_else(damaged)?;
        let (length, after) = after.split_first_chunk::<2>().ok_or_else(damaged)?;
        let (reference, after) =
            after.split_at_checked(u16::from_le_bytes(*length).into()).ok_or_else(damaged)?;
        awaited.push(Awaited {
            document: BinderId::from_bytes(*document),
            reference: String::from_utf8(reference.to_vec()).map_err(|_| damaged())?,
        });
        rest = after;
    }
    Ok(awaited)
}

/// What changes in a hand-over when outcomes are recorded.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// Documents that stay without an outcome.
    pub handed: Vec<Handed>,
    /// Documents whose reports are awaited from now on, the earlier ones included.
    pub awaited: Vec<Awaited>,
    /// Back to the queue.
    pub retries: Vec<RetryRow>,
    /// Given up.
    pub given_up: Vec<GivenUpRow>,
    /// Listed as uncertain.
    pub uncertain: Vec<Uncertain>,
    /// Past their deadline.
    pub expired: Vec<BinderId>,
}

/// A row of the retries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryRow {
    /// The document.
    pub document: BinderId,
    /// Who sent it.
    pub institution: InstitutionId,
    /// Not before this time.
    pub not_before: UnixSeconds,
    /// Attempts until now.
    pub attempts: u32,
    /// The time of the first.
    pub first_attempt_at: UnixSeconds,
    /// Why the last one failed.
    pub failure: Failure,
    /// The provider's own words.
    pub said: Option<String>,
}

/// A row of the given-up notices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUpRow {
    /// The document.
    pub document: BinderId,
    /// Who sent it.
    pub institution: InstitutionId,
    /// Attempts until now.
    pub attempts: u32,
    /// The time of the first.
    pub first_attempt_at: UnixSeconds,
    /// Why it was given up.
    pub failure: Failure,
    /// The provider's own words.
    pub said: Option<String>,
}

/// Decides what outcomes change. Outcomes of documents that the hand-over does not have change nothing.
pub fn settle(handed: Vec<Handed>, mut awaited: Vec<Awaited>, found: Found, now: UnixSeconds) -> Settlement {
    if let Some(still) = found.still_awaited {
        let still: HashSet<BinderId> = still.into_iter().collect();
        awaited.retain(|one| still.contains(&one.document));
    }
    let mut outcomes: HashMap<BinderId, Settled> = found.settled.into_iter().collect();
    let mut settlement = Settlement { awaited, ..Settlement::default() };
    for one in handed {
        let Some(outcome) = outcomes.remove(&one.document) else {
            settlement.handed.push(one);
            continue;
        };
        let Handed { document, institution, attempts, first_attempt_at } = one;
        let retry = |not_before, counts, failure, said| RetryRow {
            document,
            institution,
            not_before,
            attempts: if counts { attempts + 1 } else { attempts },
            // After an attempt that does not count, the day of attempts begins anew.
            first_attempt_at: first_attempt_at.filter(|_| counts).unwrap_or(now),
            failure,
            said,
        };
        let give_up = |failure, said| GivenUpRow {
            document,
            institution,
            attempts: attempts + 1,
            first_attempt_at: first_attempt_at.unwrap_or(now),
            failure,
            said,
        };
        match outcome {
            Settled::Taken { reference: Some(reference) } => {
                settlement.awaited.push(Awaited { document, reference });
            }
            Settled::Taken { reference: None } => {}
            Settled::Expired => settlement.expired.push(document),
            Settled::Retry { not_before, counts, failure, said } => {
                settlement.retries.push(retry(not_before, counts, failure, said));
            }
            Settled::GivenUp { failure, said } => settlement.given_up.push(give_up(failure, said)),
            Settled::Uncertain { again_at } => {
                let sent_again = again_at.is_some();
                settlement.uncertain.push(Uncertain { document, institution, at: now, sent_again });
                match again_at {
                    Some(at) => settlement.retries.push(retry(at, true, Failure::Uncertain, None)),
                    None => settlement.given_up.push(give_up(Failure::Uncertain, None)),
                }
            }
        }
    }
    settlement
}

#[cfg(test)]
mod tests {
    use seoham_model::{Clock, ParcelId};

    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

    fn handed(count: u8) -> Vec<Handed> {
        let clock = Clock::default();
        let (parcel, institution) = (ParcelId::generate(&clock), InstitutionId::generate(&clock));
        let one = |position| Handed {
            document: parcel.document(position),
            institution,
            attempts: u32::from(position),
            first_attempt_at: (position > 0).then_some(NOW.plus(-100)),
        };
        (0..count).map(one).collect()
    }

    fn found(settled: Vec<(BinderId, Settled)>) -> Found {
        Found { settled, still_awaited: None, goes_on: false, look_at: NOW }
    }

    #[test]
    fn documents_read_back_as_they_were_kept() {
        let all = handed(3);
        assert_eq!(decode_handed(&encode_handed(&all)).expect("reads"), all);
        assert!(decode_handed(&[0; 45]).is_err());
        let vault = Vault::new(&seoham_vault::KeyRing::generate());
        let id = HandoverId(Uuid::now_v7());
        let awaited: Vec<_> = all
            .iter()
            .map(|one| Awaited { document: one.document, reference: format!("R-{}", one.attempts) })
            .collect();
        let sealed = seal_awaited(&vault, id, &awaited);
        assert_eq!(open_awaited(&vault, id, &sealed).expect("opens"), awaited);
        assert!(open_awaited(&vault, HandoverId(Uuid::now_v7()), &sealed).is_err(), "of another row");
    }

    #[test]
    fn each_outcome_leads_to_one_place() {
        let all = handed(6);
        let of = |index: usize| all[index].document;
        let failure = Failure::Unreachable;
        let said = Some("-1021".to_owned());
        let outcomes = vec![
            (of(0), Settled::Taken { reference: Some("a".to_owned()) }),
            (of(1), Settled::Taken { reference: None }),
            (of(2), Settled::Retry { not_before: NOW.plus(9), counts: true, failure, said: None }),
            (of(3), Settled::GivenUp { failure, said: said.clone() }),
            (of(4), Settled::Uncertain { again_at: None }),
            (ParcelId::generate(&Clock::default()).document(0), Settled::GivenUp { failure, said: None }),
        ];
        let before = vec![of(5), of(4)].into_iter();
        let before = before.map(|document| Awaited { document, reference: "b".to_owned() }).collect();
        let found = Found { still_awaited: Some(vec![of(5)]), ..found(outcomes) };
        let after = settle(all.clone(), before, found, NOW);
        assert_eq!(after.handed, [all[5]]);
        let awaited: Vec<_> =
            after.awaited.iter().map(|one| (one.document, one.reference.as_str())).collect();
        assert_eq!(awaited, [(of(5), "b"), (of(0), "a")]);
        let [retry] = &after.retries[..] else { panic!("one retry") };
        assert_eq!((retry.document, retry.attempts, retry.first_attempt_at), (of(2), 3, NOW.plus(-100)));
        let [refused, uncertain] = &after.given_up[..] else { panic!("two given up") };
        assert_eq!((refused.document, refused.attempts, &refused.said), (of(3), 4, &said));
        assert_eq!((uncertain.document, uncertain.failure), (of(4), Failure::Uncertain));
        assert_eq!(after.uncertain.len(), 1);
        assert!(!after.uncertain[0].sent_again);
    }

    #[test]
    fn after_an_attempt_that_does_not_count_the_day_begins_anew() {
        let all = handed(2);
        let again = |index: usize| {
            let outcome =
                Settled::Retry { not_before: NOW, counts: false, failure: Failure::NoTemplate, said: None };
            let after = settle(all.clone(), Vec::new(), found(vec![(all[index].document, outcome)]), NOW);
            (after.retries[0].attempts, after.retries[0].first_attempt_at)
        };
        assert_eq!(again(0), (0, NOW));
        assert_eq!(again(1), (1, NOW));
    }

    #[test]
    fn reports_are_asked_for_less_and_less_often() {
        let pauses: Vec<_> = (0..10).map(|looks| next_look_seconds(looks, 0).expect("awaited")).collect();
        assert!(pauses.is_sorted() && pauses[0] == 5 && pauses[9] == 3_600);
        assert_eq!(next_look_seconds(0, AWAITED_SECONDS_MAX), None);
    }
}
