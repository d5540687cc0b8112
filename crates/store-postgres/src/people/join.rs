//! Joining: a new member's waiting documents move into their box (SPEC 8.7).
//!
//! Two steps that commit separately, so that no document is lost in between. First the person becomes a member and is
//! recorded in `joins`, then the waiting documents move. A document whose acceptance did not see the membership yet
//! either exists before the second step, which moves it, or is claimed for delivery only after the first step, and
//! the claim then sees a member.

use seoham_model::person::Behaviour;
use seoham_model::{PersonId, UnixSeconds};
use seoham_store::box_entry::{DueEntries, joins_later_at};
use seoham_store::{Result, StoreError};

use crate::columns::{Columns, Id, uuids};
use crate::session::Session;

/// Documents moved in one step.
const MOVED_AT_ONCE: usize = 500;

pub(super) const BECOME_MEMBERS: &str = "WITH joined AS (
      UPDATE people SET member_since = $2 WHERE person_id = ANY($1::uuid[]) AND member_since IS NULL
      RETURNING person_id)
    INSERT INTO joins (person_id, due_at) SELECT person_id, $2 FROM joined
    ON CONFLICT (person_id) DO UPDATE SET due_at = least(joins.due_at, excluded.due_at)
    RETURNING person_id";

/// The first step. Returns `false` if the person is already a member.
pub(super) async fn become_member(session: &Session, person: PersonId, now: UnixSeconds) -> Result<bool> {
    Ok(!session.write("joining", BECOME_MEMBERS, &[&uuids(&[person]), &now.0]).await?.is_empty())
}

/// Starts the second step. The worker does the rest, even if this fails: the person is already a member and recorded
/// in `joins`.
pub(super) async fn move_joined(session: &Session, person: PersonId, now: UnixSeconds) {
    let moving = async {
        if move_waiting(session, person, None, now, MOVED_AT_ONCE).await? < MOVED_AT_ONCE {
            forget(session, person).await?;
        }
        Ok(())
    };
    if let Err::<(), StoreError>(error) = moving.await {
        tracing::warn!(%error, %person, "what waited for a person is left to the worker");
    }
}

/// Schedules `person` for a worker at `due_at`, unless they are scheduled earlier.
pub(crate) async fn schedule(session: &Session, person: PersonId, due_at: UnixSeconds) -> Result<()> {
    let sql = "INSERT INTO joins (person_id, due_at) VALUES ($1, $2)
               ON CONFLICT (person_id) DO UPDATE SET due_at = least(joins.due_at, excluded.due_at)";
    session.write("a join", sql, &[&person.uuid(), &due_at.0]).await.map(drop)
}

async fn forget(session: &Session, person: PersonId) -> Result<()> {
    session.write("a join", "DELETE FROM joins WHERE person_id = $1", &[&person.uuid()]).await.map(drop)
}

/// Moves at most `limit` waiting documents of one person who is due. Returns how many, or `None` if nobody is due.
pub(crate) async fn move_due(session: &Session, limit: usize, now: UnixSeconds) -> Result<Option<usize>> {
    let sql = "SELECT person_id FROM joins WHERE due_at <= $1 ORDER BY due_at LIMIT 1";
    let Some(due) = session.query_opt(sql, &[&now.0]).await? else { return Ok(None) };
    let person: PersonId = due.id("person_id")?;
    let sql = "SELECT member_since, behaviour FROM people WHERE person_id = $1";
    let Some(known) = session.query_opt(sql, &[&person.uuid()]).await? else {
        forget(session, person).await?;
        return Ok(Some(0));
    };
    let behaviour: Behaviour = known.number("behaviour")?;
    let entries = DueEntries::of(known.moment("member_since")?.is_some(), behaviour, now);
    let moved = move_waiting(session, person, entries.sent_by(), now, limit).await?;
    if moved < limit {
        forget(session, person).await?;
        if matches!(entries, DueEntries::SentBy(_))
            && let Some(sent_at) = oldest_waiting(session, person, now).await?
        {
            schedule(session, person, joins_later_at(sent_at)).await?;
        }
    }
    Ok(Some(moved))
}

// Waits for rows that another transaction is writing, then checks them again.
const MOVE: &str = "WITH waiting AS MATERIALIZED (
      SELECT document_id FROM documents
      WHERE person_id = $1 AND received_at IS NULL AND ($2::bigint IS NULL OR sent_at <= $2) AND deadline_at > $3
      ORDER BY document_id LIMIT $4),
    moved AS (
      UPDATE documents d SET received_at = greatest($3, d.sent_at)
      FROM waiting WHERE d.document_id = waiting.document_id AND d.received_at IS NULL)
    SELECT count(*) AS found FROM waiting";

/// Moves at most `limit` waiting documents. Returns how many it found, not how many it moved: documents that another
/// node moves at the same time must not look like the end.
async fn move_waiting(
    session: &Session,
    person: PersonId,
    sent_by: Option<UnixSeconds>,
    now: UnixSeconds,
    limit: usize,
) -> Result<usize> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let moved = session
        .write("moving into a box", MOVE, &[&person.uuid(), &sent_by.map(|t| t.0), &now.0, &limit])
        .await?;
    let found: i64 = moved.first().ok_or(StoreError::damaged("a count"))?.value("found")?;
    Ok(usize::try_from(found).unwrap_or(0))
}

async fn oldest_waiting(
    session: &Session,
    person: PersonId,
    now: UnixSeconds,
) -> Result<Option<UnixSeconds>> {
    let sql = "SELECT min(sent_at) AS oldest FROM documents
               WHERE person_id = $1 AND received_at IS NULL AND deadline_at > $2";
    let found = session.query_opt(sql, &[&person.uuid(), &now.0]).await?;
    Ok(found.map(|row| row.moment("oldest")).transpose()?.flatten())
}
