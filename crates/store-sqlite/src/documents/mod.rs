//! Documents: accepting, querying status, verifying tokens, marking read, describing.

mod accept;
mod describe;
mod keys;
mod statuses;
mod tokens;

use std::sync::Arc;

use async_trait::async_trait;
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::documents::{
    Acceptance, Accepted, DocumentRecord, DocumentStatus, ReadVerdict, TokenVerdict,
};
use seoham_store::idempotency::{IdempotencyKey, KeyHistory, KeyedItem, Record, key_history};
use seoham_store::{Documents, Lane, Records, Result, sealing};
use seoham_vault::TokenHash;

use crate::SqliteStore;
use crate::writer::Weight;

pub(crate) use describe::text;
pub(crate) use keys::forget;
pub(crate) use statuses::stored_status;

#[async_trait]
impl Documents for SqliteStore {
    async fn accept(&self, acceptance: Acceptance) -> Result<Accepted> {
        let Acceptance { institution, contract, accepted_at, documents, remember } = acceptance;
        let vault = &self.inner.vault;
        // Takes about a microsecond per document, less than moving it to another thread would cost.
        let record = remember.map(|remember| Record::of(vault, &remember));
        let (contents, documents) = sealing::seal(vault, &documents)?;
        let bytes = documents.iter().map(|d| d.sealed.len() + 200).sum::<usize>()
            + contents.iter().map(|c| c.sealed.len()).sum::<usize>()
            + record.as_ref().map_or(0, |r| r.verdicts.len());
        let weight = Weight { rows: documents.len().max(1), bytes };
        let batch = accept::Batch { institution, contract, accepted_at, contents, documents, record };
        let box_index = Arc::clone(&self.inner.box_index);
        let work =
            move |connection: &rusqlite::Connection| Ok(accept::insert(connection, &box_index, &batch)?);
        let accepted = self.inner.writer.bulk(weight, work).await?;
        self.inner.claims.wake();
        Ok(accepted)
    }

    async fn recall(
        &self,
        lane: Lane,
        institution: InstitutionId,
        key: &IdempotencyKey,
        items: Vec<Arc<KeyedItem>>,
        now: UnixSeconds,
    ) -> Result<KeyHistory> {
        let vault = Arc::clone(&self.inner.vault);
        let tag = key.tag(&vault);
        let read = self.inner.readers.read(lane, move |connection| {
            let rows = keys::rows(connection, institution, tag, now)?;
            Ok(key_history(&vault, tag, &rows, &items)?)
        });
        read.await
    }

    async fn statuses(
        &self,
        lane: Lane,
        institution: InstitutionId,
        ids: Vec<BinderId>,
    ) -> Result<Vec<Option<DocumentStatus>>> {
        let (vault, known) = (Arc::clone(&self.inner.vault), Arc::clone(&self.inner.person_cache));
        let read = self
            .inner
            .readers
            .read(lane, move |connection| statuses::statuses(connection, &vault, &known, institution, &ids));
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
}

#[async_trait]
impl Records for SqliteStore {
    async fn describe(&self, document: BinderId) -> Result<Option<DocumentRecord>> {
        let vault = Arc::clone(&self.inner.vault);
        let read = self
            .inner
            .readers
            .read(Lane::Interactive, move |connection| describe::describe(connection, &vault, document));
        read.await
    }
}
