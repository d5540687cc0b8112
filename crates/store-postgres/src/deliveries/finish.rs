//! Finishing claims and recording the messenger's reports.

use std::collections::{BTreeMap, HashSet};

use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::Result;
use seoham_store::deliveries::{Finished, Outcome, Receipt};
use seoham_store::documents::Notification;
use seoham_store::undelivered::Failure;
use uuid::Uuid;

use crate::columns::{Columns, Id, Number};
use crate::session::{Param, Session};

/// Finishes only what is still held under its ticket: a worker whose lease expired changes nothing. The unfinished
/// documents of a parcel stay in its row. Outcomes are those of [`DoneOutcome`].
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
    GivenUp,
    /// Past its deadline, or its document was removed.
    Expired,
}

impl DoneOutcome {
    fn numbers(self) -> (i16, i64) {
        match self {
            Self::Taken => (0, 0),
            Self::Retry { not_before } => (1, not_before.0),
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
    let documents: Vec<Uuid> = done.iter().map(|d| d.document.uuid()).collect();
    let tickets: Vec<i64> = done.iter().map(|d| d.ticket).collect();
    let (outcomes, not_before): (Vec<i16>, Vec<i64>) = done.iter().map(|d| d.outcome.numbers()).unzip();
    let (given_up, expired) = (Number(Notification::GivenUp), Number(Notification::Expired));
    let failures: Vec<Option<Number<Failure>>> = done.iter().map(|d| d.failure.map(Number)).collect();
    let mut each_ticket = tickets.clone();
    each_ticket.sort_unstable();
    each_ticket.dedup();
    let params: [Param<'_>; 10] = [
        &institutions,
        &documents,
        &tickets,
        &outcomes,
        &not_before,
        &now.0,
        &given_up,
        &expired,
        &each_ticket,
        &failures,
    ];
    let rows = session.write("finished deliveries", FINISH, &params).await?;
    let mut finished = AllFinished::default();
    for row in &rows {
        finished.documents.insert((row.id("document_id")?, row.value("ticket")?));
        finished.rows_gone = usize::try_from(row.value::<i64>("rows_gone")?).unwrap_or(0);
    }
    Ok(finished)
}

/// The usual report changes no indexed column, so that the database can store the new row version on the same page
/// (see the fillfactor of the monthly partitions). Only the time records that the message arrived.
const DELIVERED: &str = "UPDATE documents d
    SET notified_at = greatest(d.sent_at, least(report.at, $3)),
        notification = CASE d.notification WHEN 0 THEN 0 ELSE $4::smallint END
    FROM unnest($1::uuid[], $2::bigint[]) AS report (id, at)
    WHERE d.document_id = report.id AND d.notified_at IS NULL";

const FAILED: &str = "UPDATE documents d SET notification = $2
    FROM unnest($1::uuid[]) AS report (id)
    WHERE d.document_id = report.id AND d.notification = 0 AND d.notified_at IS NULL";

/// Records reports. If a document has several, the first counts.
pub(super) async fn record_receipts(session: &Session, receipts: &[Receipt], now: UnixSeconds) -> Result<()> {
    let (mut delivered, mut failed) = (BTreeMap::<BinderId, i64>::new(), Vec::new());
    for receipt in receipts {
        if receipt.delivered {
            delivered.entry(receipt.document).or_insert(receipt.at.0);
        } else {
            failed.push(receipt.document.uuid());
        }
    }
    if !failed.is_empty() {
        failed.sort();
        failed.dedup();
        let outcome = Number(Notification::Failed);
        session.write("reports", FAILED, &[&failed, &outcome]).await?;
    }
    if !delivered.is_empty() {
        let (ids, times): (Vec<Uuid>, Vec<i64>) =
            delivered.into_iter().map(|(id, at)| (id.uuid(), at)).unzip();
        let outcome = Number(Notification::Delivered);
        session.write("reports", DELIVERED, &[&ids, &times, &now.0, &outcome]).await?;
    }
    Ok(())
}
