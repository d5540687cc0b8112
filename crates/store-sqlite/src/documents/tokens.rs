//! Using a token, marking a document as read and withdrawing it, in the writer. Each time is set only once.

use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::{BinderId, EventType, InstitutionId, UnixSeconds};
use seoham_store::documents::{ReadVerdict, TokenVerdict, WithdrawVerdict};
use seoham_store::events::Step;
use seoham_store::parcel::mark;
use seoham_store::parcel::sealed::status;
use seoham_vault::{TokenHash, Vault};

use super::rows;
use crate::columns::Id;
use crate::events::ledger;
use crate::writer::WriteError;

pub(super) fn verify(
    connection: &Connection,
    vault: &Vault,
    institution: InstitutionId,
    id: BinderId,
    token: TokenHash,
    now: UnixSeconds,
) -> Result<TokenVerdict, WriteError> {
    let Some(mut document) = rows::document(connection, Some(institution), id)? else {
        return Ok(TokenVerdict::Unknown);
    };
    let found = connection
        .prepare_cached(
            "SELECT expires_at, used_at FROM one_time_tokens WHERE document_id = ?1 AND token_hash = ?2",
        )?
        .query_row(params![Id(id), token.0], |row| {
            Ok((UnixSeconds(row.get(0)?), row.get::<_, Option<i64>>(1)?))
        })
        .optional()?;
    let token_expires_at = match found {
        None => return Ok(TokenVerdict::Unknown),
        Some((_, Some(_))) => return Ok(TokenVerdict::Used),
        Some(_) if document.times.withdrawn_at.is_some() => return Ok(TokenVerdict::Withdrawn),
        Some((expires_at, None)) if now >= expires_at => return Ok(TokenVerdict::Expired),
        Some((expires_at, None)) => expires_at,
    };
    // Read first: a document that cannot be read must not use up the token.
    let people = rows::people(connection, [document.person])?;
    let read = rows::slices(connection, [document.part.clone()])?;
    let key = people.get(&document.person).map(|person| &person.key);
    let mut status = status(vault, &document, key, &read)?;

    let at = mark::token_used_at(&document.times, now);
    connection
        .prepare_cached("UPDATE one_time_tokens SET used_at = ?3 WHERE document_id = ?1 AND token_hash = ?2")?
        .execute(params![Id(id), token.0, at.0])?;
    connection
        .prepare_cached(
            "INSERT INTO marks (document_id, person_id, token_used_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (document_id) DO UPDATE SET token_used_at = coalesce(token_used_at, excluded.token_used_at)",
        )?
        .execute(params![Id(id), Id(document.person), at.0])?;
    if document.times.token_used_at.is_none() {
        ledger::append(connection, &[Step::of_document(institution, EventType::TokenUsed, at, id)])?;
    }
    document.times.token_used_at.get_or_insert(at);
    status.times = document.times;
    Ok(TokenVerdict::Verified { token_expires_at, token_used_at: at, status })
}

pub(super) fn mark_read(
    connection: &Connection,
    institution: InstitutionId,
    id: BinderId,
    now: UnixSeconds,
) -> Result<ReadVerdict, WriteError> {
    let Some(document) = rows::document(connection, Some(institution), id)? else {
        return Ok(ReadVerdict::Unknown);
    };
    let Some(read_at) = mark::read_at(&document.times, now) else {
        return Ok(ReadVerdict::NoTokenVerified);
    };
    let marked = connection
        .prepare_cached("UPDATE marks SET read_at = ?2 WHERE document_id = ?1 AND read_at IS NULL")?
        .execute(params![Id(id), read_at.0])?;
    if marked > 0 {
        ledger::append(connection, &[Step::of_document(institution, EventType::Read, read_at, id)])?;
    }
    Ok(ReadVerdict::Read)
}

pub(super) fn withdraw(
    connection: &Connection,
    institution: InstitutionId,
    id: BinderId,
    now: UnixSeconds,
) -> Result<WithdrawVerdict, WriteError> {
    let Some(document) = rows::document(connection, Some(institution), id)? else {
        return Ok(WithdrawVerdict::Unknown);
    };
    if let Some(verdict) = WithdrawVerdict::of(&document.times) {
        return Ok(verdict);
    }
    let at = mark::withdrawn_at(&document.times, now);
    connection
        .prepare_cached(
            "INSERT INTO marks (document_id, person_id, withdrawn_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (document_id) DO UPDATE SET withdrawn_at = excluded.withdrawn_at",
        )?
        .execute(params![Id(id), Id(document.person), at.0])?;
    ledger::append(connection, &[Step::of_document(institution, EventType::Withdrawn, at, id)])?;
    Ok(WithdrawVerdict::Withdrawn)
}
