//! The rows of hand-overs.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::{BinderId, ParcelId, UnixSeconds};
use seoham_store::documents::Notification;
use seoham_store::handovers::{
    DueHandover, Found, Handed, HandoverId, Settled, Settlement, UNCERTAIN_SECONDS_MAX, decode_handed,
    encode_handed, ended, is_reported, open_awaited, seal_awaited, settle as settle_rule, split,
    were_taken as were_taken_rule,
};
use seoham_store::parcel::notices::{Report, notice};
use seoham_vault::Vault;
use uuid::Uuid;

use super::HandoverBook;
use crate::columns::{Id, Number};
use crate::deliveries;
use crate::events::ledger;
use crate::readers::ReadError;
use crate::writer::WriteError;

/// Those of the documents that were withdrawn; that nobody is told of them is recorded.
pub(super) fn withdrawn(
    connection: &Connection,
    handed: &[Handed],
    now: UnixSeconds,
) -> rusqlite::Result<HashSet<BinderId>> {
    let mut is_withdrawn = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM marks WHERE document_id = ?1 AND withdrawn_at IS NOT NULL)",
    )?;
    let mut withdrawn = HashSet::new();
    for one in handed {
        if is_withdrawn.query_row([Id(one.document)], |row| row.get(0))? {
            withdrawn.insert(one.document);
        }
    }
    let over = |document: &BinderId| Report { document: *document, outcome: Notification::Expired, at: now };
    deliveries::record(connection, withdrawn.iter().map(over), now)?;
    Ok(withdrawn)
}

pub(super) fn add(
    connection: &Connection,
    id: HandoverId,
    provider: &str,
    ticket: i64,
    handed: &[Handed],
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO handovers (handover_id, provider, ticket, begun_at, look_at, handed_count, handed)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)",
        )?
        .execute(params![id.0.as_bytes(), provider, ticket, now.0, handed.len(), encode_handed(handed)])?;
    Ok(())
}

/// Records outcomes; `false` if the hand-over is not held under this ticket.
pub(super) fn settle(
    connection: &Connection,
    vault: &Vault,
    id: HandoverId,
    ticket: i64,
    found: Found,
    now: UnixSeconds,
) -> Result<bool, WriteError> {
    let row = connection
        .prepare_cached("SELECT handed, awaited FROM handovers WHERE handover_id = ?1 AND ticket = ?2")?
        .query_row(params![id.0.as_bytes(), ticket], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?))
        })
        .optional()?;
    let Some((handed, awaited)) = row else { return Ok(false) };
    let awaited = awaited.map_or(Ok(Vec::new()), |sealed| open_awaited(vault, id, &sealed))?;
    let look_at = found.look_at;
    let after = settle_rule(decode_handed(&handed)?, awaited, found, now);
    if after.handed.is_empty() && after.awaited.is_empty() {
        connection
            .prepare_cached("DELETE FROM handovers WHERE handover_id = ?1")?
            .execute([id.0.as_bytes()])?;
    } else {
        let sealed = (!after.awaited.is_empty()).then(|| seal_awaited(vault, id, &after.awaited));
        connection
            .prepare_cached(
                "UPDATE handovers SET look_at = ?2, handed_count = ?3, awaited_count = ?4, handed = ?5, awaited = ?6
                 WHERE handover_id = ?1",
            )?
            .execute(params![
                id.0.as_bytes(),
                look_at.0,
                after.handed.len(),
                after.awaited.len(),
                encode_handed(&after.handed),
                sealed
            ])?;
    }
    write(connection, &after, now)?;
    Ok(true)
}

/// Records that a provider has these documents' messages.
pub(super) fn were_taken(
    connection: &Connection,
    vault: &Vault,
    provider: &str,
    documents: &[BinderId],
    now: UnixSeconds,
) -> Result<(), WriteError> {
    let mut find = connection.prepare_cached(
        "SELECT handover_id, ticket, look_at FROM handovers
         WHERE provider = ?1 AND handed_count > 0 AND instr(handed, ?2) > 0",
    )?;
    for document in documents {
        let found = find.query_row(params![provider, Id(*document)], |row| {
            Ok((HandoverId(Uuid::from_bytes(row.get(0)?)), row.get(1)?, UnixSeconds(row.get(2)?)))
        });
        if let Some((id, ticket, look_at)) = found.optional()? {
            settle(connection, vault, id, ticket, were_taken_rule(&[*document], look_at), now)?;
        }
    }
    Ok(())
}

