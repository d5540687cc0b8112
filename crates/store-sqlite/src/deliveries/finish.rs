//! Finishing claims and recording the messenger's reports, in the writer.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::{InstitutionId, UnixSeconds};
use seoham_store::deliveries::{Outcome, Receipt};
use seoham_store::documents::Notification;
use seoham_store::undelivered::Failure;

use super::book::Held;
use super::ranges::{runs, take_out};
use super::undelivered;
use crate::columns::{Id, Number};

/// Finishes held claims and returns how many were still queued. Delivered notifications, nearly all of them, are
/// removed from the queue together.
pub(super) fn finish(
    connection: &Connection,
    finishing: &[(Held, Outcome, Option<Failure>)],
    now: UnixSeconds,
) -> rusqlite::Result<usize> {
    let mut taken: BTreeMap<InstitutionId, Vec<i64>> = BTreeMap::new();
    for (held, outcome, failure) in finishing {
        match outcome {
            Outcome::Taken if !held.is_retry => {
                taken.entry(held.institution).or_default().push(held.document_no);
            }
            Outcome::Taken => {
                remove(connection, *held)?;
            }
            Outcome::GivenUp => {
                let retried = retried(connection, *held)?;
                remove(connection, *held)?;
                set_notification(connection, held.document_no, Notification::GivenUp)?;
                undelivered::note_given_up(connection, held.document_no, retried, *failure, now)?;
            }
            Outcome::Retry { not_before } => retry(connection, *held, *not_before, *failure, now)?,
        }
    }
    for (institution, mut numbers) in taken {
        for (first, last) in runs(&mut numbers) {
            take_out(connection, institution, first, last)?;
        }
    }
    Ok(finishing.len())
}

/// Removes documents past their deadline from the queue, and records that they expired.
pub(super) fn expire(connection: &Connection, over: &[Held]) -> rusqlite::Result<()> {
    for held in over {
        remove(connection, *held)?;
        set_notification(connection, held.document_no, Notification::Expired)?;
    }
    Ok(())
}

/// Removes a delivery from the queue. Returns `false` if it was not there.
fn remove(connection: &Connection, held: Held) -> rusqlite::Result<bool> {
    if !held.is_retry {
        return Ok(take_out(connection, held.institution, held.document_no, held.document_no)? > 0);
    }
    let removed = connection
        .prepare_cached("DELETE FROM delivery_retries WHERE document_no = ?1")?
        .execute([held.document_no])?;
    Ok(removed > 0)
}

/// The number of previous attempts, and the time of the first.
fn retried(connection: &Connection, held: Held) -> rusqlite::Result<Option<(u32, UnixSeconds)>> {
    connection
        .prepare_cached("SELECT attempts, first_attempt_at FROM delivery_retries WHERE document_no = ?1")?
        .query_row([held.document_no], |row| Ok((row.get(0)?, UnixSeconds(row.get(1)?))))
        .optional()
}

/// Records an outcome, unless a report from the messenger came first.
fn set_notification(
    connection: &Connection,
    document_no: i64,
    outcome: Notification,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE documents SET notification = ?2 WHERE document_no = ?1 AND notification = 0")?
        .execute(params![document_no, Number(outcome)])?;
    Ok(())
}

fn retry(
    connection: &Connection,
    held: Held,
    not_before: UnixSeconds,
    failure: Option<Failure>,
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    let failure = failure.map(Number);
    if held.is_retry {
        connection
            .prepare_cached(
                "UPDATE delivery_retries SET attempts = attempts + 1, not_before = ?2, failure = ?3
                 WHERE document_no = ?1",
            )?
            .execute(params![held.document_no, not_before.0, failure])?;
        return Ok(());
    }
    if !remove(connection, held)? {
        // The document was removed meanwhile, and the delivery with it: do not retry.
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO delivery_retries
               (document_no, institution_id, not_before, attempts, first_attempt_at, failure)
             VALUES (?1, ?2, ?3, 1, ?4, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(params![held.document_no, Id(held.institution), not_before.0, now.0, failure])?;
    Ok(())
}

pub(super) fn record_receipts(
    connection: &Connection,
    receipts: &[Receipt],
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    let mut delivered = connection.prepare_cached(
        "UPDATE documents SET notified_at = max(sent_at, min(?2, ?3)), notification = ?4
         WHERE document_id = ?1 AND notified_at IS NULL",
    )?;
    let mut failed = connection.prepare_cached(
        "UPDATE documents SET notification = ?2 WHERE document_id = ?1 AND notification = 0",
    )?;
    for receipt in receipts {
        if receipt.delivered {
            let outcome = Number(Notification::Delivered);
            delivered.execute(params![Id(receipt.document), receipt.at.0, now.0, outcome])?;
        } else {
            failed.execute(params![Id(receipt.document), Number(Notification::Failed)])?;
        }
    }
    Ok(())
}
