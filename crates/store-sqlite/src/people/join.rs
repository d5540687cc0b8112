//! Joining: a new member's waiting documents move into their box (SPEC 8.7).

use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::person::Behaviour;
use seoham_model::{EventType, PersonId, UnixSeconds};
use seoham_store::box_entry::{DueEntries, UNREADABLE_SECONDS, Waiting, joins_later_at};
use seoham_store::events::Step;
use seoham_store::parcel::{StoredDocument, mark};

use crate::box_index::BoxIndex;
use crate::columns::{Id, number};
use crate::documents::rows;
use crate::events::ledger;
use crate::writer::WriteError;

/// Documents moved in one step. The worker moves the rest, to keep transactions short.
const MOVED_AT_ONCE: usize = 500;

/// Documents read at once.
const READ_AT_ONCE: usize = 100;

/// Makes a person a member and moves the first of their waiting documents.
pub(crate) fn join(
    connection: &Connection,
    box_index: &BoxIndex,
    person: PersonId,
    now: UnixSeconds,
) -> Result<(), WriteError> {
    let joined = connection
        .prepare_cached("UPDATE people SET member_since = ?2 WHERE person_id = ?1 AND member_since IS NULL")?
        .execute(params![Id(person), now.0])?;
    if joined == 0 {
        return Ok(());
    }
    let moved = move_waiting(connection, box_index, person, None, now, MOVED_AT_ONCE)?;
    if moved.is_full() {
        schedule(connection, person, now)?;
    } else if moved.has_unreadable {
        schedule(connection, person, now.plus(UNREADABLE_SECONDS))?;
    }
    Ok(())
}

/// Schedules `person` for the worker at `due_at`, unless they are scheduled earlier.
pub(crate) fn schedule(
    connection: &Connection,
    person: PersonId,
    due_at: UnixSeconds,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO joins (person_id, due_at) VALUES (?1, ?2)
             ON CONFLICT (person_id) DO UPDATE SET due_at = min(due_at, excluded.due_at)",
        )?
        .execute(params![Id(person), due_at.0])?;
    Ok(())
}

/// Moves at most `limit` waiting documents of one person who is due. Returns how many, or `None` if nobody is due.
pub(crate) fn move_due(
    connection: &Connection,
    box_index: &BoxIndex,
    limit: usize,
    now: UnixSeconds,
) -> Result<Option<usize>, WriteError> {
    let due = connection
        .prepare_cached(
            "SELECT j.person_id, p.member_since IS NOT NULL, p.behaviour
             FROM joins j JOIN people p USING (person_id) WHERE j.due_at <= ?1 ORDER BY j.due_at LIMIT 1",
        )?
        .query_row([now.0], |row| {
            Ok((row.get::<_, Id<PersonId>>(0)?.0, row.get::<_, bool>(1)?, number::<Behaviour>(row, 2)?))
        })
        .optional()?;
    let Some((person, member, behaviour)) = due else { return Ok(None) };

    let entries = DueEntries::of(member, behaviour, now);
    let moved = move_waiting(connection, box_index, person, entries.sent_by(), now, limit)?;
    if !moved.is_full() {
        connection.prepare_cached("DELETE FROM joins WHERE person_id = ?1")?.execute([Id(person)])?;
        if moved.has_unreadable {
            // It may be repaired by then.
            schedule(connection, person, now.plus(UNREADABLE_SECONDS))?;
        }
        if matches!(entries, DueEntries::SentBy(_))
            && let Some(sent_at) = oldest_waiting(connection, box_index, person, now)?
        {
            schedule(connection, person, joins_later_at(sent_at))?;
        }
    }
    Ok(Some(moved.documents.len()))
}

/// Moves at most `limit` waiting documents. Returns them.
fn move_waiting(
    connection: &Connection,
    box_index: &BoxIndex,
    person: PersonId,
    sent_by: Option<UnixSeconds>,
    now: UnixSeconds,
    limit: usize,
) -> Result<Waiting, WriteError> {
    let waiting = waiting(connection, box_index, person, sent_by, now, limit)?;
    enter_boxes(connection, waiting.documents.iter(), now)?;
    Ok(waiting)
}

/// Moves documents into the boxes of their recipients.
pub(crate) fn enter_boxes<'a>(
    connection: &Connection,
    documents: impl Iterator<Item = &'a StoredDocument>,
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    let mut enter = connection.prepare_cached(
        "INSERT INTO marks (document_id, person_id, received_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (document_id) DO UPDATE SET received_at = excluded.received_at
         WHERE received_at IS NULL AND withdrawn_at IS NULL",
    )?;
    for document in documents {
        let at = mark::received_at(document.times.sent_at, now);
        if enter.execute(params![Id(document.id), Id(document.person), at.0])? > 0 {
            let step = Step::of_document(document.institution, EventType::Received, at, document.id);
            ledger::append(connection, &[step])?;
        }
    }
    Ok(())
}

/// At most `limit` documents that wait for a person, oldest first; with `sent_by`, only those sent by then.
fn waiting(
    connection: &Connection,
    box_index: &BoxIndex,
    person: PersonId,
    sent_by: Option<UnixSeconds>,
    now: UnixSeconds,
    limit: usize,
) -> Result<Waiting, WriteError> {
    let mut ids = box_index.documents_of(connection, person)?;
    ids.reverse();
    let mut waiting = Waiting::new(person, sent_by, limit, now);
    for ids in ids.chunks(READ_AT_ONCE) {
        waiting.add(ids, rows::documents(connection, None, ids)?);
        if waiting.is_full() {
            break;
        }
    }
    Ok(waiting)
}

fn oldest_waiting(
    connection: &Connection,
    box_index: &BoxIndex,
    person: PersonId,
    now: UnixSeconds,
) -> Result<Option<UnixSeconds>, WriteError> {
    let waiting = waiting(connection, box_index, person, None, now, 1)?;
    Ok(waiting.documents.first().map(|document| document.times.sent_at))
}
