//! Joining: a new member's waiting documents move into their box (SPEC 8.7).
//!
//! Two steps that commit separately, so that no document is lost in between. First the person becomes a member and is
//! recorded in `joins`, then the waiting documents move. A document whose acceptance did not see the membership yet
//! either exists before the second step, which moves it, or is claimed for delivery only after the first step, and
//! the claim then sees a member.

use seoham_model::person::Behaviour;
use seoham_model::{EventType, PersonId, UnixSeconds};
use seoham_store::box_entry::{DueEntries, UNREADABLE_SECONDS, Waiting, joins_later_at};
use seoham_store::parcel::{StoredDocument, mark};
use seoham_store::{Result, StoreError};
use uuid::Uuid;

use crate::box_index::documents_of;
use crate::columns::{Columns, Id, Number, uuids};
use crate::documents::rows;
use crate::session::{Param, Session};

/// Documents moved in one step.
const MOVED_AT_ONCE: usize = 500;

/// Documents read at once.
const READ_AT_ONCE: usize = 500;

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
        let moved = move_waiting(session, person, None, now, MOVED_AT_ONCE).await?;
        if !moved.is_full() {
            end(session, person, &moved, now).await?;
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

/// Ends the move of a person's documents. If one could not be read, it is tried again later: it may be repaired by then.
async fn end(session: &Session, person: PersonId, moved: &Waiting, now: UnixSeconds) -> Result<()> {
    forget(session, person).await?;
    if moved.has_unreadable {
        schedule(session, person, now.plus(UNREADABLE_SECONDS)).await?;
    }
    Ok(())
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
    if !moved.is_full() {
        end(session, person, &moved, now).await?;
        if matches!(entries, DueEntries::SentBy(_))
            && let Some(sent_at) = oldest_waiting(session, person, now).await?
        {
            schedule(session, person, joins_later_at(sent_at)).await?;
        }
    }
    Ok(Some(moved.documents.len()))
}

// Of two nodes that move the same document, the first sets the time and writes the step.
const ENTER: &str = "WITH entering AS MATERIALIZED (
      SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::uuid[])
        AS entering (document_id, person_id, received_at, institution_id, parcel_id)),
    entered AS (
      INSERT INTO marks AS m (document_id, person_id, received_at)
      SELECT document_id, person_id, received_at FROM entering ORDER BY document_id
      ON CONFLICT (document_id) DO UPDATE SET received_at = excluded.received_at
      WHERE m.received_at IS NULL AND m.withdrawn_at IS NULL
      RETURNING document_id)
    INSERT INTO outbox (institution_id, event_type, event_count, at, parcel_id, documents)
    SELECT e.institution_id, $6, 1, e.received_at, e.parcel_id,
           document_set(place_of(e.document_id))
    FROM entering e JOIN entered USING (document_id)";

/// Moves documents into the boxes of their recipients.
pub(crate) async fn enter_boxes(
    session: &Session,
    documents: &[&StoredDocument],
    now: UnixSeconds,
) -> Result<()> {
    if documents.is_empty() {
        return Ok(());
    }
    // One may come twice, after a lease that ended at once.
    let mut documents = documents.to_vec();
    documents.sort_unstable_by_key(|document| document.id);
    documents.dedup_by_key(|document| document.id);
    let ids: Vec<Uuid> = documents.iter().map(|document| document.id.uuid()).collect();
    let people: Vec<Uuid> = documents.iter().map(|document| document.person.uuid()).collect();
    let times = documents.iter().map(|document| mark::received_at(document.times.sent_at, now).0);
    let times: Vec<i64> = times.collect();
    let institutions: Vec<Uuid> = documents.iter().map(|document| document.institution.uuid()).collect();
    let parcels: Vec<Uuid> = documents.iter().map(|document| document.id.parcel().uuid()).collect();
    let received = Number(EventType::Received);
    let params: [Param<'_>; 6] = [&ids, &people, &times, &institutions, &parcels, &received];
    session.write("moving into a box", ENTER, &params).await.map(drop)
}

/// Moves at most `limit` waiting documents. Returns those it found, not those it moved: documents that another node
/// moves at the same time must not look like the end.
async fn move_waiting(
    session: &Session,
    person: PersonId,
    sent_by: Option<UnixSeconds>,
    now: UnixSeconds,
    limit: usize,
) -> Result<Waiting> {
    let waiting = waiting(session, person, sent_by, now, limit).await?;
    enter_boxes(session, &waiting.documents.iter().collect::<Vec<_>>(), now).await?;
    Ok(waiting)
}

/// At most `limit` documents that wait for a person, oldest first; with `sent_by`, only those sent by then.
async fn waiting(
    session: &Session,
    person: PersonId,
    sent_by: Option<UnixSeconds>,
    now: UnixSeconds,
    limit: usize,
) -> Result<Waiting> {
    let mut ids = documents_of(session, person).await?;
    ids.reverse();
    let mut waiting = Waiting::new(person, sent_by, limit, now);
    for ids in ids.chunks(READ_AT_ONCE) {
        waiting.add(ids, rows::documents(session, None, ids).await?);
        if waiting.is_full() {
            break;
        }
    }
    Ok(waiting)
}

async fn oldest_waiting(
    session: &Session,
    person: PersonId,
    now: UnixSeconds,
) -> Result<Option<UnixSeconds>> {
    let waiting = waiting(session, person, None, now, 1).await?;
    Ok(waiting.documents.first().map(|document| document.times.sent_at))
}
