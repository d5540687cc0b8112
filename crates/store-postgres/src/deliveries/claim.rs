//! Claiming in round robin, and handling people who joined meanwhile.
//!
//! Each step is a single statement that commits. If the node dies between two steps, the lease expires and the rows
//! are claimed again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use seoham_model::{BinderId, ContractUuid, InstitutionId, ParcelId, PersonId, UnixSeconds};
use seoham_store::Result;
use seoham_store::box_entry::BoxEntry;
use seoham_store::deliveries::{Claim, ClaimSender, Claimed};
use seoham_store::handovers::Handed;
use seoham_store::parcel::StoredDocument;
use seoham_store::parcel::announce::{self, Announcement, Announcements};
use seoham_store::parcel::head::DOCUMENTS_MAX;
use seoham_store::undelivered::Failure;
use tokio_postgres::Row;
use uuid::Uuid;

use super::Swept;
use super::fallbacks;
use super::finish::{self, Done, DoneOutcome};
use super::notices;
use crate::columns::{Columns, Id, uuids};
use crate::documents::rows;
use crate::session::{Param, Session};
use crate::{Inner, people};

/// A claimed document.
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

    let read = read(session, store, &ticket, &held, now).await?;
    let over: Vec<&Held> = read.over.iter().map(|index| &held[*index]).collect();
    let unreadable: Vec<&Held> = read.unreadable.iter().map(|index| &held[*index]).collect();
    let expired = end(session, store, &ticket, &over, &unreadable, now).await?;
    look_after_joins(session, &read.entries, now).await?;
    Ok(Claimed { claims: read.claims, expired })
}

/// What was read of held documents.
struct ReadClaims {
    claims: Vec<Claim>,
    /// Past their deadline or removed, by their place.
    over: Vec<usize>,
    /// Not to be read, by their place.
    unreadable: Vec<usize>,
    /// The documents that are announced, and their relation to their recipients' boxes.
    entries: Vec<(StoredDocument, BoxEntry)>,
}

/// Reads what the notifications of held documents need.
async fn read(
    session: &Session,
    store: &Inner,
    ticket: &Ticket,
    held: &[Held],
    now: UnixSeconds,
) -> Result<ReadClaims> {
    let ids: Vec<BinderId> = held.iter().map(|h| h.document).collect();
    let found = rows::documents(session, None, &ids).await?;
    let readable = || found.values().flatten();
    let people = rows::people(session, readable().map(|document| document.person)).await?;
    let open = readable().filter(|document| !document.is_over(now));
    let slices = rows::slices(session, open.map(announce::slice)).await?;
    let (senders, fallbacks) =
        futures_util::try_join!(senders(session, readable()), fallbacks::begun(session, &ids))?;

    let mut read =
        ReadClaims { claims: Vec::new(), over: Vec::new(), unreadable: Vec::new(), entries: Vec::new() };
    let mut announcements = Announcements::new(&store.vault, &people, &slices, now);
    for (index, held) in held.iter().enumerate() {
        let as_fallback = fallbacks.contains(&held.document);
        match announcements.of(found.get(&held.document)) {
            // The notification has arrived after all.
            Announcement::Due { document, .. } if as_fallback && document.times.notified_at.is_some() => {
                read.over.push(index);
            }
            Announcement::Due { document, text, entry } => {
                read.entries.push((document.clone(), entry));
                read.claims.push(Claim {
                    ticket: ticket.number.unsigned_abs(),
                    document: held.document,
                    institution: held.institution,
                    sender: senders
                        .get(&document.contract)
                        .map_or_else(|| Arc::new(ClaimSender::unknown()), Arc::clone),
                    addresses: text.addresses,
                    link_token: store.vault.document_link(held.document),
                    received: entry.is_in_box(),
                    content: text.content,
                    deadline_at: document.deadline_at,
                    attempts: held.attempts,
                    first_attempt_at: held.first_attempt_at,
                    as_fallback,
                });
            }
            Announcement::Unreadable(error) => {
                tracing::error!(%error, document = %held.document,
                    "a document cannot be read, and is not announced");
                read.unreadable.push(index);
            }
            Announcement::Over => read.over.push(index),
        }
    }
    Ok(read)
}

