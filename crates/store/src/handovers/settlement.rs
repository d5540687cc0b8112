//! What outcomes and reports change: the rule that both stores apply.

use std::collections::{HashMap, HashSet};

use seoham_model::{BinderId, InstitutionId, UnixSeconds};

use super::{Awaited, Found, Handed, Settled, Uncertain};
use crate::documents::Notification;
use crate::parcel::notices::Notice;
use crate::undelivered::Failure;

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
pub(super) mod tests {
    use seoham_model::{Clock, ParcelId};

    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

    pub(crate) fn handed(count: u8) -> Vec<Handed> {
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
}
