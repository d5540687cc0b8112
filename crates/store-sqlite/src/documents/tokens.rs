//! Using a token and marking a document as read, in the writer. SQL conditions ensure that each time is set only
//! once.

use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::Result;
use seoham_store::documents::{ReadVerdict, TokenVerdict};
use seoham_vault::{TokenHash, Vault, WrappedKey};

use super::statuses::{StoredStatus, stored_status};
use crate::columns::Id;

/// A [`TokenVerdict`] with the document still sealed.
pub(super) enum Used {
    Now { token_expires_at: UnixSeconds, token_used_at: UnixSeconds, stored: StoredStatus, key: WrappedKey },
    No(TokenVerdict),
}

impl Used {
    pub(super) fn verdict(self, vault: &Vault, id: BinderId) -> Result<TokenVerdict> {
        match self {
            Self::No(verdict) => Ok(verdict),
            Self::Now { token_expires_at, token_used_at, stored, key } => Ok(TokenVerdict::Verified {
                token_expires_at,
                token_used_at,
                status: stored.open(vault, id, &key)?,
            }),
        }
    }
}

pub(super) fn use_token(
    connection: &Connection,
    institution: InstitutionId,
    document: BinderId,
    token: TokenHash,
    now: UnixSeconds,
) -> rusqlite::Result<Used> {
    let Some((mut stored, key)) = stored_status(connection, institution, document)? else {
        return Ok(Used::No(TokenVerdict::Unknown));
    };
    let found = connection
        .prepare_cached(
            "SELECT expires_at, used_at FROM one_time_tokens WHERE token_hash = ?1 AND document_no = ?2",
        )?
        .query_row(params![token.0, stored.document_no], |row| {
            Ok((UnixSeconds(row.get(0)?), row.get::<_, Option<i64>>(1)?))
        })
        .optional()?;
    let token_expires_at = match found {
        None => return Ok(Used::No(TokenVerdict::Unknown)),
        Some((_, Some(_))) => return Ok(Used::No(TokenVerdict::Used)),
        Some((expires_at, None)) if now >= expires_at => return Ok(Used::No(TokenVerdict::Expired)),
        Some((expires_at, None)) => expires_at,
    };
    // Not before the authentication, even if the machine's clock was set back.
    let at = stored.times.authenticated_at.map_or(now, |before| before.max(now));
    connection
        .prepare_cached("UPDATE one_time_tokens SET used_at = ?2 WHERE token_hash = ?1 AND used_at IS NULL")?
        .execute(params![token.0, at.0])?;
    connection
        .prepare_cached(
            "UPDATE documents SET token_used_at = ?2 WHERE document_no = ?1 AND token_used_at IS NULL",
        )?
        .execute(params![stored.document_no, at.0])?;
    stored.times.token_used_at.get_or_insert(at);
    Ok(Used::Now { token_expires_at, token_used_at: at, stored, key })
}

pub(super) fn mark_read(
    connection: &Connection,
    institution: InstitutionId,
    document: BinderId,
    now: UnixSeconds,
) -> rusqlite::Result<ReadVerdict> {
    let found = connection
        .prepare_cached(
            "SELECT document_no, token_used_at IS NOT NULL FROM documents
             WHERE document_id = ?1 AND institution_id = ?2",
        )?
        .query_row(params![Id(document), Id(institution)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?))
        })
        .optional()?;
    match found {
        None => Ok(ReadVerdict::Unknown),
        Some((_, false)) => Ok(ReadVerdict::NoTokenVerified),
        Some((document_no, true)) => {
            connection
                .prepare_cached(
                    "UPDATE documents SET read_at = max(?2, token_used_at)
                     WHERE document_no = ?1 AND read_at IS NULL",
                )?
                .execute(params![document_no, now.0])?;
            Ok(ReadVerdict::Read)
        }
    }
}