/// What was read again of documents of a hand-over.
pub(crate) struct ReadAgain {
    pub(crate) claims: Vec<Claim>,
    /// Past their deadline, or removed.
    pub(crate) over: Vec<BinderId>,
    /// Not to be read.
    pub(crate) unreadable: Vec<BinderId>,
}

/// Reads what the notifications of a hand-over's documents need. Their tickets are 0: the hand-over holds them.
pub(crate) async fn read_again(
    session: &Session,
    store: &Inner,
    handed: &[Handed],
    now: UnixSeconds,
) -> Result<ReadAgain> {
    let one = |handed: &Handed| Held {
        institution: handed.institution,
        document: handed.document,
        attempts: handed.attempts,
        first_attempt_at: handed.first_attempt_at,
    };
    let held: Vec<Held> = handed.iter().map(one).collect();
    let ticket = Ticket { number: 0, lease: Duration::ZERO };
    let read = read(session, store, &ticket, &held, now).await?;
    let documents = |places: Vec<usize>| places.into_iter().map(|place| held[place].document).collect();
    Ok(ReadAgain { claims: read.claims, over: documents(read.over), unreadable: documents(read.unreadable) })
}

/// Ends what is not to be announced: documents past their deadline or removed meanwhile, and those that cannot be read,
/// which an operator finds among the given-up ones. Returns the number of the former.
async fn end(
    session: &Session,
    store: &Inner,
    ticket: &Ticket,
    over: &[&Held],
    unreadable: &[&Held],
    now: UnixSeconds,
) -> Result<usize> {
    let done = |held: &Held, outcome, failure| Done {
        institution: held.institution,
        document: held.document,
        ticket: ticket.number,
        outcome,
        failure,
    };
    let over_documents: Vec<BinderId> = over.iter().map(|held| held.document).collect();
    notices::record_expired(session, &over_documents, now).await?;
    let over = over.iter().map(|held| done(held, DoneOutcome::Expired, None));
    let ended = finish::finish(session, &over.collect::<Vec<_>>(), now).await?;
    let given_up = unreadable.iter().map(|held| done(held, DoneOutcome::GivenUp, Some(Failure::Unreadable)));
    let given_up = finish::finish(session, &given_up.collect::<Vec<_>>(), now).await?;
    store.sweeper.gone(Swept::Deliveries, ended.rows_gone + given_up.rows_gone);
    Ok(ended.documents.len())
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
    FROM free
    WHERE r.institution_id = ANY (ARRAY[free.institution_id]) AND r.document_id = ANY (ARRAY[free.document_id])
    RETURNING r.institution_id, r.document_id, r.attempts, r.first_attempt_at";

// One index step per institution, however much it has queued.
const WITH_WORK: &str = "WITH RECURSIVE turn AS (
      (SELECT institution_id FROM deliveries ORDER BY institution_id LIMIT 1)
      UNION ALL
      SELECT (SELECT d.institution_id FROM deliveries d WHERE d.institution_id > turn.institution_id
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

/// Rows that the first look takes for documents: as many as parcels that are full.
const DOCUMENTS_PER_ROW: usize = seoham_model::bulk::ITEMS_MAX;
/// How much more the next look takes if the rows held fewer.
const MORE_ROWS: usize = 8;

/// Claims up to `each` documents of every one of `institutions`. Looks at few rows first, and at more only if they hold
/// fewer documents than a parcel can.
async fn take(
    session: &Session,
    ticket: &Ticket,
    institutions: &[InstitutionId],
    each: usize,
) -> Result<Vec<Held>> {
    let mut wanting: Vec<(InstitutionId, usize)> = institutions.iter().map(|id| (*id, each)).collect();
    let mut rows_max = each.div_ceil(DOCUMENTS_PER_ROW).max(1);
    let mut held = Vec::new();
    while !wanting.is_empty() {
        let found = take_rows(session, ticket, &wanting, rows_max).await?;
        let mut next = Vec::new();
        for (institution, wanted) in wanting {
            let rows = found.iter().filter(|row| row.institution == institution);
            let (count, documents) = rows.fold((0, 0), |(n, sum), row| (n + 1, sum + row.positions.len()));
            if count == rows_max && documents < wanted {
                next.push((institution, wanted - documents));
            }
        }
        held.extend(found.into_iter().flat_map(ClaimedRow::documents));
        wanting = next;
        rows_max = rows_max.saturating_mul(MORE_ROWS).min(each);
    }
    Ok(held)
}

/// Documents of one parcel.
struct ClaimedRow {
    institution: InstitutionId,
    parcel: ParcelId,
    positions: Vec<u8>,
}

impl ClaimedRow {
    fn documents(self) -> impl Iterator<Item = Held> {
        let Self { institution, parcel, positions } = self;
        let (sound, damaged): (Vec<u8>, Vec<u8>) =
            positions.into_iter().partition(|position| usize::from(*position) < DOCUMENTS_MAX);
        if !damaged.is_empty() {
            tracing::error!(%parcel, "positions of a delivery are damaged");
        }
        sound.into_iter().map(move |position| Held {
            institution,
            document: parcel.document(position),
            attempts: 0,
            first_attempt_at: None,
        })
    }
}

async fn take_rows(
    session: &Session,
    ticket: &Ticket,
    wanting: &[(InstitutionId, usize)],
    rows_max: usize,
) -> Result<Vec<ClaimedRow>> {
    let big = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let (institutions, wanted): (Vec<Uuid>, Vec<i64>) =
        wanting.iter().map(|(id, wanted)| (id.uuid(), big(*wanted))).unzip();
    let params: [Param<'_>; 5] =
        [&institutions, &wanted, &ticket.number, &ticket.lease_millis(), &big(rows_max)];
    let rows = session.write("claiming", CLAIM, &params).await?;
    let claimed = |row: &Row| {
        Ok(ClaimedRow {
            institution: row.id("institution_id")?,
            parcel: row.id("parcel_id")?,
            positions: row.value("positions")?,
        })
    };
    rows.iter().map(claimed).collect()
}

/// The senders of documents by contract, read together.
pub(super) async fn senders<'a>(
    session: &Session,
    documents: impl Iterator<Item = &'a StoredDocument>,
) -> Result<HashMap<ContractUuid, Arc<ClaimSender>>> {
    let mut contracts: Vec<ContractUuid> = documents.map(|d| d.contract).collect();
    contracts.sort();
    contracts.dedup();
    let sql = "SELECT c.contract_id, i.name, c.notice, t.content AS own, p.content AS platform
               FROM unnest($1::uuid[]) AS asked (id)
               JOIN contracts c ON c.contract_id = ANY (ARRAY[asked.id])
               JOIN institutions i ON i.institution_id = ANY (ARRAY[c.institution_id])
               LEFT JOIN institution_templates t
                 ON t.institution_id = ANY (ARRAY[c.institution_id]) AND t.kind = 'document_arrived'
               LEFT JOIN platform_templates p ON p.kind = 'document_arrived'";
    let sender = |row: &Row| {
        let sender = ClaimSender::stored(
            row.value("name")?,
            row.value("notice")?,
            row.value("own")?,
            row.value("platform")?,
        )?;
        Ok((row.id("contract_id")?, Arc::new(sender)))
    };
    session.query(sql, &[&uuids(&contracts)]).await?.iter().map(sender).collect()
}

/// Moves a document into the box of a person who became a member while it was being accepted. Schedules people who
/// will join by themselves.
async fn look_after_joins(
    session: &Session,
    entries: &[(StoredDocument, BoxEntry)],
    now: UnixSeconds,
) -> Result<()> {
    let mut joined: Vec<&StoredDocument> = Vec::new();
    let mut later: HashMap<PersonId, UnixSeconds> = HashMap::new();
    for (document, entry) in entries {
        match entry {
            BoxEntry::Now => joined.push(document),
            BoxEntry::At(due_at) => {
                let earliest = later.entry(document.person).or_insert(*due_at);
                *earliest = (*due_at).min(*earliest);
            }
            BoxEntry::Entered | BoxEntry::Waiting => {}
        }
    }
    people::enter_boxes(session, &joined, now).await?;
    for (person, due_at) in later {
        people::schedule(session, person, due_at).await?;
    }
    Ok(())
}
