//! Claiming in round robin, and handling people who joined meanwhile.
//!
//! Each step is a single statement that commits. If the node dies between two steps, the lease expires and the rows
//! are claimed again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use seoham_model::document::Content;
use seoham_model::{BinderId, InstitutionId, PersonId, UnixSeconds};
use seoham_store::box_entry::BoxEntry;
use seoham_store::deliveries::{Claim, Claimed};
use seoham_store::sealing::{Notice, SealedContent, SealedNotice, open_content, open_notice};
use seoham_store::{AboutEntity, Result, StoreError};
use seoham_vault::Vault;
use tokio_postgres::Row;
use uuid::Uuid;

use super::finish::{self, Done, DoneOutcome};
use crate::columns::{Columns, Id, uuids};
use crate::documents::rows::{self, DocumentRow, PersonRow};
use crate::session::Session;
use crate::{Inner, people};

/// A claimed row of the queue.
struct Held {
    institution: InstitutionId,
    document: BinderId,
    attempts: u32,
    first_attempt_at: Option<UnixSeconds>,
}

pub(super) async fn claim(
    session: &Session,
    store: &Inner,
    limit: usize,
    lease: Duration,
    now: UnixSeconds,
) -> Result<Claimed> {
    let ticket = Ticket { number: rand::random_range(1..=i64::MAX), lease };
    // Retries have waited longest, but must not crowd out new documents.
    let mut held = due_retries(session, &ticket, limit.div_ceil(4), now).await?;
    let room = limit - held.len();
    held.extend(in_turns(session, store, &ticket, room).await?);
    if held.is_empty() {
        return Ok(Claimed { claims: Vec::new(), expired: 0 });
    }

    let ids: Vec<BinderId> = held.iter().map(|h| h.document).collect();
    let documents = rows::documents(session, None, &ids).await?;
    let people = rows::people(session, documents.values()).await?;
    let contents = rows::contents(session, documents.values()).await?;
    let names = names(session, documents.values()).await?;

    let (over, open): (Vec<&Held>, Vec<&Held>) =
        held.iter().partition(|h| documents.get(&h.document).is_none_or(|d| now >= d.deadline_at));
    let over_now = over.iter().map(|held| Done {
        institution: held.institution,
        document: held.document,
        ticket: ticket.number,
        outcome: DoneOutcome::Expired,
        failure: None,
    });
    let expired = finish::finish(session, &over_now.collect::<Vec<_>>(), now).await?;
    store.sweeper.gone(expired.rows_gone);
    let expired = expired.documents.len();
    let open: Vec<(&Held, &DocumentRow, &PersonRow)> = open
        .into_iter()
        .filter_map(|h| {
            let document = documents.get(&h.document)?;
            Some((h, document, people.get(&document.person)?))
        })
        .collect();
    look_after_joins(session, &open, now).await?;

    // Decrypt each shared content once. If that fails, only its own documents are affected.
    let opened = |(id, sealed): (BinderId, Vec<u8>)| {
        let content = open_content(&store.vault, &SealedContent { id, sealed }).map(Arc::new);
        (id, content)
    };
    let contents: HashMap<BinderId, Result<Arc<Content>>> = contents.into_iter().map(opened).collect();
    let mut claims = Vec::with_capacity(open.len());
    for (held, document, person) in open {
        match notice(&store.vault, document, person, &contents) {
            Ok(Notice { content, phone_number }) => claims.push(Claim {
                ticket: ticket.number.unsigned_abs(),
                document: held.document,
                institution: held.institution,
                institution_name: names.get(&held.institution).map_or("", String::as_str).into(),
                phone_number,
                link_token: store.vault.document_link(held.document),
                received: box_entry(document, person).is_in_box(),
                content,
                deadline_at: document.deadline_at,
                attempts: held.attempts,
                first_attempt_at: held.first_attempt_at,
            }),
            // It stays held until its lease expires, so that it does not block the others.
            Err(error) => tracing::error!(%error, document = %held.document, "a document does not open"),
        }
    }
    Ok(Claimed { claims, expired })
}

fn notice(
    vault: &Vault,
    document: &DocumentRow,
    person: &PersonRow,
    contents: &HashMap<BinderId, Result<Arc<Content>>>,
) -> Result<Notice> {
    let shared = match document.content.map(|id| contents.get(&id)) {
        None => None,
        Some(None) => return Err(StoreError::damaged("the missing shared text").about(document.id)),
        Some(Some(content)) => Some(Arc::clone(content.as_ref().map_err(Clone::clone)?)),
    };
    let sealed = SealedNotice {
        document: document.id,
        person: document.person,
        key: &person.key,
        own: &document.sealed,
        of_person: &person.sealed,
    };
    open_notice(vault, &sealed, shared)
}

