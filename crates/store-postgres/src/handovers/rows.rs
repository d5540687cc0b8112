//! The rows of hand-overs.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use seoham_model::{BinderId, EventType, ParcelId, UnixSeconds};
use seoham_store::Result;
use seoham_store::events::Step;
use seoham_store::handovers::{
    BegunHandover, DueHandover, Found, GivenUpRow, Handed, HandoverClaim, HandoverId, Settled, Settlement,
    UNCERTAIN_SECONDS_MAX, Whose, decode_handed, encode_handed, ended, is_reported, open_awaited,
    seal_awaited, settle as settle_rule, split, were_taken as were_taken_rule,
};
use seoham_store::parcel::notices::notice;
use seoham_store::undelivered::Failure;
use seoham_vault::Vault;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::Inner;
use crate::columns::{Columns, Id, Number, uuids};
use crate::deliveries;
use crate::documents::rows::documents;
use crate::events::outbox;
use crate::session::{Param, Session};

fn millis(lease: Duration) -> f64 {
    lease.as_secs_f64() * 1_000.0
}

/// The documents of claims that were withdrawn.
pub(super) async fn withdrawn(session: &Session, claims: &[HandoverClaim]) -> Result<HashSet<BinderId>> {
    let ids: Vec<BinderId> = claims.iter().map(|claim| claim.handed.document).collect();
    // Joined, so that each is looked up in its month alone.
    let sql = "SELECT m.document_id FROM unnest($1::uuid[]) AS asked (id)
               JOIN marks m ON m.document_id = ANY (ARRAY[asked.id]) WHERE m.withdrawn_at IS NOT NULL";
    session.query(sql, &[&uuids(&ids)]).await?.iter().map(|row| row.id("document_id")).collect()
}

