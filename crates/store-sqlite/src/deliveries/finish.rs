//! Finishing claims, in the writer.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::{BinderId, EventType, InstitutionId, ParcelId, UnixSeconds};
use seoham_store::deliveries::Outcome;
use seoham_store::documents::Notification;
use seoham_store::events::Step;
use seoham_store::parcel::notices::Report;
use seoham_store::undelivered::Failure;

use super::book::Held;
use super::queue::take_off;
use super::{fallbacks, notices, undelivered};
use crate::columns::{Id, Number};
use crate::events::ledger;

/// Finishes held claims and returns their number. Accepted notifications, nearly all of them, are taken off the queue
/// together.
pub(super) fn finish(
    connection: &Connection,
    finishing: &[(Held, Outcome, Option<Failure>)],
    now: UnixSeconds,
) -> rusqlite::Result<usize> {
    let mut taken: BTreeMap<(InstitutionId, ParcelId), Vec<u8>> = BTreeMap::new();
    for (held, outcome, failure) in finishing {
        match outcome {
            Outcome::Taken if !held.is_retry => {
                let parcel = (held.institution, held.document.parcel());
                taken.entry(parcel).or_default().push(held.document.position());
            }
            Outcome::Taken => {
                remove(connection, *held, now)?;
            }
            Outcome::GivenUp => give_up(connection, *held, *failure, now)?,
            Outcome::Retry { not_before } => retry(connection, *held, *not_before, true, *failure, now)?,
            Outcome::Later { not_before } => retry(connection, *held, *not_before, false, *failure, now)?,
        }
    }
    for ((institution, parcel), positions) in taken {
        take_off(connection, institution, parcel, &positions)?;
    }
    Ok(finishing.len())
}

/// Takes claims off the queue: a hand-over decides about them from now on.
pub(crate) fn take_over(
    connection: &Connection,
    held: &[(Held, Outcome, Option<Failure>)],
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    finish(connection, held, now).map(drop)
}

/// Gives up a notification, unless the messenger reported its arrival before.
pub(super) fn give_up(
    connection: &Connection,
    held: Held,
    failure: Option<Failure>,
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    let retried = retried(connection, held)?;
    if remove(connection, held, now)? && !notices::has_arrived(connection, held.document)? {
        undelivered::note_given_up(connection, held, retried, failure, now)?;
        ledger::append(connection, &[given_up(held.institution, held.document, now)])?;
    }
    Ok(())
}

/// The step of a notification that is given up.
pub(crate) fn given_up(institution: InstitutionId, document: BinderId, now: UnixSeconds) -> Step {
    Step::of_document(institution, EventType::NoticeFailed, now, document)
}

/// Removes documents past their deadline from the queue, and records that they expired.
pub(super) fn expire(connection: &Connection, over: &[Held], now: UnixSeconds) -> rusqlite::Result<()> {
    for held in over {
        remove(connection, *held, now)?;
    }
    let expired = |held: &Held| Report { document: held.document, outcome: Notification::Expired, at: now };
    notices::record(connection, over.iter().map(expired), now)
}

/// Removes a delivery from the queue. Returns `false` if it was not there, or goes on: a messenger has reported meanwhile that
/// the notification did not arrive, and its fallback is owed.
fn remove(connection: &Connection, held: Held, now: UnixSeconds) -> rusqlite::Result<bool> {
    if !held.is_retry {
        let document = held.document;
        return Ok(take_off(connection, held.institution, document.parcel(), &[document.position()])? > 0);
    }
    if !held.as_fallback && fallbacks::is_owed(connection, held.document, now)? {
        return Ok(false);
    }
    let removed = connection
        .prepare_cached("DELETE FROM delivery_retries WHERE document_id = ?1")?
        .execute([Id(held.document)])?;
    Ok(removed > 0)
}

/// The number of previous attempts, and the time of the first.
fn retried(connection: &Connection, held: Held) -> rusqlite::Result<Option<(u32, UnixSeconds)>> {
    connection
        .prepare_cached("SELECT attempts, first_attempt_at FROM delivery_retries WHERE document_id = ?1")?
        .query_row([Id(held.document)], |row| Ok((row.get(0)?, UnixSeconds(row.get(1)?))))
        .optional()
}

fn retry(
    connection: &Connection,
    held: Held,
    not_before: UnixSeconds,
    counts: bool,
    failure: Option<Failure>,
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    let failure = failure.map(Number);
    if held.is_retry {
        // After an attempt that does not count, the day of attempts begins anew.
        connection
            .prepare_cached(
                "UPDATE delivery_retries SET attempts = attempts + ?4, not_before = ?2, failure = ?3,
                   first_attempt_at = iif(?4, first_attempt_at, ?5)
                 WHERE document_id = ?1",
            )?
            .execute(params![Id(held.document), not_before.0, failure, counts, now.0])?;
        return Ok(());
    }
    if !remove(connection, held, now)? {
        // The document was removed meanwhile, and the delivery with it: do not retry.
        return Ok(());
    }
    connection
        .prepare_cached(
            "INSERT INTO delivery_retries
               (document_id, institution_id, not_before, attempts, first_attempt_at, failure)
             VALUES (?1, ?2, ?3, ?6, ?4, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(params![Id(held.document), Id(held.institution), not_before.0, now.0, failure, counts])?;
    Ok(())
}
