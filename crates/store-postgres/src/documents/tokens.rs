//! Using a token and marking a document as read. SQL conditions ensure that each time is set only once.

use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::Result;
use seoham_store::documents::{ReadVerdict, TokenVerdict};
use seoham_store::parcel::mark;
use seoham_store::parcel::sealed::status;
use seoham_vault::{TokenHash, Vault};

use super::rows;
use crate::columns::{Columns, Id};
use crate::people::KeyCache;
use crate::session::{Param, Session};

/// Of several concurrent callers, only one updates the token's row, and only that one touches the document's marks.
const USE: &str = "WITH used AS (
      UPDATE one_time_tokens SET used_at = $3
      WHERE document_id = $1 AND token_hash = $2 AND used_at IS NULL
      RETURNING document_id)
    INSERT INTO marks AS m (document_id, person_id, token_used_at)
    SELECT document_id, $4, $3 FROM used
    ON CONFLICT (document_id) DO UPDATE SET token_used_at = coalesce(m.token_used_at, excluded.token_used_at)
    RETURNING token_used_at";

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
    let params: [Param<'_>; 4] = [&own_id, &hash, &at.0, &document.person.uuid()];
    let used = session.write("using a token", USE, &params).await?;
    let Some(used) = used.first() else { return Ok(TokenVerdict::Used) };
    document.times.token_used_at = used.moment("token_used_at")?;
    status.times = document.times;
    Ok(TokenVerdict::Verified { token_expires_at, token_used_at: at, status })
}

const MARK_READ: &str = "UPDATE marks SET read_at = $2 WHERE document_id = $1 AND read_at IS NULL";

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
        session.write("a read report", MARK_READ, &[&id.uuid(), &read_at.0]).await?;
    }
    Ok(ReadVerdict::Read)
}
