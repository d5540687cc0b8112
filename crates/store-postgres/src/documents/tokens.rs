//! Using a token, marking a document as read and withdrawing it. SQL conditions ensure that each time is set only once,
//! and that whoever sets it writes its step.

use seoham_model::{BinderId, EventType, InstitutionId, UnixSeconds};
use seoham_store::Result;
use seoham_store::documents::{ReadVerdict, TokenVerdict, WithdrawVerdict};
use seoham_store::events::DocumentSet;
use seoham_store::parcel::mark;
use seoham_store::parcel::sealed::status;
use seoham_vault::{TokenHash, Vault};

use super::rows;
use crate::columns::{Columns, Id, Number};
use crate::people::KeyCache;
use crate::session::{Param, Session};

/// Of several concurrent callers, only one updates the token's row, and only that one touches the document's marks. Of
/// several tokens, only the first sets the document's time.
const USE: &str = "WITH used AS (
      UPDATE one_time_tokens SET used_at = $3
      WHERE document_id = $1 AND token_hash = $2 AND used_at IS NULL
      RETURNING document_id),
    marked AS (
      INSERT INTO marks AS m (document_id, person_id, token_used_at)
      SELECT document_id, $4, $3 FROM used
      ON CONFLICT (document_id) DO UPDATE SET token_used_at = excluded.token_used_at WHERE m.token_used_at IS NULL
      RETURNING document_id),
    told AS (
      INSERT INTO outbox (institution_id, event_type, event_count, at, parcel_id, documents)
      SELECT $5, $6, 1, $3, $7, $8 FROM marked)
    SELECT EXISTS (SELECT FROM marked) AS is_first FROM used";

pub(super) async fn verify(
    session: &Session,
    vault: &Vault,
    key_cache: &KeyCache,
    institution: InstitutionId,
    id: BinderId,
    token: TokenHash,
    now: UnixSeconds,
) -> Result<TokenVerdict> {
    let sql = "SELECT expires_at, used_at FROM one_time_tokens WHERE document_id = $1 AND token_hash = $2";
    let (own_id, hash) = (id.uuid(), token.0.as_slice());
    let of_token: [Param<'_>; 2] = [&own_id, &hash];
    // Pipelined, because a person waits for each round trip.
    let (document, found) = futures_util::try_join!(
        rows::document(session, Some(institution), id),
        session.query_opt(sql, &of_token)
    )?;
    let (Some(mut document), Some(found)) = (document, found) else {
        return Ok(TokenVerdict::Unknown);
    };
    let token_expires_at = UnixSeconds(found.value("expires_at")?);
    if found.moment("used_at")?.is_some() {
        return Ok(TokenVerdict::Used);
    }
    if document.times.withdrawn_at.is_some() {
        return Ok(TokenVerdict::Withdrawn);
    }
    if now >= token_expires_at {
        return Ok(TokenVerdict::Expired);
    }
    // Read first: a document that cannot be read must not use up the token.
    let (keys, read) = futures_util::try_join!(
        key_cache.of(session, std::iter::once(document.person)),
        rows::slices(session, [document.part.clone()])
    )?;
    let key = keys.get(&document.person);
    let mut status = status(vault, &document, key, &read)?;

    let at = mark::token_used_at(&document.times, now);
    let (set, parcel) = (DocumentSet::only(id.position()).to_bytes(), id.parcel().uuid());
    let params: [Param<'_>; 8] = [
        &own_id,
        &hash,
        &at.0,
        &document.person.uuid(),
        &institution.uuid(),
        &Number(EventType::TokenUsed),
        &parcel,
        &set.as_slice(),
    ];
    let used = session.write("using a token", USE, &params).await?;
    let Some(used) = used.first() else { return Ok(TokenVerdict::Used) };
    if used.value("is_first")? {
        document.times.token_used_at = Some(at);
    } else if document.times.token_used_at.is_none() {
        // Another token of it was used meanwhile.
        let again = rows::document(session, Some(institution), id).await?;
        document.times.token_used_at = again.and_then(|again| again.times.token_used_at);
    }
    status.times = document.times;
    Ok(TokenVerdict::Verified { token_expires_at, token_used_at: at, status })
}

const MARK_READ: &str = "WITH marked AS (
      UPDATE marks SET read_at = $2 WHERE document_id = $1 AND read_at IS NULL RETURNING document_id)
    INSERT INTO outbox (institution_id, event_type, event_count, at, parcel_id, documents)
    SELECT $3, $4, 1, $2, $5, $6 FROM marked";

pub(super) async fn mark_read(
    session: &Session,
    institution: InstitutionId,
    id: BinderId,
    now: UnixSeconds,
) -> Result<ReadVerdict> {
    let Some(document) = rows::document(session, Some(institution), id).await? else {
        return Ok(ReadVerdict::Unknown);
    };
    let Some(read_at) = mark::read_at(&document.times, now) else {
        return Ok(ReadVerdict::NoTokenVerified);
    };
    if document.times.read_at.is_none() {
        let (set, parcel) = (DocumentSet::only(id.position()).to_bytes(), id.parcel().uuid());
        let event_type = Number(EventType::Read);
        let params: [Param<'_>; 6] =
            [&id.uuid(), &read_at.0, &institution.uuid(), &event_type, &parcel, &set.as_slice()];
        session.write("a read report", MARK_READ, &params).await?;
    }
    Ok(ReadVerdict::Read)
}

/// Waits for an opening at the same time, and then finds the document opened: exactly one of the two succeeds.
const WITHDRAW: &str = "WITH marked AS (
      INSERT INTO marks AS m (document_id, person_id, withdrawn_at) VALUES ($1, $2, $3)
      ON CONFLICT (document_id) DO UPDATE SET withdrawn_at = excluded.withdrawn_at
      WHERE m.withdrawn_at IS NULL AND m.opened_at IS NULL
      RETURNING document_id)
    INSERT INTO outbox (institution_id, event_type, event_count, at, parcel_id, documents)
    SELECT $4, $5, 1, $3, $6, $7 FROM marked RETURNING 1";

pub(super) async fn withdraw(
    session: &Session,
    institution: InstitutionId,
    id: BinderId,
    now: UnixSeconds,
) -> Result<WithdrawVerdict> {
    loop {
        let Some(document) = rows::document(session, Some(institution), id).await? else {
            return Ok(WithdrawVerdict::Unknown);
        };
        if let Some(verdict) = WithdrawVerdict::of(&document.times) {
            return Ok(verdict);
        }
        let at = mark::withdrawn_at(&document.times, now);
        let (set, parcel) = (DocumentSet::only(id.position()).to_bytes(), id.parcel().uuid());
        let event_type = Number(EventType::Withdrawn);
        let person = document.person.uuid();
        let params: [Param<'_>; 7] =
            [&id.uuid(), &person, &at.0, &institution.uuid(), &event_type, &parcel, &set.as_slice()];
        if !session.write("a withdrawal", WITHDRAW, &params).await?.is_empty() {
            return Ok(WithdrawVerdict::Withdrawn);
        }
        // It was opened or withdrawn meanwhile, and the next look tells which.
    }
}
