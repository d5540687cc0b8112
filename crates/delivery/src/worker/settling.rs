//! What an answer of a provider means for a document's notification.

use std::time::Duration;

use seoham_model::UnixSeconds;
use seoham_store::deliveries::{Claim, Finished, Outcome};
use seoham_store::handovers::Settled;
use seoham_store::undelivered::Failure;

use super::UnknownPolicy;
use crate::provider::{LookedUp, Recovery, Sent, Trouble};
use crate::retry::after_failure;

/// After this long an outcome that could not be found out is settled as the operator chose.
const UNKNOWN_SECONDS_MAX: i64 = 24 * 60 * 60;
/// For how long a notification waits that no provider could be given.
const LATER_SECONDS: i64 = 30;

/// The record of a finished claim.
pub(super) fn finished(claim: &Claim, outcome: Outcome, failure: Option<Failure>) -> Finished {
    let Claim { ticket, document, institution, .. } = *claim;
    Finished { ticket, document, institution, outcome, failure }
}

/// A claim that goes back to the queue without an attempt.
pub(super) fn later(claim: &Claim, failure: Failure, now: UnixSeconds) -> Finished {
    finished(claim, Outcome::Later { not_before: now.plus(LATER_SECONDS) }, Some(failure))
}

/// When a claim whose attempt failed is tried again, the first having been made at `first_attempt_at` if there was none
/// before: given up after a day.
fn again(
    claim: &Claim,
    first_attempt_at: UnixSeconds,
    now: UnixSeconds,
    retry_after: Option<Duration>,
) -> Outcome {
    let first_attempt_at = claim.first_attempt_at.unwrap_or(first_attempt_at);
    after_failure(claim.attempts, first_attempt_at, now, claim.deadline_at, retry_after, rand::random())
}

/// What becomes of a claim; `None` leaves it to its lease.
pub(super) fn outcome(claim: &Claim, sent: &Sent, now: UnixSeconds) -> Option<Finished> {
    let outcome = match sent {
        Sent::Taken { .. } => Outcome::Taken,
        Sent::Refused(_) => Outcome::GivenUp,
        // Without another provider, one that deduplicates is simply given it again.
        Sent::NotNow { retry_after, .. } | Sent::Unknown { retry_after, .. } => {
            again(claim, now, now, *retry_after)
        }
        Sent::Misconfigured(_) => Outcome::Later { not_before: now.plus(LATER_SECONDS) },
        Sent::NotSent => return None,
    };
    Some(finished(claim, outcome, sent.trouble().map(|trouble| trouble.failure)))
}

/// What becomes of a document of a hand-over; `None` leaves it unknown, to be looked up.
pub(super) fn settled(
    claim: &Claim,
    sent: Sent,
    recovery: Recovery,
    policy: UnknownPolicy,
    now: UnixSeconds,
) -> Option<Settled> {
    if let Sent::Taken { reference } = sent {
        return Some(Settled::Taken { reference });
    }
    if let Sent::Unknown { .. } = sent {
        return (recovery == Recovery::None).then(|| uncertain(claim, policy, now, now));
    }
    let said = sent.trouble().and_then(|trouble| trouble.said.clone());
    let Some(finished) = outcome(claim, &sent, now) else {
        // It was never sent: it goes back at once.
        return Some(Settled::Retry { not_before: now, counts: false, failure: Failure::NoProvider, said });
    };
    let failure = finished.failure.unwrap_or(Failure::Provider);
    Some(match finished.outcome {
        Outcome::Taken => Settled::Taken { reference: None },
        Outcome::GivenUp => Settled::GivenUp { failure, said },
        Outcome::Retry { not_before } => Settled::Retry { not_before, counts: true, failure, said },
        Outcome::Later { not_before } => Settled::Retry { not_before, counts: false, failure, said },
    })
}

/// What becomes of a document that was refused and goes on as its fallback: that is another message, with a day of its own.
pub(super) fn falls_back(refusal: Trouble, now: UnixSeconds) -> Settled {
    Settled::Retry { not_before: now, counts: false, failure: refusal.failure, said: refusal.said }
}

/// What becomes of a document of which it stays unknown whether the provider has it.
pub(super) fn uncertain(
    claim: &Claim,
    policy: UnknownPolicy,
    begun_at: UnixSeconds,
    now: UnixSeconds,
) -> Settled {
    let again_at = match policy {
        UnknownPolicy::AtMostOnce => None,
        UnknownPolicy::AtLeastOnce => match again(claim, begun_at, now, None) {
            Outcome::Retry { not_before } => Some(not_before),
            _ => None,
        },
    };
    Settled::Uncertain { again_at }
}

/// What becomes of a document that was looked up, in a hand-over that began at `begun_at`. `None` leaves it unknown, for a
/// day.
pub(super) fn looked_up(
    claim: &Claim,
    found: LookedUp,
    policy: UnknownPolicy,
    begun_at: UnixSeconds,
    now: UnixSeconds,
) -> Option<Settled> {
    let failure = Failure::Unreachable;
    match found {
        LookedUp::Taken { reference } => Some(Settled::Taken { reference }),
        LookedUp::Refused(trouble) => Some(Settled::GivenUp { failure: trouble.failure, said: trouble.said }),
        LookedUp::NotTaken => Some(match again(claim, begun_at, now, None) {
            Outcome::Retry { not_before } => Settled::Retry { not_before, counts: true, failure, said: None },
            _ => Settled::GivenUp { failure, said: None },
        }),
        LookedUp::Unknown => {
            let is_over = now.seconds_since(begun_at) >= UNKNOWN_SECONDS_MAX;
            is_over.then(|| uncertain(claim, policy, begun_at, now))
        }
    }
}