/// Takes claims off the queue into a new hand-over, in a transaction. Also returns how many rows of the queue that
/// removed.
pub(super) async fn begin(
    session: &Session,
    id: HandoverId,
    provider: &str,
    claims: &[HandoverClaim],
    lease: Duration,
    now: UnixSeconds,
) -> Result<(Option<BegunHandover>, usize)> {
    let (taken, rows_gone) = deliveries::take_over(session, claims, now).await?;
    if taken.is_empty() {
        return Ok((None, rows_gone));
    }
    let handed = claims.iter().map(|claim| claim.handed);
    let handed: Vec<Handed> = handed.filter(|handed| taken.contains(&handed.document)).collect();
    let ticket = rand::random_range(1..=i64::MAX);
    let sql = "INSERT INTO handovers (handover_id, provider, ticket, leased_until, begun_at, look_at, handed_count, handed)
               VALUES ($1, $2, $3, clock_timestamp() + $4::float8 * interval '1 millisecond', $5, $5, $6, $7)";
    let (count, encoded) = (i32::try_from(handed.len()).unwrap_or(i32::MAX), encode_handed(&handed));
    let params: [Param<'_>; 7] = [&id.0, &provider, &ticket, &millis(lease), &now.0, &count, &encoded];
    session.query(sql, &params).await?;
    let documents = handed.iter().map(|handed| handed.document).collect();
    Ok((Some(BegunHandover { ticket, documents }), rows_gone))
}

/// Records outcomes, in a transaction; `None` if the hand-over is not held under this ticket.
pub(super) async fn settle(
    session: &Session,
    vault: &Vault,
    id: HandoverId,
    ticket: i64,
    found: Found,
    now: UnixSeconds,
) -> Result<Option<Settlement>> {
    let sql = "SELECT handed, awaited FROM handovers WHERE handover_id = $1 AND ticket = $2 FOR UPDATE";
    let Some(row) = session.query_opt(sql, &[&id.0, &ticket]).await? else { return Ok(None) };
    let awaited: Option<&[u8]> = row.value("awaited")?;
    let awaited = awaited.map_or(Ok(Vec::new()), |sealed| open_awaited(vault, id, sealed))?;
    let (look_at, goes_on) = (found.look_at, found.goes_on);
    let after = settle_rule(decode_handed(row.value("handed")?)?, awaited, found, now);
    if after.handed.is_empty() && after.awaited.is_empty() {
        session.query("DELETE FROM handovers WHERE handover_id = $1", &[&id.0]).await?;
    } else {
        let sealed = (!after.awaited.is_empty()).then(|| seal_awaited(vault, id, &after.awaited));
        let sql = "UPDATE handovers SET look_at = $2, handed_count = $3, awaited_count = $4, handed = $5, awaited = $6,
                     leased_until = CASE WHEN $7 THEN leased_until END
                   WHERE handover_id = $1";
        let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let params: [Param<'_>; 7] = [
            &id.0,
            &look_at.0,
            &count(after.handed.len()),
            &count(after.awaited.len()),
            &encode_handed(&after.handed),
            &sealed,
            &goes_on,
        ];
        session.query(sql, &params).await?;
    }
    let mut after = after;
    Box::pin(drop_arrived(session, &mut after)).await?;
    write(session, &after, now).await?;
    Ok(Some(after))
}

/// A notification whose arrival was reported before is not given up.
async fn drop_arrived(session: &Session, after: &mut Settlement) -> Result<()> {
    if after.given_up.is_empty() {
        return Ok(());
    }
    let ids: Vec<BinderId> = after.given_up.iter().map(|row| row.document).collect();
    let found = documents(session, None, &ids).await?;
    let has_arrived =
        |id: &BinderId| matches!(found.get(id), Some(Ok(document)) if document.times.notified_at.is_some());
    after.given_up.retain(|row| !has_arrived(&row.document));
    Ok(())
}

/// Records that a provider has these documents' messages, in a transaction.
pub(super) async fn were_taken(
    session: &Session,
    vault: &Vault,
    provider: &str,
    documents: &[BinderId],
    now: UnixSeconds,
) -> Result<()> {
    let bytes: Vec<&[u8]> = documents.iter().map(|document| &document.as_bytes()[..]).collect();
    let sql = "SELECT handover_id, ticket, look_at FROM handovers
               WHERE provider = $1 AND handed_count > 0
                 AND EXISTS (SELECT FROM unnest($2::bytea[]) AS d WHERE position(d IN handed) > 0)
               ORDER BY handover_id FOR UPDATE";
    for row in session.query(sql, &[&provider, &bytes]).await? {
        let (id, ticket): (Uuid, i64) = (row.value("handover_id")?, row.value("ticket")?);
        let found = were_taken_rule(documents, UnixSeconds(row.value("look_at")?));
        settle(session, vault, HandoverId(id), ticket, found, now).await?;
    }
    Ok(())
}

/// Writes what outcomes change besides the hand-over and notices.
async fn write(session: &Session, after: &Settlement, now: UnixSeconds) -> Result<()> {
    if !after.retries.is_empty() {
        let rows = &after.retries;
        let documents: Vec<Uuid> = rows.iter().map(|row| row.document.uuid()).collect();
        let institutions: Vec<Uuid> = rows.iter().map(|row| row.institution.uuid()).collect();
        let not_before: Vec<i64> = rows.iter().map(|row| row.not_before.0).collect();
        let attempts: Vec<i32> = rows.iter().map(|row| attempts(row.attempts)).collect();
        let first: Vec<i64> = rows.iter().map(|row| row.first_attempt_at.0).collect();
        let failures: Vec<Number<Failure>> = rows.iter().map(|row| Number(row.failure)).collect();
        let said: Vec<Option<&str>> = rows.iter().map(|row| row.said.as_deref()).collect();
        let sql = "INSERT INTO delivery_retries
                     (document_id, institution_id, not_before, attempts, first_attempt_at, failure, said)
                   SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::integer[], $5::bigint[],
                     $6::smallint[], $7::text[])
                   ON CONFLICT DO NOTHING";
        let params: [Param<'_>; 7] =
            [&documents, &institutions, &not_before, &attempts, &first, &failures, &said];
        session.query(sql, &params).await?;
    }
    if !after.given_up.is_empty() {
        let rows = &after.given_up;
        let documents: Vec<Uuid> = rows.iter().map(|row| row.document.uuid()).collect();
        let institutions: Vec<Uuid> = rows.iter().map(|row| row.institution.uuid()).collect();
        let attempts: Vec<i32> = rows.iter().map(|row| attempts(row.attempts)).collect();
        let first: Vec<i64> = rows.iter().map(|row| row.first_attempt_at.0).collect();
        let failures: Vec<Number<Failure>> = rows.iter().map(|row| Number(row.failure)).collect();
        let said: Vec<Option<&str>> = rows.iter().map(|row| row.said.as_deref()).collect();
        let sql = "INSERT INTO given_up_notices AS n
                     (document_id, institution_id, attempts, first_attempt_at, failure, said, given_up_at)
                   SELECT g.*, $7 FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::bigint[], $5::smallint[],
                     $6::text[]) AS g
                   ON CONFLICT (document_id) DO UPDATE SET attempts = excluded.attempts,
                     first_attempt_at = excluded.first_attempt_at, given_up_at = excluded.given_up_at,
                     failure = excluded.failure, said = excluded.said";
        let params: [Param<'_>; 7] = [&documents, &institutions, &attempts, &first, &failures, &said, &now.0];
        session.query(sql, &params).await?;
        let step =
            |row: &GivenUpRow| Step::of_document(row.institution, EventType::NoticeFailed, now, row.document);
        outbox::add(session, rows.iter().map(step)).await?;
    }
    if !after.uncertain.is_empty() {
        let rows = &after.uncertain;
        let documents: Vec<Uuid> = rows.iter().map(|row| row.document.uuid()).collect();
        let institutions: Vec<Uuid> = rows.iter().map(|row| row.institution.uuid()).collect();
        let sent_again: Vec<bool> = rows.iter().map(|row| row.sent_again).collect();
        let sql = "WITH gone AS (DELETE FROM uncertain_notices WHERE at < $5)
                   INSERT INTO uncertain_notices (document_id, institution_id, sent_again, at)
                   SELECT u.*, $4 FROM unnest($1::uuid[], $2::uuid[], $3::boolean[]) AS u
                   ON CONFLICT (document_id) DO UPDATE SET at = excluded.at, sent_again = excluded.sent_again";
        let params: [Param<'_>; 5] =
            [&documents, &institutions, &sent_again, &now.0, &(now.0 - UNCERTAIN_SECONDS_MAX)];
        session.query(sql, &params).await?;
    }
    Ok(())
}

fn attempts(attempts: u32) -> i32 {
    i32::try_from(attempts).unwrap_or(i32::MAX)
}

/// A hand-over that was just leased.
pub(super) struct Leased {
    handover: DueHandover,
    handed: Vec<u8>,
    awaited: Option<Vec<u8>>,
}

const LEASE: &str = "WITH due AS MATERIALIZED (
      SELECT handover_id FROM handovers
      WHERE look_at <= $2 AND (provider = ANY($1::text[])) = ($6::bigint IS NULL)
        AND ($6::bigint IS NULL OR NOT EXISTS (
          SELECT FROM provider_states s WHERE s.provider = handovers.provider AND s.at >= $6))
        AND (leased_until IS NULL OR leased_until <= clock_timestamp())
      ORDER BY look_at, handover_id LIMIT $3 FOR UPDATE SKIP LOCKED)
    UPDATE handovers h SET ticket = $4, looks = looks + 1,
      leased_until = clock_timestamp() + $5::float8 * interval '1 millisecond'
    FROM due WHERE h.handover_id = ANY (ARRAY[due.handover_id])
    RETURNING h.handover_id, h.provider, h.begun_at, h.looks, h.handed, h.awaited";

/// Leases hand-overs that nobody holds and whose time has come.
pub(super) async fn lease(
    session: &Session,
    whose: Whose<'_>,
    limit: usize,
    lease: Duration,
    now: UnixSeconds,
) -> Result<Vec<Leased>> {
    let (ticket, limit) = (rand::random_range(1..=i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX));
    let (names, unknown_since) = whose.parts();
    let unknown_since = unknown_since.map(|at| at.0);
    let params: [Param<'_>; 6] = [&names, &now.0, &limit, &ticket, &millis(lease), &unknown_since];
    let rows = session.write("leasing hand-overs", LEASE, &params).await?;
    let leased = |row: &Row| {
        let handover = DueHandover {
            id: HandoverId(row.value("handover_id")?),
            ticket,
            provider: row.value("provider")?,
            begun_at: UnixSeconds(row.value("begun_at")?),
            looks: row.value::<i32>("looks")?.unsigned_abs(),
            unknown: Vec::new(),
            awaited: Vec::new(),
        };
        Ok(Leased { handover, handed: row.value("handed")?, awaited: row.value("awaited")? })
    };
    rows.iter().map(leased).collect()
}

/// Reads what a leased hand-over needs, and what of it ends without being asked about: documents past their deadline,
/// and those that cannot be read.
pub(super) async fn read(
    session: &Session,
    store: &Inner,
    leased: Leased,
    now: UnixSeconds,
) -> Result<(DueHandover, Vec<(BinderId, Settled)>)> {
    let Leased { mut handover, handed, awaited } = leased;
    let handed = decode_handed(&handed)?;
    let awaited =
        awaited.map_or(Ok(Vec::new()), |sealed| open_awaited(&store.vault, handover.id, &sealed))?;
    let all = awaited.iter().map(|one| one.document).chain(handed.iter().map(|one| one.document));
    let reported = reported(session, all.collect()).await?;
    let looked_at = split(handed, awaited, |document| reported.contains(&document));
    handover.awaited = looked_at.awaited;
    if looked_at.unknown.is_empty() {
        return Ok((handover, looked_at.taken));
    }
    let read = deliveries::read_again(session, store, &looked_at.unknown, now).await?;
    handover.unknown = read.claims;
    let ended = looked_at.taken.into_iter().chain(ended(read.over, read.unreadable));
    Ok((handover, ended.collect()))
}

/// Those of the documents on which there is a report.
async fn reported(session: &Session, documents: Vec<BinderId>) -> Result<HashSet<BinderId>> {
    let mut parcels: Vec<ParcelId> = documents.iter().map(|document| document.parcel()).collect();
    parcels.sort();
    parcels.dedup();
    let sql = "SELECT parcel_id, packed FROM notices WHERE parcel_id = ANY($1::uuid[])";
    let rows = session.query(sql, &[&uuids(&parcels)]).await?;
    let row = |row: &Row| Ok((row.id("parcel_id")?, row.value("packed")?));
    let packed: HashMap<ParcelId, Vec<u8>> = rows.iter().map(row).collect::<Result<_>>()?;
    let is_reported_on = |document: &BinderId| {
        let packed = packed.get(&document.parcel()).map_or(&[][..], Vec::as_slice);
        // A damaged notice tells nothing: the report is recorded then, or not.
        notice(packed, document.position(), UnixSeconds(0)).is_ok_and(is_reported)
    };
    Ok(documents.into_iter().filter(is_reported_on).collect())
}
