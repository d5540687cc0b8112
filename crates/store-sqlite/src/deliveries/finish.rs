//! Finishing claims and recording the messenger's reports, in the writer.

use rusqlite::{Connection, params};
use seoham_model::{InstitutionId, UnixSeconds};
use seoham_store::deliveries::{Finished, Outcome, Receipt};
use seoham_store::documents::Notification;

use super::book::{ClaimBook, Held};
use crate::columns::Id;

/// Finishes what is still held under its ticket; gives how many that were.
pub(super) fn finish(
    connection: &Connection,
    book: &ClaimBook,
    finished: &[Finished],
    now: UnixSeconds,
) -> rusqlite::Result<usize> {
    let mut counted = 0;
    for done in finished {
        // Looked at here, in the writer, where claims are made too: nobody can have claimed it
        // anew in between.
        let held = book.lock().held(done.ticket).filter(|held| held.document == done.document);
        let Some(held) = held else { continue };
        counted += 1;
        match done.outcome {
            Outcome::Taken => {
                remove(connection, held.document_no, held.institution, held.is_retry)?;
            }
            Outcome::GivenUp => {
                remove(connection, held.document_no, held.institution, held.is_retry)?;
                set_notification(connection, held.document_no, Notification::GivenUp)?;
            }
            Outcome::Retry { not_before } => retry(connection, held, not_before, now)?,
        }
    }
    Ok(counted)
}

/// Takes a delivery from the queue; `false` when it was not there.
pub(super) fn remove(
    connection: &Connection,
    document_no: i64,
    institution: InstitutionId,
    is_retry: bool,
) -> rusqlite::Result<bool> {
    let removed = if is_retry {
        connection
            .prepare_cached("DELETE FROM delivery_retries WHERE document_no = ?1")?
            .execute([document_no])?
    } else {
        connection
            .prepare_cached("DELETE FROM deliveries WHERE institution_id = ?1 AND document_no = ?2")?
            .execute(params![Id(institution), document_no])?
    };
    Ok(removed > 0)
}

/// Notes an outcome that is not overtaken by a report of the messenger.
pub(super) fn set_notification(
    connection: &Connection,
    document_no: i64,
    outcome: Notification,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE documents SET notification = ?2 WHERE document_no = ?1 AND notification = 0")?
        .execute(params![document_no, outcome.as_number()])?;
    Ok(())
}

fn retry(
    connection: &Connection,
    held: Held,
    not_before: UnixSeconds,
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    if held.is_retry {
        connection
            .prepare_cached(
                "UPDATE delivery_retries SET attempts = attempts + 1, not_before = ?2 WHERE document_no = ?1",
            )?
            .execute(params![held.document_no, not_before.0])?;
        return Ok(());
    }
    if !remove(connection, held.document_no, held.institution, false)? {
        // Removed meanwhile, with its document: what is no longer kept is not announced either.
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO delivery_retries (document_no, institution_id, not_before, attempts, first_attempt_at)
             VALUES (?1, ?2, ?3, 1, ?4) ON CONFLICT DO NOTHING",
        )?
        .execute(params![held.document_no, Id(held.institution), not_before.0, now.0])?;
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
            delivered.execute(params![
                Id(receipt.document),
                receipt.at.0,
                now.0,
                Notification::Delivered.as_number()
            ])?;
        } else {
            failed.execute(params![Id(receipt.document), Notification::Failed.as_number()])?;
        }
    }
    Ok(())
}
