//! Using a token and marking a document as read. SQL conditions ensure that each time is set only once.

use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::documents::{DocumentStatus, ReadVerdict, TokenVerdict};
use seoham_store::{AboutEntity, Result, StoreError, sealing};
use seoham_vault::{TokenHash, Vault};

use super::rows;
use crate::columns::{Columns, Id};
use crate::people::KeyCache;
use crate::session::{Param, Session};

/// Of several concurrent callers, only one updates the token's row, and only that one touches the document.
const USE: &str = "WITH used AS (
      UPDATE one_time_tokens SET used_at = $3
      WHERE document_id = $1 AND token_hash = $2 AND used_at IS NULL
      RETURNING document_id)
    UPDATE documents d SET token_used_at = coalesce(d.token_used_at, $3)
    FROM used WHERE d.document_id = used.document_id AND d.document_id = $1
    RETURNING d.token_used_at";

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
        rows::own_document(session, institution, id),
        session.query_opt(sql, &of_token)
    )?;
    let (Some(document), Some(found)) = (document, found) else {
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
    let keys = key_cache.of(session, std::iter::once(document.person)).await?;
    let key = keys
        .get(&document.person)
        .ok_or_else(|| StoreError::damaged("the missing person").about(document.id))?;
    let own = sealing::open_own(vault, document.person, key, id, &document.sealed)?;

    // Not before the authentication, even if that time came from another node's clock.
    let at = document.times.authenticated_at.map_or(now, |before| before.max(now));
    let used = session.write("using a token", USE, &[&own_id, &hash, &at.0]).await?;
    let Some(used) = used.first() else { return Ok(TokenVerdict::Used) };
    let mut times = document.times;
    times.token_used_at = used.moment("token_used_at")?;
    Ok(TokenVerdict::Verified {
        token_expires_at,
        token_used_at: at,
        status: DocumentStatus {
            times,
            deadline_at: document.deadline_at,
            payload: own.payload,
            external_document_uuid: own.external_document_uuid,
        },
    })
}

const MARK_READ: &str = "WITH read AS (
      UPDATE documents SET read_at = greatest($3, token_used_at)
      WHERE document_id = $1 AND institution_id = $2 AND token_used_at IS NOT NULL AND read_at IS NULL)
    SELECT token_used_at IS NOT NULL AS verified FROM documents WHERE document_id = $1 AND institution_id = $2";

pub(super) async fn mark_read(
    session: &Session,
    institution: InstitutionId,
    id: BinderId,
    now: UnixSeconds,
) -> Result<ReadVerdict> {
    let rows = session.write("a read report", MARK_READ, &[&id.uuid(), &institution.uuid(), &now.0]).await?;
    match rows.first().map(|row| row.value("verified")).transpose()? {
        None => Ok(ReadVerdict::Unknown),
        Some(false) => Ok(ReadVerdict::NoTokenVerified),
        Some(true) => Ok(ReadVerdict::Read),
    }
}
