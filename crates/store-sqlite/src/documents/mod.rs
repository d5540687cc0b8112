//! Documents: accepting, asking, verifying, reading, describing.

mod accept;
mod describe;
mod statuses;
mod tokens;

use std::sync::Arc;

use async_trait::async_trait;
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::documents::{Acceptance, DocumentRecord, DocumentStatus, ReadVerdict, TokenVerdict};
use seoham_store::{Documents, Lane, Result, sealing};
use seoham_vault::TokenHash;

use crate::SqliteStore;
use crate::writer::Weight;

pub(crate) use describe::text;
pub(crate) use statuses::stored_status;

#[async_trait]
impl Documents for SqliteStore {
    async fn accept(&self, acceptance: Acceptance) -> Result<()> {
        let Acceptance { institution, contract, accepted_at, documents } = acceptance;
        let vault = Arc::clone(&self.inner.vault);
        let sealed = tokio::task::spawn_blocking(move || sealing::seal(&vault, &documents))
            .await
            .map_err(|error| crate::readers::broken_off(&error))?;
        let (contents, documents) = sealed?;
        let bytes = documents.iter().map(|d| d.sealed.len() + 200).sum::<usize>()
            + contents.iter().map(|c| c.sealed.len()).sum::<usize>();
        let weight = Weight { rows: documents.len(), bytes };
        let batch = accept::Batch { institution, contract, accepted_at, contents, documents };
        self.inner.writer.bulk(weight, move |connection| Ok(accept::insert(connection, &batch)?)).await?;
        self.inner.claims.wake();
        Ok(())
    }

    async fn statuses(
        &self,
        lane: Lane,
        institution: InstitutionId,
        ids: Vec<BinderId>,
    ) -> Result<Vec<Option<DocumentStatus>>> {
        let vault = Arc::clone(&self.inner.vault);
        let read = self.inner.readers.read(lane, move |connection| {
            ids.into_iter()
                .map(|id| statuses::status(connection, &vault, institution, id))
                .collect::<std::result::Result<_, _>>()
        });
        read.await
    }

    async fn verify_token(
        &self,
        institution: InstitutionId,
        document: BinderId,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<TokenVerdict> {
        let used = self
            .inner
            .writer
            .interactive(move |connection| {
                Ok(tokens::use_token(connection, institution, document, token, now)?)
            })
            .await?;
        used.verdict(&self.inner.vault, document)
    }

    async fn mark_read(
        &self,
        institution: InstitutionId,
        document: BinderId,
        now: UnixSeconds,
    ) -> Result<ReadVerdict> {
        self.inner
            .writer
            .interactive(move |connection| Ok(tokens::mark_read(connection, institution, document, now)?))
            .await
    }

    async fn describe(&self, document: BinderId) -> Result<Option<DocumentRecord>> {
        let vault = Arc::clone(&self.inner.vault);
        let read = self
            .inner
            .readers
            .read(Lane::Interactive, move |connection| describe::describe(connection, &vault, document));
        read.await
    }
}
