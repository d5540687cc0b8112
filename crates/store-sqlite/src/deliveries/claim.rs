//! Claiming from the outbox: leases with tickets, in round robin over institutions. Claims are kept in memory and
//! read beside the writer. A claim writes only what changed about a document since it was accepted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::{InstitutionId, UnixSeconds};

use super::book::{ClaimBook, Claims, Held, State};
use super::notices;
use crate::columns::{Id, moment};
use crate::readers::ReadError;

/// A queued document that nobody holds yet.
pub(super) struct Free {
    pub(super) held: Held,
    pub(super) attempts: u32,
    pub(super) first_attempt_at: Option<UnixSeconds>,
}

/// A claim whose document is not read yet.
pub(super) struct Taken {
    pub(super) ticket: u64,
    pub(super) of: Free,
}

/// Claims up to `limit` deliveries and reads what their notifications need.
pub(super) fn claim(
    connection: &Connection,
    vault: &seoham_vault::Vault,
    book: &Arc<ClaimBook>,
    limit: usize,
    lease: Duration,
    now: UnixSeconds,
) -> Result<(Claims, notices::Read), ReadError> {
    let mut claims = Claims::of(book);
    let mut state = book.lock();
    // A claim is released only after its outcome was written, and releasing takes this lock. The snapshot starts
    // under the lock too, so it shows no delivery that is finished but still queued.
    let snapshot = connection.unchecked_transaction()?;
    let started = Instant::now();
    state.expire_leases(started);
    // Retries have waited longest, but must not crowd out new documents.
    let mut free = due_retries(connection, &state, limit.div_ceil(4), now)?;
    let room = limit - free.len();
    free.extend(in_turns(connection, &mut state, room)?);
    let mut taken = Vec::with_capacity(free.len());
    for of in free {
        let ticket = state.hold(of.held, started + lease);
        claims.add(ticket);
        taken.push(Taken { ticket, of });
    }
    drop(state);
    drop(snapshot);
    let read = notices::read(connection, vault, taken, now)?;
    Ok((claims, read))
}

fn due_retries(
    connection: &Connection,
    state: &State,
    limit: usize,
    now: UnixSeconds,
) -> rusqlite::Result<Vec<Free>> {
    let mut statement = connection.prepare_cached(
        "SELECT document_no, institution_id, attempts, first_attempt_at FROM delivery_retries
         WHERE not_before <= ?1 ORDER BY not_before",
    )?;
    let mut rows = statement.query([now.0])?;
    let mut due = Vec::new();
    while due.len() < limit
        && let Some(row) = rows.next()?
    {
        let document_no = row.get(0)?;
        if !state.is_held(document_no) {
            let institution = row.get::<_, Id<InstitutionId>>(1)?.0;
            due.push(Free {
                held: Held { document_no, institution, is_retry: true },
                attempts: row.get(2)?,
                first_attempt_at: moment(row, 3)?,
            });
        }
    }
    Ok(due)
}

/// Takes deliveries from the institutions in round robin: first an equal share for each, then the remaining room in
/// the same order. A sender of 500,000 never delays a sender of 100.
fn in_turns(connection: &Connection, state: &mut State, room: usize) -> rusqlite::Result<Vec<Free>> {
    let institutions = with_work(connection, state.last_served, room)?;
    let mut free: Vec<Free> = Vec::new();
    if institutions.is_empty() || room == 0 {
        return Ok(free);
    }
    let share = (room / institutions.len()).max(1);
    let mut cursors = vec![0; institutions.len()];
    for take in [share, room] {
        for (institution, cursor) in institutions.iter().zip(&mut cursors) {
            let take = take.min(room - free.len());
            if take == 0 {
                return Ok(free);
            }
            let before = free.len();
            next_of(connection, state, *institution, cursor, take, &mut free)?;
            if free.len() > before {
                state.last_served = Some(*institution);
            }
        }
    }
    Ok(free)
}

fn next_of(
    connection: &Connection,
    state: &State,
    institution: InstitutionId,
    cursor: &mut i64,
    take: usize,
    free: &mut Vec<Free>,
) -> rusqlite::Result<()> {
    // A row that starts before the cursor may still extend past it.
    let mut statement = connection.prepare_cached(
        "SELECT max(first_no, ?2 + 1), last_no FROM delivery_ranges
         WHERE institution_id = ?1 AND last_no > ?2 ORDER BY first_no",
    )?;
    let mut rows = statement.query(params![Id(institution), *cursor])?;
    let end = free.len() + take;
    while let Some(row) = rows.next()? {
        for document_no in row.get(0)?..=row.get(1)? {
            if free.len() == end {
                return Ok(());
            }
            *cursor = document_no;
            if !state.is_held(document_no) {
                let held = Held { document_no, institution, is_retry: false };
                free.push(Free { held, attempts: 0, first_attempt_at: None });
            }
        }
    }
    Ok(())
}

/// Institutions with queued documents, starting after the one that had the last turn.
fn with_work(
    connection: &Connection,
    last_served: Option<InstitutionId>,
    limit: usize,
) -> rusqlite::Result<Vec<InstitutionId>> {
    let mut next = connection.prepare_cached(
        "SELECT institution_id FROM delivery_ranges WHERE institution_id > ?1 ORDER BY institution_id LIMIT 1",
    )?;
    let mut after =
        |bytes: Vec<u8>| next.query_row([bytes], |row| row.get::<_, Id<InstitutionId>>(0)).optional();
    let first = last_served.map_or_else(Vec::new, |id| id.as_bytes().to_vec());
    let mut found = Vec::new();
    let mut at = first;
    let mut wrapped = last_served.is_none();
    while found.len() < limit {
        match after(at)? {
            Some(Id(id)) if found.first() == Some(&id) => break,
            Some(Id(id)) => {
                found.push(id);
                at = id.as_bytes().to_vec();
                if wrapped && last_served == Some(id) {
                    break;
                }
            }
            None if wrapped => break,
            None => {
                wrapped = true;
                at = Vec::new();
            }
        }
    }
    Ok(found)
}
