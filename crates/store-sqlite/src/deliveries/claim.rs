//! Claiming in turns, and looking after people who joined meanwhile.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::person::Behaviour;
use seoham_model::{BinderId, InstitutionId, PersonId, UnixSeconds};
use seoham_store::documents::Notification;
use seoham_store::personas::JOINS_LATER_SECONDS;

use super::book::{ClaimBook, State};
use crate::columns::{Id, moment};
use crate::people;

/// A claim whose text is still to be read.
pub(super) struct Taken {
    pub(super) ticket: u64,
    pub(super) document_no: i64,
    pub(super) document: BinderId,
    pub(super) institution: InstitutionId,
    pub(super) institution_name: String,
    pub(super) received: bool,
    pub(super) deadline_at: UnixSeconds,
    pub(super) attempts: u32,
    pub(super) first_attempt_at: Option<UnixSeconds>,
}

/// A row of the queue that is nobody's yet.
struct Free {
    document_no: i64,
    institution: InstitutionId,
    is_retry: bool,
    attempts: u32,
    first_attempt_at: Option<UnixSeconds>,
}

/// The tickets that a claim gave out, known even if its transaction does not commit.
#[derive(Clone, Default)]
pub(super) struct Tickets(Arc<Mutex<Vec<u64>>>);

impl Tickets {
    pub(super) fn all(&self) -> Vec<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, ticket: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(ticket);
    }
}

/// Claims up to `limit` deliveries; gives them and how many were dropped as expired.
pub(super) fn claim(
    connection: &Connection,
    book: &ClaimBook,
    tickets: &Tickets,
    limit: usize,
    lease: Duration,
    now: UnixSeconds,
) -> rusqlite::Result<(Vec<Taken>, usize)> {
    let mut state = book.lock();
    let started = Instant::now();
    state.expire_leases(started);
    // What is to be tried again has waited longest, but must not crowd out what is new.
    let mut free = due_retries(connection, &state, limit.div_ceil(4), now)?;
    let room = limit - free.len();
    free.extend(in_turns(connection, &mut state, room)?);

    let (mut taken, mut expired) = (Vec::with_capacity(free.len()), 0);
    for free in free {
        match put_into_box(connection, &free, now)? {
            None => expired += 1,
            Some(mut claim) => {
                claim.ticket = state.hold(
                    claim.document,
                    free.document_no,
                    free.institution,
                    free.is_retry,
                    started + lease,
                );
                tickets.add(claim.ticket);
                taken.push(claim);
            }
        }
    }
    Ok((taken, expired))
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
            due.push(Free {
                document_no,
                institution: row.get::<_, Id<InstitutionId>>(1)?.0,
                is_retry: true,
                attempts: row.get(2)?,
                first_attempt_at: moment(row, 3)?,
            });
        }
    }
    Ok(due)
}

/// Takes from the institutions that have work, each in its turn: an equal share first, then what
/// is left of the room in the same order. A sender of 500,000 never delays a sender of 100.
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
    let mut statement = connection.prepare_cached(
        "SELECT document_no FROM deliveries WHERE institution_id = ?1 AND document_no > ?2
         ORDER BY document_no",
    )?;
    let mut rows = statement.query(params![Id(institution), *cursor])?;
    let end = free.len() + take;
    while free.len() < end
        && let Some(row) = rows.next()?
    {
        let document_no = row.get(0)?;
        *cursor = document_no;
        if !state.is_held(document_no) {
            free.push(Free {
                document_no,
                institution,
                is_retry: false,
                attempts: 0,
                first_attempt_at: None,
            });
        }
    }
    Ok(())
}

/// Institutions that have something waiting, beginning after the one that had the last turn.
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

/// Puts one document into its recipient's box if they became a member since it was sent; `None`
/// when its deadline has passed, and then it is done with.
fn put_into_box(connection: &Connection, free: &Free, now: UnixSeconds) -> rusqlite::Result<Option<Taken>> {
    let (claim, person, member, behaviour, sent_at) = connection
        .prepare_cached(
            "SELECT d.document_id, i.name, d.received_at IS NOT NULL, d.deadline_at,
                    d.person_id, p.member_since IS NOT NULL, p.behaviour, d.sent_at
             FROM documents d JOIN people p USING (person_id) JOIN institutions i USING (institution_id)
             WHERE d.document_no = ?1",
        )?
        .query_row([free.document_no], |row| {
            let claim = Taken {
                ticket: 0,
                document_no: free.document_no,
                document: row.get::<_, Id<BinderId>>(0)?.0,
                institution: free.institution,
                institution_name: row.get(1)?,
                received: row.get(2)?,
                deadline_at: UnixSeconds(row.get(3)?),
                attempts: free.attempts,
                first_attempt_at: free.first_attempt_at,
            };
            let person = row.get::<_, Id<PersonId>>(4)?.0;
            let behaviour = Behaviour::from_number(row.get(6)?);
            Ok((claim, person, row.get::<_, bool>(5)?, behaviour, UnixSeconds(row.get(7)?)))
        })?;
    if now >= claim.deadline_at {
        super::finish::remove(connection, free.document_no, free.institution, free.is_retry)?;
        super::finish::set_notification(connection, free.document_no, Notification::Expired)?;
        return Ok(None);
    }
    if claim.received {
        return Ok(Some(claim));
    }
    if member {
        connection
            .prepare_cached(
                "UPDATE documents SET received_at = max(?2, sent_at)
                 WHERE document_no = ?1 AND received_at IS NULL",
            )?
            .execute(params![free.document_no, now.0])?;
    } else if behaviour == Behaviour::JoinsLater {
        people::schedule(connection, person, sent_at.plus(JOINS_LATER_SECONDS))?;
    }
    Ok(Some(Taken { received: member, ..claim }))
}