/// Writes what outcomes change besides the hand-over.
fn write(connection: &Connection, after: &Settlement, now: UnixSeconds) -> rusqlite::Result<()> {
    let mut retry = connection.prepare_cached(
        "INSERT INTO delivery_retries
           (document_id, institution_id, not_before, attempts, first_attempt_at, failure, said)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
    )?;
    for row in &after.retries {
        retry.execute(params![
            Id(row.document),
            Id(row.institution),
            row.not_before.0,
            row.attempts,
            row.first_attempt_at.0,
            Number(row.failure),
            row.said
        ])?;
    }
    let mut give_up = connection.prepare_cached(
        "INSERT OR REPLACE INTO given_up_notices
           (document_id, institution_id, attempts, first_attempt_at, given_up_at, failure, said)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for row in &after.given_up {
        if deliveries::has_arrived(connection, row.document)? {
            continue;
        }
        give_up.execute(params![
            Id(row.document),
            Id(row.institution),
            row.attempts,
            row.first_attempt_at.0,
            now.0,
            Number(row.failure),
            row.said
        ])?;
        ledger::append(connection, &[deliveries::given_up(row.institution, row.document, now)])?;
    }
    if !after.uncertain.is_empty() {
        connection
            .prepare_cached("DELETE FROM uncertain_notices WHERE at < ?1")?
            .execute([now.0 - UNCERTAIN_SECONDS_MAX])?;
    }
    let mut list = connection.prepare_cached(
        "INSERT OR REPLACE INTO uncertain_notices (document_id, institution_id, at, sent_again)
         VALUES (?1, ?2, ?3, ?4)",
    )?;
    for row in &after.uncertain {
        list.execute(params![Id(row.document), Id(row.institution), row.at.0, row.sent_again])?;
    }
    let expired =
        |document: &BinderId| Report { document: *document, outcome: Notification::Expired, at: now };
    deliveries::record(connection, after.expired.iter().map(expired), now)
}

/// Hand-overs that nobody holds and whose time has come, the most urgent first.
pub(super) fn due(
    connection: &Connection,
    book: &HandoverBook,
    names: &[String],
    unknown_since: Option<UnixSeconds>,
    limit: usize,
    now: UnixSeconds,
) -> rusqlite::Result<Vec<HandoverId>> {
    // Those that are held are skipped here, and there are few of them.
    let rows_max = limit + book.count();
    let names = serde_json::to_string(names).unwrap_or_default();
    let mut statement = connection.prepare_cached(
        "SELECT handover_id FROM handovers
         WHERE look_at <= ?1 AND (provider IN (SELECT value FROM json_each(?2))) = (?4 IS NULL)
           AND (?4 IS NULL OR provider NOT IN (SELECT provider FROM provider_states WHERE at >= ?4))
         ORDER BY look_at, handover_id LIMIT ?3",
    )?;
    let rows = statement.query_map(params![now.0, names, rows_max, unknown_since.map(|at| at.0)], |row| {
        Ok(HandoverId(Uuid::from_bytes(row.get(0)?)))
    })?;
    let mut due = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    due.retain(|id| !book.is_held(*id));
    due.truncate(limit);
    Ok(due)
}

/// Gives a hand-over a new ticket, so that whoever held it changes nothing any more.
pub(super) fn lease(connection: &Connection, id: HandoverId, ticket: i64) -> Result<bool, WriteError> {
    let sql = "UPDATE handovers SET ticket = ?2, looks = looks + 1 WHERE handover_id = ?1";
    Ok(connection.prepare_cached(sql)?.execute(params![id.0.as_bytes(), ticket])? > 0)
}

/// A leased hand-over, and what of it ends without being asked about.
pub(super) struct Leased {
    pub(super) handover: DueHandover,
    pub(super) ended: Vec<(BinderId, Settled)>,
}

pub(super) fn read(
    connection: &Connection,
    vault: &Vault,
    id: HandoverId,
    ticket: i64,
    now: UnixSeconds,
) -> Result<Option<Leased>, ReadError> {
    let sql = "SELECT provider, begun_at, looks, handed, awaited FROM handovers WHERE handover_id = ?1 AND ticket = ?2";
    let row = connection
        .prepare_cached(sql)?
        .query_row(params![id.0.as_bytes(), ticket], |row| {
            let handed: Vec<u8> = row.get(3)?;
            let awaited: Option<Vec<u8>> = row.get(4)?;
            let handover = DueHandover {
                id,
                ticket,
                provider: row.get(0)?,
                begun_at: UnixSeconds(row.get(1)?),
                looks: row.get(2)?,
                unknown: Vec::new(),
                awaited: Vec::new(),
            };
            Ok((handover, handed, awaited))
        })
        .optional()?;
    let Some((mut handover, handed, awaited)) = row else { return Ok(None) };
    let handed = decode_handed(&handed)?;
    let awaited = awaited.map_or(Ok(Vec::new()), |sealed| open_awaited(vault, id, &sealed))?;
    let all = awaited.iter().map(|one| one.document).chain(handed.iter().map(|one| one.document));
    let reported = reported(connection, all)?;
    let looked_at = split(handed, awaited, |document| reported.contains(&document));
    handover.awaited = looked_at.awaited;
    let read = deliveries::read_again(connection, vault, &looked_at.unknown, now)?;
    handover.unknown = read.claims;
    let ended = looked_at.taken.into_iter().chain(ended(read.over, read.unreadable));
    Ok(Some(Leased { handover, ended: ended.collect() }))
}

/// Those of the documents on which there is a report.
fn reported(
    connection: &Connection,
    documents: impl Iterator<Item = BinderId>,
) -> rusqlite::Result<HashSet<BinderId>> {
    let mut packed: HashMap<ParcelId, Vec<u8>> = HashMap::new();
    let mut read = connection.prepare_cached("SELECT packed FROM notices WHERE parcel_id = ?1")?;
    let mut reported = HashSet::new();
    for document in documents {
        let parcel = document.parcel();
        let packed = match packed.entry(parcel) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                place.insert(read.query_row([Id(parcel)], |row| row.get(0)).optional()?.unwrap_or_default())
            }
        };
        // A damaged notice tells nothing: the report is recorded then, or not.
        if notice(packed, document.position(), UnixSeconds(0)).is_ok_and(is_reported) {
            reported.insert(document);
        }
    }
    Ok(reported)
}

/// Whether a document is in a hand-over without an outcome.
pub(crate) fn has_document(connection: &Connection, document: BinderId) -> rusqlite::Result<bool> {
    // There are few such hand-overs: those under way, and those whose outcome is unknown.
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM handovers WHERE handed_count > 0 AND instr(handed, ?1) > 0)",
        )?
        .query_row([Id(document)], |row| row.get(0))
}
