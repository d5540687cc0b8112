//! Opening a document, in the writer.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, params};
use seoham_model::status::{DocBoxStatus, token_expires_at};
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::boxes::OpenVerdict;
use seoham_store::{Boxes, Result};
use seoham_vault::{TokenHash, Vault};

use crate::SqliteStore;
use crate::documents::{stored_status, text};
use crate::writer::WriteError;

#[async_trait]
impl Boxes for SqliteStore {
    async fn open(
        &self,
        institution: InstitutionId,
        document: BinderId,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<OpenVerdict> {
        let vault = Arc::clone(&self.inner.vault);
        self.inner
            .writer
            .interactive(move |connection| open(connection, &vault, institution, document, token, now))
            .await
    }
}

fn open(
    connection: &Connection,
    vault: &Vault,
    institution: InstitutionId,
    document: BinderId,
    token: TokenHash,
    now: UnixSeconds,
) -> std::result::Result<OpenVerdict, WriteError> {
    let Some(stored) = stored_status(connection, institution, document)? else {
        return Ok(OpenVerdict::Unknown);
    };
    match stored.times.status(stored.deadline_at, now) {
        DocBoxStatus::Expired => return Ok(OpenVerdict::Expired),
        DocBoxStatus::Sent => return Ok(OpenVerdict::NotInBox),
        DocBoxStatus::Received | DocBoxStatus::Read => {}
    }
    // Read first: what cannot be read must not leave a token and a time behind.
    let text = text(connection, vault, stored.document_no)?;
    let token_expires_at = token_expires_at(&stored.times, stored.deadline_at, now);
    connection
        .prepare_cached(
            "INSERT INTO one_time_tokens (token_hash, document_no, expires_at) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![token.0, stored.document_no, token_expires_at.0])?;
    connection
        .prepare_cached(
            "UPDATE documents SET authenticated_at = max(?2, sent_at, coalesce(received_at, 0))
             WHERE document_no = ?1 AND authenticated_at IS NULL",
        )?
        .execute(params![stored.document_no, now.0])?;
    Ok(OpenVerdict::Opened {
        link: text.content.link,
        external_document_uuid: text.own.external_document_uuid,
        token_expires_at,
    })
}
