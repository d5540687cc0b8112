//! Documents: accepting, querying status, verifying tokens, marking read, describing.

mod accept;
mod group_commit;
mod keys;
pub(crate) mod rows;
mod tokens;

use std::sync::Arc;

use async_trait::async_trait;
use seoham_model::{BinderId, InstitutionId, StoredNumber, UnixSeconds};
use seoham_store::documents::{
    Acceptance, Accepted, DocumentRecord, DocumentStatus, Notification, ReadVerdict, TokenVerdict,
};
use seoham_store::idempotency::{IdempotencyKey, KeyHistory, KeyedItem, Record, key_history};
use seoham_store::people::PersonView;
use seoham_store::sealing::{self, OpenedText};
use seoham_store::{AboutEntity, Documents, Lane, Records, Result, StoreError};
use seoham_vault::TokenHash;

use crate::columns::{Columns, Id};
use crate::session::Param;
use crate::{Inner, PostgresStore};
pub(crate) use group_commit::GroupCommit;
pub(crate) use keys::forget;

#[async_trait]
impl Documents for PostgresStore {
    async fn accept(&self, acceptance: Acceptance) -> Result<Accepted> {
        let Acceptance { institution, contract, accepted_at, documents, remember } = acceptance;
        let vault = Arc::clone(&self.inner.vault);
        let sealed = tokio::task::spawn_blocking(move || {
            let record = remember.map(|remember| Record::of(&vault, &remember));
            sealing::seal(&vault, &documents).map(|(contents, documents)| (contents, documents, record))
        });
        let (contents, documents, record) = sealed.await.map_err(|error| {
            if error.is_panic() {
                StoreError::Failed("sealing panicked".to_owned())
            } else {
                StoreError::Unavailable("closing".to_owned())
            }
        })??;
        let batch = accept::Batch { institution, contract, accepted_at, contents, documents, record };
        let accepted = self.inner.group_commit.accept(batch).await?;
        self.inner.signals.work_arrived();
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
        let session = self.inner.sessions.of(lane).await?;
        let vault = &self.inner.vault;
        let tag = key.tag(vault);
        let rows = keys::rows(&session, institution, tag, now).await?;
        drop(session);
        key_history(vault, tag, &rows, &items)
    }

    async fn statuses(
        &self,
        lane: Lane,
        institution: InstitutionId,
        ids: Vec<BinderId>,
    ) -> Result<Vec<Option<DocumentStatus>>> {
        let session = self.inner.sessions.for_many(lane).await?;
        let documents = rows::documents(&session, Some(institution), &ids).await?;
        let keys = self.inner.key_cache.of(&session, documents.values().map(|d| d.person)).await?;
        drop(session);
        let status = |id: &BinderId| {
            let Some(document) = documents.get(id) else { return Ok(None) };
            let key = keys
                .get(&document.person)
                .ok_or_else(|| StoreError::damaged("the missing person").about(document.id))?;
            let vault = &self.inner.vault;
            let own = sealing::open_own(vault, document.person, key, *id, &document.sealed)?;
            let (times, deadline_at) = (document.times, document.deadline_at);
            let seoham_model::document::Own { payload, external_document_uuid } = own;
            Ok(Some(DocumentStatus { times, deadline_at, payload, external_document_uuid }))
        };
        ids.iter().map(status).collect()
    }

    async fn verify_token(
        &self,
        institution: InstitutionId,
        document: BinderId,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<TokenVerdict> {
        let session = self.inner.sessions.interactive().await?;
        let Inner { vault, key_cache, .. } = &*self.inner;
        tokens::verify(&session, vault, key_cache, institution, document, token, now).await
    }

    async fn mark_read(
        &self,
        institution: InstitutionId,
        document: BinderId,
        now: UnixSeconds,
    ) -> Result<ReadVerdict> {
        let session = self.inner.sessions.interactive().await?;
        tokens::mark_read(&session, institution, document, now).await
    }
}

#[async_trait]
impl Records for PostgresStore {
    async fn describe(&self, id: BinderId) -> Result<Option<DocumentRecord>> {
        let session = self.inner.sessions.interactive().await?;
        let Some(document) = rows::documents(&session, None, &[id]).await?.remove(&id) else {
            return Ok(None);
        };
        let (text, person) = rows::text(&session, &self.inner.vault, &document).await?;
        let OpenedText { content, own, mut recipient } = text;
        let earliest = BinderId::first_at(id.unix_millis().saturating_sub(ACCEPTED_TOGETHER_MILLIS));
        let params: [Param<'_>; 3] = [&document.institution.uuid(), &id.uuid(), &earliest.uuid()];
        let waiting = session.query_opt(WAITING, &params).await?;
        let waiting = waiting.is_some_and(|row| row.value("waiting").unwrap_or(false));
        // Decoded only here: an unknown number must not block a claim or a status query.
        let notification = Notification::from_number(document.notification.into())
            .ok_or_else(|| StoreError::damaged("notification").about(id))?
            .as_shown(document.times.notified_at, waiting);
        let (payload, external) = (own.payload.clone(), own.external_document_uuid.clone());
        Ok(Some(DocumentRecord {
            institution: document.institution,
            contract: document.contract,
            content,
            own,
            hash: document.hash,
            status: DocumentStatus {
                times: document.times,
                deadline_at: document.deadline_at,
                payload,
                external_document_uuid: external,
            },
            notification,
            recipient: PersonView {
                phone_number: std::mem::take(&mut recipient.phone_number).into(),
                name: std::mem::take(&mut recipient.name).into(),
                member_since: person.member_since,
            },
        }))
    }
}

/// Maximum time between the acceptances of documents in one parcel.
const ACCEPTED_TOGETHER_MILLIS: u64 = 60_000;

const WAITING: &str = "SELECT
    EXISTS (SELECT 1 FROM delivery_parcels
            WHERE institution_id = $1 AND first_id BETWEEN $3 AND $2 AND $2 = ANY (document_ids))
    OR EXISTS (SELECT 1 FROM deliveries WHERE institution_id = $1 AND document_id = $2)
    OR EXISTS (SELECT 1 FROM delivery_retries WHERE institution_id = $1 AND document_id = $2) AS waiting";