struct Ticket {
    number: i64,
    lease: Duration,
}

impl Ticket {
    fn lease_millis(&self) -> f64 {
        self.lease.as_secs_f64() * 1000.0
    }
}

const CLAIM: &str = include_str!("claim.sql");

const CLAIM_RETRIES: &str = "WITH free AS MATERIALIZED (
      SELECT q.institution_id, q.document_id
      FROM unnest($1::uuid[]) AS turn (institution_id)
      CROSS JOIN LATERAL (
        SELECT r.institution_id, r.document_id FROM delivery_retries r
        WHERE r.institution_id = turn.institution_id AND r.not_before <= $5
          AND (r.leased_until IS NULL OR r.leased_until <= clock_timestamp())
        ORDER BY r.not_before LIMIT $2 FOR UPDATE SKIP LOCKED) q)
    UPDATE delivery_retries r
    SET ticket = $3, leased_until = clock_timestamp() + $4::float8 * interval '1 millisecond'
    FROM free WHERE r.institution_id = free.institution_id AND r.document_id = free.document_id
    RETURNING r.institution_id, r.document_id, r.attempts, r.first_attempt_at";

// One index step per institution, however much it has queued.
const WITH_WORK: &str = "WITH RECURSIVE turn AS (
      (SELECT institution_id FROM delivery_parcels ORDER BY institution_id LIMIT 1)
      UNION ALL
      SELECT (SELECT d.institution_id FROM delivery_parcels d WHERE d.institution_id > turn.institution_id
              ORDER BY d.institution_id LIMIT 1)
      FROM turn WHERE turn.institution_id IS NOT NULL)
    SELECT institution_id FROM turn WHERE institution_id IS NOT NULL LIMIT $1";

const WITH_RETRIES: &str = "WITH RECURSIVE turn AS (
      (SELECT institution_id FROM delivery_retries ORDER BY institution_id LIMIT 1)
      UNION ALL
      SELECT (SELECT d.institution_id FROM delivery_retries d WHERE d.institution_id > turn.institution_id
              ORDER BY d.institution_id LIMIT 1)
      FROM turn WHERE turn.institution_id IS NOT NULL)
    SELECT institution_id FROM turn WHERE institution_id IS NOT NULL LIMIT $1";

/// Approximately how long another worker's claim takes.
const WHILE_ANOTHER_CLAIMS: Duration = Duration::from_millis(10);
/// How many such claims to wait for when nothing is free.
const CLAIMS_OF_OTHERS: usize = 4;

/// Maximum number of institutions considered in one claim.
const TURNS_MAX: i64 = 10_000;

async fn institutions(session: &Session, sql: &'static str) -> Result<Vec<InstitutionId>> {
    let rows = session.query(sql, &[&TURNS_MAX]).await?;
    rows.iter().map(|row| row.id("institution_id")).collect()
}

/// Retries are claimed in round robin too: an equal share of the room for each institution that has some.
async fn due_retries(session: &Session, ticket: &Ticket, room: usize, now: UnixSeconds) -> Result<Vec<Held>> {
    let mut institutions = institutions(session, WITH_RETRIES).await?;
    if institutions.is_empty() || room == 0 {
        return Ok(Vec::new());
    }
    if institutions.len() > room {
        // Start at a random institution, so that not the same ones are chosen each time.
        let first = rand::random_range(0..institutions.len());
        institutions.rotate_left(first);
        institutions.truncate(room);
    }
    let share = i64::try_from(room / institutions.len()).unwrap_or(1);
    let rows = session
        .write(
            "claiming retries",
            CLAIM_RETRIES,
            &[&uuids(&institutions), &share, &ticket.number, &ticket.lease_millis(), &now.0],
        )
        .await?;
    let held = |row: &Row| {
        Ok(Held {
            institution: row.id("institution_id")?,
            document: row.id("document_id")?,
            attempts: row.value::<i32>("attempts")?.unsigned_abs(),
            first_attempt_at: row.moment("first_attempt_at")?,
        })
    };
    rows.iter().map(held).collect()
}

