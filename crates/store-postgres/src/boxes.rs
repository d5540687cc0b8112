//! Opening a document.

use async_trait::async_trait;
use seoham_model::status::{DocBoxStatus, token_expires_at};
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::boxes::OpenVerdict;
use seoham_store::{Boxes, Result};
use seoham_vault::TokenHash;

use crate::PostgresStore;
use crate::columns::Id;
use crate::documents::rows;

/// The token and the first authentication stand together or not at all.
const OPEN: &str = "WITH token AS (
      INSERT INTO one_time_tokens (document_id, token_hash, expires_at) VALUES ($1, $2, $3))
    UPDATE documents SET authenticated_at = greatest($4, sent_at, received_at)
    WHERE document_id = $1 AND authenticated_at IS NULL";

#[async_trait]
impl Boxes for PostgresStore {
    async fn open(
        &self,
        institution: InstitutionId,
        id: BinderId,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<OpenVerdict> {
        let session = self.inner.sessions.interactive().await?;
        let Some(document) = rows::own_document(&session, institution, id).await? else {
            return Ok(OpenVerdict::Unknown);
        };
        match document.times.status(document.deadline_at, now) {
            DocBoxStatus::Expired => return Ok(OpenVerdict::Expired),
            DocBoxStatus::Sent => return Ok(OpenVerdict::NotInBox),
            DocBoxStatus::Received | DocBoxStatus::Read => {}
        }
        // Read first: what cannot be read must not leave a token and a time behind.
        let (text, _) = rows::text(&session, &self.inner.vault, &document).await?;
        let token_expires_at = token_expires_at(&document.times, document.deadline_at, now);
        let hash = token.0.as_slice();
        session.write("opening a document", OPEN, &[&id.uuid(), &hash, &token_expires_at.0, &now.0]).await?;
        Ok(OpenVerdict::Opened {
            link: text.content.link,
            external_document_uuid: text.own.external_document_uuid,
            token_expires_at,
        })
    }
}
