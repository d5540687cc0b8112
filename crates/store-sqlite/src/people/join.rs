//! Joining: a new member's waiting documents move into their box (SPEC 8.7).

use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::person::Behaviour;
use seoham_model::{PersonId, UnixSeconds};
use seoham_store::box_entry::{DueEntries, joins_later_at};

use crate::box_index::{BoxIndex, PersonDocuments, newest_first};
use crate::columns::{Id, number};

/// Documents moved in one step. The worker moves the rest, to keep transactions short.
const MOVED_AT_ONCE: usize = 500;

/// Makes a person a member and moves the first of their waiting documents.
pub(crate) fn join(
    connection: &Connection,
    box_index: &BoxIndex,
    person: PersonId,
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    let joined = connection
        .prepare_cached("UPDATE people SET member_since = ?2 WHERE person_id = ?1 AND member_since IS NULL")?
        .execute(params![Id(person), now.0])?;
    if joined == 0 {
        return Ok(());
    }
    let documents = box_index.documents(person);
    if move_waiting(connection, &documents, None, now, MOVED_AT_ONCE)? == MOVED_AT_ONCE {
        schedule(connection, person, now)?;
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
) -> rusqlite::Result<Option<usize>> {
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
    let documents = box_index.documents(person);
    let moved = move_waiting(connection, &documents, entries.sent_by(), now, limit)?;
    if moved < limit {
        connection.prepare_cached("DELETE FROM joins WHERE person_id = ?1")?.execute([Id(person)])?;
        if matches!(entries, DueEntries::SentBy(_))
            && let Some(sent_at) = oldest_waiting(connection, &documents, now)?
        {
            schedule(connection, person, joins_later_at(sent_at))?;
        }
    }
    Ok(Some(moved))
}

fn move_waiting(
    connection: &Connection,
    documents: &PersonDocuments,
    sent_by: Option<UnixSeconds>,
    now: UnixSeconds,
    limit: usize,
) -> rusqlite::Result<usize> {
    let mut update = connection.prepare_cached(
        "UPDATE documents SET received_at = max(?3, sent_at)
         WHERE document_no = ?1 AND person_id = ?4 AND received_at IS NULL AND (?2 IS NULL OR sent_at <= ?2)
           AND deadline_at > ?3",
    )?;
    let mut moved = 0;
    newest_first(connection, documents, i64::MAX, |document_no| {
        moved += update.execute(params![document_no, sent_by.map(|t| t.0), now.0, Id(documents.person)])?;
        Ok(if moved < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(moved)
}

fn oldest_waiting(
    connection: &Connection,
    documents: &PersonDocuments,
    now: UnixSeconds,
) -> rusqlite::Result<Option<UnixSeconds>> {
    let mut waiting = connection.prepare_cached(
        "SELECT sent_at FROM documents
         WHERE document_no = ?1 AND person_id = ?3 AND received_at IS NULL AND deadline_at > ?2",
    )?;
    let mut oldest = None;
    newest_first(connection, documents, i64::MAX, |document_no| {
        let sent_at: Option<i64> = waiting
            .query_row(params![document_no, now.0, Id(documents.person)], |row| row.get(0))
            .optional()?;
        oldest = oldest.into_iter().chain(sent_at).min();
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(oldest.map(UnixSeconds))
}