/// Claims from the institutions in round robin: first an equal share for each, then the remaining room. A sender of
/// 500,000 never delays a sender of 100.
async fn in_turns(session: &Session, store: &Inner, ticket: &Ticket, room: usize) -> Result<Vec<Held>> {
    let mut institutions = institutions(session, WITH_WORK).await?;
    if institutions.is_empty() || room == 0 {
        return Ok(Vec::new());
    }
    if let Some(last) = store.round_robin.last() {
        let next = institutions.partition_point(|id| *id <= last);
        let next = next % institutions.len();
        institutions.rotate_left(next);
    }
    institutions.truncate(room);
    let share = room / institutions.len();
    let mut held = take(session, ticket, &institutions, share).await?;
    for _ in 0..CLAIMS_OF_OTHERS {
        if !held.is_empty() {
            break;
        }
        // Another worker may be splitting the only parcel right now.
        tokio::time::sleep(WHILE_ANOTHER_CLAIMS).await;
        held = take(session, ticket, &institutions, share).await?;
    }
    if let Some(last) = institutions.last().filter(|_| !held.is_empty()) {
        store.round_robin.set_last(*last);
    }
    let rest = room - held.len();
    if rest > 0 && held.len() >= share {
        let mut taken: HashMap<InstitutionId, usize> = HashMap::new();
        for row in &held {
            *taken.entry(row.institution).or_default() += 1;
        }
        // An institution that got less than its share has no more. The others fill the remaining room one after the
        // other, starting with the one whose turn it is.
        let more: Vec<InstitutionId> =
            institutions.into_iter().filter(|id| taken.get(id).is_some_and(|n| *n == share)).collect();
        for institution in more {
            let rest = room - held.len();
            if rest == 0 {
                break;
            }
            held.extend(take(session, ticket, &[institution], rest).await?);
        }
    }
    Ok(held)
}

async fn take(
    session: &Session,
    ticket: &Ticket,
    institutions: &[InstitutionId],
    each: usize,
) -> Result<Vec<Held>> {
    let each = i64::try_from(each).unwrap_or(i64::MAX);
    let rows = session
        .write("claiming", CLAIM, &[&uuids(institutions), &each, &ticket.number, &ticket.lease_millis()])
        .await?;
    let mut held = Vec::new();
    for row in &rows {
        let institution = row.id("institution_id")?;
        let documents: Vec<Uuid> = row.value("document_ids")?;
        held.extend(documents.into_iter().map(|document| Held {
            institution,
            document: BinderId::of(document),
            attempts: 0,
            first_attempt_at: None,
        }));
    }
    Ok(held)
}

async fn names<'a>(
    session: &Session,
    documents: impl Iterator<Item = &'a DocumentRow>,
) -> Result<HashMap<InstitutionId, String>> {
    let mut ids: Vec<InstitutionId> = documents.map(|d| d.institution).collect();
    ids.sort();
    ids.dedup();
    let sql = "SELECT i.institution_id, i.name
               FROM unnest($1::uuid[]) AS asked (id) JOIN institutions i ON i.institution_id = asked.id";
    let rows = session.query(sql, &[&uuids(&ids)]).await?;
    rows.iter().map(|row| Ok((row.id("institution_id")?, row.value("name")?))).collect()
}

fn box_entry(document: &DocumentRow, person: &PersonRow) -> BoxEntry {
    let (entered, member) = (document.times.received_at.is_some(), person.member_since.is_some());
    BoxEntry::of(entered, member, person.behaviour, document.times.sent_at)
}

const PUT_INTO_BOX: &str = "UPDATE documents d SET received_at = greatest($2, d.sent_at)
    FROM unnest($1::uuid[]) AS joined (id) WHERE d.document_id = joined.id AND d.received_at IS NULL";

/// Moves a document into the box of a person who became a member while it was being accepted. Schedules people who
/// will join by themselves.
async fn look_after_joins(
    session: &Session,
    open: &[(&Held, &DocumentRow, &PersonRow)],
    now: UnixSeconds,
) -> Result<()> {
    let mut joined: Vec<BinderId> = Vec::new();
    let mut later: HashMap<PersonId, UnixSeconds> = HashMap::new();
    for (held, document, person) in open {
        match box_entry(document, person) {
            BoxEntry::Now => joined.push(held.document),
            BoxEntry::At(due_at) => {
                let earliest = later.entry(document.person).or_insert(due_at);
                *earliest = due_at.min(*earliest);
            }
            BoxEntry::Entered | BoxEntry::Waiting => {}
        }
    }
    if !joined.is_empty() {
        session.write("putting into boxes", PUT_INTO_BOX, &[&uuids(&joined), &now.0]).await?;
    }
    for (person, due_at) in later {
        people::schedule(session, person, due_at).await?;
    }
    Ok(())
}
