//! Opening a document, in the writer.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, params};
use seoham_model::status::{DocBoxStatus, token_expires_at};
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::boxes::OpenVerdict;
use seoham_store::{Boxes, Lane, Result};
use seoham_vault::TokenHash;

use crate::SqliteStore;
use crate::documents::{stored_status, text};

enum Opened {
    Yes { document_no: i64, token_expires_at: UnixSeconds },
    No(OpenVerdict),
}

#[async_trait]
impl Boxes for SqliteStore {
    async fn open(
        &self,
        institution: InstitutionId,
        document: BinderId,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<OpenVerdict> {
        let opened = self
            .inner
            .writer
            .interactive(move |connection| Ok(open(connection, institution, document, token, now)?))
            .await?;
        let (document_no, token_expires_at) = match opened {
            Opened::No(verdict) => return Ok(verdict),
            Opened::Yes { document_no, token_expires_at } => (document_no, token_expires_at),
        };
        let vault = Arc::clone(&self.inner.vault);
        let read = self
            .inner
            .readers
            .read(Lane::Interactive, move |connection| text(connection, &vault, document_no));
        let text = read.await?;
        Ok(OpenVerdict::Opened {
            link: text.content.link,
            external_document_uuid: text.own.external_document_uuid,
            token_expires_at,
        })
    }
}

fn open(
    connection: &Connection,
    institution: InstitutionId,
    document: BinderId,
    token: TokenHash,
    now: UnixSeconds,
) -> rusqlite::Result<Opened> {
    let Some(stored) = stored_status(connection, institution, document)? else {
        return Ok(Opened::No(OpenVerdict::Unknown));
    };
    match stored.times.status(stored.deadline_at, now) {
        DocBoxStatus::Expired => return Ok(Opened::No(OpenVerdict::Expired)),
        DocBoxStatus::Sent => return Ok(Opened::No(OpenVerdict::NotInBox)),
        DocBoxStatus::Received | DocBoxStatus::Read => {}
    }
    let expires_at = token_expires_at(&stored.times, stored.deadline_at, now);
    connection
        .prepare_cached(
            "INSERT INTO one_time_tokens (token_hash, document_no, expires_at) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![token.0, stored.document_no, expires_at.0])?;
    connection
        .prepare_cached(
            "UPDATE documents SET authenticated_at = ?2 WHERE document_no = ?1 AND authenticated_at IS NULL",
        )?
        .execute(params![stored.document_no, now.0])?;
    Ok(Opened::Yes { document_no: stored.document_no, token_expires_at: expires_at })
}