/// Counts an outcome, and logs one that is given up.
pub(super) fn count(claim: &Claim, outcome: Outcome, failure: Option<Failure>) {
    let name = match outcome {
        Outcome::Taken => "taken",
        Outcome::Retry { .. } => "retry",
        Outcome::Later { .. } => "later",
        Outcome::GivenUp if failure == Some(Failure::Dropped) => "dropped",
        Outcome::GivenUp => "given_up",
    };
    if name == "given_up" {
        let failure = failure.map(tracing::field::display);
        tracing::warn!(document = %claim.document, attempts = claim.attempts + 1, failure, "notification given up");
    }
    metrics::counter!("seoham_notifications_total", "outcome" => name).increment(1);
}

/// Counts what a hand-over's document came to.
pub(super) fn count_settled(claim: &Claim, settled: &Settled) {
    match settled {
        Settled::Taken { .. } => count(claim, Outcome::Taken, None),
        Settled::Retry { not_before, counts: true, failure, .. } => {
            count(claim, Outcome::Retry { not_before: *not_before }, Some(*failure));
        }
        Settled::Retry { not_before, failure, .. } => {
            count(claim, Outcome::Later { not_before: *not_before }, Some(*failure));
        }
        Settled::GivenUp { failure, .. } => count(claim, Outcome::GivenUp, Some(*failure)),
        Settled::Uncertain { .. } => {
            metrics::counter!("seoham_notifications_total", "outcome" => "uncertain").increment(1);
        }
        Settled::Expired => {}
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use seoham_model::document::{Categories, Content};
    use seoham_model::person::Addresses;
    use seoham_model::{BinderId, Clock, InstitutionId};
    use seoham_store::deliveries::ClaimSender;

    use super::*;

    const BEGUN: UnixSeconds = UnixSeconds(1_800_000_000);
    const DAY_SECONDS: i64 = 24 * 60 * 60;

    fn content() -> Content {
        Content {
            title: "안내문".to_owned(),
            message: None,
            bridge: None,
            link: "https://example.com/d".to_owned(),
            cs_number: "02-000-0000".to_owned(),
            cs_name: "콜센터".to_owned(),
            categories: Categories::default(),
        }
    }

    pub(crate) fn claim(attempts: u32, first_attempt_at: Option<UnixSeconds>) -> Claim {
        let clock = Clock::default();
        Claim {
            ticket: 1,
            document: BinderId::generate(&clock),
            institution: InstitutionId::generate(&clock),
            sender: Arc::new(ClaimSender::unknown()),
            addresses: Addresses::default(),
            link_token: String::new().into(),
            received: true,
            content: Arc::new(content()),
            deadline_at: BEGUN.plus(30 * DAY_SECONDS),
            attempts,
            first_attempt_at,
            as_fallback: false,
        }
    }

    #[test]
    fn what_was_not_taken_is_tried_again_later_and_later_and_given_up_after_a_day() {
        let policy = UnknownPolicy::AtLeastOnce;
        let after = |claim: &Claim, now| looked_up(claim, LookedUp::NotTaken, policy, BEGUN, now);
        let mut pauses = Vec::new();
        for attempts in [0, 4, 9] {
            let Some(Settled::Retry { not_before, counts: true, .. }) =
                after(&claim(attempts, None), BEGUN.plus(10))
            else {
                panic!("tried again")
            };
            pauses.push(not_before.seconds_since(BEGUN.plus(10)));
        }
        assert!(pauses[0] >= 1 && pauses[1] >= 16 && pauses[2] >= 450, "{pauses:?}");
        let given_up = after(&claim(50, Some(BEGUN.plus(-DAY_SECONDS))), BEGUN.plus(10));
        assert!(matches!(given_up, Some(Settled::GivenUp { .. })), "{given_up:?}");
    }

    #[test]
    fn what_stays_unknown_is_settled_after_a_day() {
        let of = |policy, age| looked_up(&claim(0, None), LookedUp::Unknown, policy, BEGUN, BEGUN.plus(age));
        assert_eq!(of(UnknownPolicy::AtLeastOnce, DAY_SECONDS - 1), None);
        for policy in [UnknownPolicy::AtLeastOnce, UnknownPolicy::AtMostOnce] {
            // Its day of attempts is over as well.
            assert_eq!(of(policy, DAY_SECONDS), Some(Settled::Uncertain { again_at: None }));
        }
    }

    #[test]
    fn an_answer_decides_what_becomes_of_a_message() {
        let trouble = || Trouble::of(Failure::Unreachable);
        let (claim, policy) = (claim(0, None), UnknownPolicy::AtMostOnce);
        let of = |sent, recovery| settled(&claim, sent, recovery, policy, BEGUN);
        let deduplicates = Recovery::Deduplicates;
        let asks = Recovery::LooksUp { after: Duration::from_secs(5) };
        for recovery in [deduplicates, asks] {
            assert_eq!(
                of(Sent::unknown(trouble()), recovery),
                None,
                "the same provider is asked, or given it again"
            );
        }
        assert_eq!(of(Sent::unknown(trouble()), Recovery::None), Some(Settled::Uncertain { again_at: None }));
        let not_now = of(Sent::NotNow { retry_after: None, trouble: trouble() }, deduplicates);
        assert!(
            matches!(not_now, Some(Settled::Retry { counts: true, .. })),
            "it does not have it: {not_now:?}"
        );
        assert!(matches!(of(Sent::NotSent, asks), Some(Settled::Retry { counts: false, .. })));
        assert!(matches!(
            of(Sent::Misconfigured(trouble()), asks),
            Some(Settled::Retry { counts: false, .. })
        ));
        assert!(matches!(of(Sent::Refused(trouble()), asks), Some(Settled::GivenUp { .. })));
    }
}
