//! Finishing claims.

use std::collections::HashSet;

use seoham_model::{BinderId, EventType, InstitutionId, UnixSeconds};
use seoham_store::Result;
use seoham_store::deliveries::{Finished, Outcome};
use seoham_store::handovers::HandoverClaim;
use seoham_store::undelivered::Failure;
use uuid::Uuid;

use crate::columns::{Columns, Id, Number};
use crate::session::{Param, Session};

/// Finishes only what is still held under its ticket: a worker whose lease expired changes nothing. The unfinished
/// documents of a row stay in it. Outcomes are those of [`DoneOutcome`].
const FINISH: &str = include_str!("finish.sql");

/// The outcome of a held delivery.
#[derive(Clone, Copy)]
pub(super) struct Done {
    pub(super) institution: InstitutionId,
    pub(super) document: BinderId,
    pub(super) ticket: i64,
    pub(super) outcome: DoneOutcome,
    pub(super) failure: Option<Failure>,
}

#[derive(Clone, Copy)]
pub(super) enum DoneOutcome {
    Taken,
    Retry {
        not_before: UnixSeconds,
    },
    /// Back to the queue without an attempt.
    Later {
        not_before: UnixSeconds,
    },
    GivenUp,
    /// Past its deadline, or its document was removed.
    Expired,
}

impl DoneOutcome {
    fn numbers(self) -> (i16, i64) {
        match self {
            Self::Taken => (0, 0),
            Self::Retry { not_before } => (1, not_before.0),
            Self::Later { not_before } => (4, not_before.0),
            Self::GivenUp => (2, 0),
            Self::Expired => (3, 0),
        }
    }
}

impl From<&Finished> for Done {
    fn from(finished: &Finished) -> Self {
        let outcome = match finished.outcome {
            Outcome::Taken => DoneOutcome::Taken,
            Outcome::Retry { not_before } => DoneOutcome::Retry { not_before },
            Outcome::Later { not_before } => DoneOutcome::Later { not_before },
            Outcome::GivenUp => DoneOutcome::GivenUp,
        };
        let ticket = i64::try_from(finished.ticket).unwrap_or(0);
        Self {
            institution: finished.institution,
            document: finished.document,
            ticket,
            outcome,
            failure: finished.failure,
        }
    }
}

/// The result of finishing.
#[derive(Default)]
pub(super) struct AllFinished {
    /// Finished documents, each with the ticket under which it was held.
    pub(super) documents: HashSet<(BinderId, i64)>,
    /// Rows of the queue that left dead versions to vacuum.
    pub(super) rows_gone: usize,
}

/// Finishes the deliveries that are still held.
pub(super) async fn finish(session: &Session, done: &[Done], now: UnixSeconds) -> Result<AllFinished> {
    if done.is_empty() {
        return Ok(AllFinished::default());
    }
    let institutions: Vec<Uuid> = done.iter().map(|d| d.institution.uuid()).collect();
    let parcels: Vec<Uuid> = done.iter().map(|d| d.document.parcel().uuid()).collect();
    let positions: Vec<i32> = done.iter().map(|d| d.document.position().into()).collect();
    let tickets: Vec<i64> = done.iter().map(|d| d.ticket).collect();
    let (outcomes, not_before): (Vec<i16>, Vec<i64>) = done.iter().map(|d| d.outcome.numbers()).unzip();
    let failures: Vec<Option<Number<Failure>>> = done.iter().map(|d| d.failure.map(Number)).collect();
    let mut each_ticket = tickets.clone();
    each_ticket.sort_unstable();
    each_ticket.dedup();
    let notice_failed = Number(EventType::NoticeFailed);
    let params: [Param<'_>; 10] = [
        &institutions,
        &parcels,
        &positions,
        &tickets,
        &outcomes,
        &not_before,
        &failures,
        &now.0,
        &each_ticket,
        &notice_failed,
    ];
    let rows = session.write("finished deliveries", FINISH, &params).await?;
    let mut finished = AllFinished::default();
    for row in &rows {
        finished.documents.insert((row.id("document_id")?, row.value("ticket")?));
        finished.rows_gone = usize::try_from(row.value::<i64>("rows_gone")?).unwrap_or(0);
    }
    Ok(finished)
}

/// Takes claims off the queue: a hand-over decides about them from now on. Returns those that were still held, and how
/// many rows of the queue that removed.
pub(crate) async fn take_over(
    session: &Session,
    claims: &[HandoverClaim],
    now: UnixSeconds,
) -> Result<(HashSet<BinderId>, usize)> {
    let taken = |claim: &HandoverClaim| Done {
        institution: claim.handed.institution,
        document: claim.handed.document,
        ticket: i64::try_from(claim.ticket).unwrap_or(0),
        outcome: DoneOutcome::Taken,
        failure: None,
    };
    let finished = finish(session, &claims.iter().map(taken).collect::<Vec<_>>(), now).await?;
    let documents = finished.documents.into_iter().map(|(document, _)| document).collect();
    Ok((documents, finished.rows_gone))
}
