//! What an answer of a provider means for a document's notification.

use seoham_model::UnixSeconds;
use seoham_store::deliveries::{Claim, Finished, Outcome};
use seoham_store::handovers::Settled;
use seoham_store::undelivered::Failure;

use super::UnknownPolicy;
use crate::provider::{Recovery, Sent, Trouble};
use crate::retry::after_failure;

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

/// What becomes of a claim; `None` leaves it to its lease.
pub(super) fn outcome(claim: &Claim, sent: &Sent, now: UnixSeconds) -> Option<Finished> {
    let retry = |retry_after| {
        let first_attempt_at = claim.first_attempt_at.unwrap_or(now);
        after_failure(claim.attempts, first_attempt_at, now, claim.deadline_at, retry_after, rand::random())
    };
    let outcome = match sent {
        Sent::Taken { .. } => Outcome::Taken,
        Sent::Refused(_) => Outcome::GivenUp,
        Sent::NotNow { retry_after, .. } => retry(*retry_after),
        // A provider that deduplicates is simply asked again.
        Sent::Unknown(_) => retry(None),
        Sent::Misconfigured(_) => Outcome::Later { not_before: now.plus(LATER_SECONDS) },
        Sent::NotSent => return None,
    };
    Some(finished(claim, outcome, trouble(sent).map(|trouble| trouble.failure)))
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
    if let Sent::Unknown(_) = sent
        && recovery != Recovery::Deduplicates
    {
        return (recovery == Recovery::None).then(|| uncertain(claim, policy, now));
    }
    let said = trouble(&sent).and_then(|trouble| trouble.said.clone());
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

/// What becomes of a document of which it stays unknown whether the provider has it.
pub(super) fn uncertain(claim: &Claim, policy: UnknownPolicy, now: UnixSeconds) -> Settled {
    let again_at = match policy {
        UnknownPolicy::AtMostOnce => None,
        UnknownPolicy::AtLeastOnce => {
            let first_attempt_at = claim.first_attempt_at.unwrap_or(now);
            match after_failure(
                claim.attempts,
                first_attempt_at,
                now,
                claim.deadline_at,
                None,
                rand::random(),
            ) {
                Outcome::Retry { not_before } => Some(not_before),
                _ => None,
            }
        }
    };
    Settled::Uncertain { again_at }
}

fn trouble(sent: &Sent) -> Option<&Trouble> {
    match sent {
        Sent::Refused(trouble)
        | Sent::NotNow { trouble, .. }
        | Sent::Misconfigured(trouble)
        | Sent::Unknown(trouble) => Some(trouble),
        Sent::Taken { .. } | Sent::NotSent => None,
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
            tracing::warn!(document = %claim.document,
                "it is unknown whether the messenger has a notification: seoham admin messenger uncertain");
            metrics::counter!("seoham_notifications_total", "outcome" => "uncertain").increment(1);
        }
        Settled::Expired => {}
    }
}
