//! Claiming from the outbox: leases with tickets, in round robin over institutions. Claims are kept in memory and
//! read beside the writer. A claim writes only what changed about a document since it was accepted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::{BinderId, InstitutionId, ParcelId, UnixSeconds};
use seoham_store::parcel::head::DOCUMENTS_MAX;

use super::announced;
use super::book::{ClaimBook, Claims, Held, State};
use crate::columns::{Id, moment};

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
) -> rusqlite::Result<(Claims, announced::Read)> {
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
    let read = announced::read(connection, vault, &taken, now)?;
    Ok((claims, read))
}

fn due_retries(
    connection: &Connection,
    state: &State,
    limit: usize,
    now: UnixSeconds,
) -> rusqlite::Result<Vec<Free>> {
    let mut statement = connection.prepare_cached(
        "SELECT document_id, institution_id, attempts, first_attempt_at,
           EXISTS (SELECT 1 FROM fallback_notices f WHERE f.document_id = r.document_id)
         FROM delivery_retries r WHERE not_before <= ?1 ORDER BY not_before",
    )?;
    let mut rows = statement.query([now.0])?;
    let mut due = Vec::new();
    while due.len() < limit
        && let Some(row) = rows.next()?
    {
        let document = row.get::<_, Id<BinderId>>(0)?.0;
        if !state.is_held(document) {
            let institution = row.get::<_, Id<InstitutionId>>(1)?.0;
            due.push(Free {
                held: Held { document, institution, is_retry: true, as_fallback: row.get(4)? },
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
    let mut cursors = vec![None; institutions.len()];
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
    cursor: &mut Option<BinderId>,
    take: usize,
    free: &mut Vec<Free>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT parcel_id, positions FROM deliveries WHERE institution_id = ?1 AND parcel_id >= ?2 ORDER BY parcel_id",
    )?;
    let from = cursor.map_or(ParcelId::first_at(0), BinderId::parcel);
    let mut rows = statement.query(params![Id(institution), Id(from)])?;
    let end = free.len() + take;
    while let Some(row) = rows.next()? {
        let parcel = row.get::<_, Id<ParcelId>>(0)?.0;
        for position in row.get_ref(1)?.as_blob()? {
            if free.len() == end {
                return Ok(());
            }
            if usize::from(*position) >= DOCUMENTS_MAX {
                tracing::error!(%parcel, "positions of a delivery are damaged");
                continue;
            }
            let document = parcel.document(*position);
            if cursor.is_some_and(|cursor| document <= cursor) {
                continue;
            }
            *cursor = Some(document);
            if !state.is_held(document) {
                let held = Held { document, institution, is_retry: false, as_fallback: false };
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
        "SELECT institution_id FROM deliveries WHERE institution_id > ?1 ORDER BY institution_id LIMIT 1",
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
