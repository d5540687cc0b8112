//! Documents: accepting, querying status, verifying tokens, marking read, describing.

mod accept;
mod conflict_lane;
mod group_commit;
mod keys;
pub(crate) mod rows;
mod tokens;
mod transaction;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use seoham_model::contract::Notice;
use seoham_model::{BinderId, InstitutionId, ParcelId, PersonId, UnixSeconds};
use seoham_store::documents::{
    Acceptance, Accepted, DocumentRecord, DocumentStatus, KnownNotice, ParcelsWithin, ReadVerdict,
    TokenVerdict, WithdrawVerdict,
};
use seoham_store::idempotency::{IdempotencyKey, KeyHistory, KeyedItem, key_history};
use seoham_store::parcel::sealed::statuses;
use seoham_store::parcel::{Batch, document};
use seoham_store::{Documents, Lane, Records, Result, StoreError};
use seoham_vault::TokenHash;

use crate::box_index::documents_of;
use crate::columns::{Columns, Id};
use crate::session::Param;
use crate::{Inner, PostgresStore};
pub(crate) use group_commit::GroupCommit;
pub(crate) use keys::forget;

/// Documents read at once while searching.
const READ_AT_ONCE: usize = 256;

#[async_trait]
impl Documents for PostgresStore {
    async fn accept(&self, acceptance: Acceptance) -> Result<Accepted> {
        let vault = Arc::clone(&self.inner.vault);
        let sealed = tokio::task::spawn_blocking(move || Batch::seal(&vault, &acceptance));
        let batch = sealed.await.map_err(|error| {
            if error.is_panic() {
                StoreError::Failed("sealing panicked".to_owned())
            } else {
                StoreError::Unavailable("closing".to_owned())
            }
        })??;
        let accepted = self.inner.group_commit.accept(batch).await?;
        self.inner.signals.work_arrived();
        self.inner.box_index.work_arrived();
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
    ) -> Result<Vec<Result<Option<DocumentStatus>>>> {
        let session = self.inner.sessions.for_many(lane).await?;
        let found = rows::documents(&session, Some(institution), &ids).await?;
        let documents = || found.values().flatten();
        let (keys, read) = futures_util::try_join!(
            self.inner.key_cache.of(&session, documents().map(|document| document.person)),
            rows::slices(&session, documents().map(|document| document.part.clone()))
        )?;
        drop(session);
        Ok(statuses(&self.inner.vault, &ids, &found, &keys, &read))
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

    async fn withdraw(
        &self,
        institution: InstitutionId,
        document: BinderId,
        now: UnixSeconds,
    ) -> Result<WithdrawVerdict> {
        let session = self.inner.sessions.interactive().await?;
        tokens::withdraw(&session, institution, document, now).await
    }
}

#[async_trait]
impl Records for PostgresStore {
    async fn describe(&self, id: BinderId) -> Result<Option<DocumentRecord>> {
        let session = self.inner.sessions.interactive().await?;
        let Some(document) = rows::document(&session, None, id).await? else { return Ok(None) };
        let (text, person) = rows::text(&session, &self.inner.vault, &document).await?;
        let params: [Param<'_>; 5] = [
            &document.institution.uuid(),
            &id.uuid(),
            &id.parcel().uuid(),
            &i32::from(id.position()),
            &document.contract.uuid(),
        ];
        let row = session.query_opt(QUEUED, &params).await?.ok_or(StoreError::damaged("the queue"))?;
        let (queued, given_up) = (row.value("waiting")?, row.value("given_up")?);
        let notice =
            Notice::from_name(row.value("notice")?).ok_or(StoreError::damaged("a contract's notice"))?;
        let known = KnownNotice { notice, queued, given_up };
        Ok(Some(DocumentRecord::of(document, text, person.member_since, known)))
    }

    async fn documents_for(
        &self,
        institution: InstitutionId,
        person: PersonId,
        before: Option<BinderId>,
        limit: usize,
    ) -> Result<Vec<BinderId>> {
        let session = self.inner.sessions.interactive().await?;
        let mut ids = documents_of(&session, person).await?;
        ids.retain(|id| before.is_none_or(|before| *id < before));
        let mut theirs = Vec::new();
        for ids in ids.chunks(READ_AT_ONCE) {
            let found = rows::documents(&session, Some(institution), ids).await?;
            theirs.extend(document::of_person(&found, ids, person).take(limit - theirs.len()));
            if theirs.len() >= limit {
                break;
            }
        }
        Ok(theirs)
    }

    async fn parcels_within(
        &self,
        institution: InstitutionId,
        within: Range<ParcelId>,
        limit: usize,
    ) -> Result<ParcelsWithin> {
        let sql = "SELECT parcel_id, institution_id, octet_length(persons) AS bytes FROM parcels
                   WHERE parcel_id >= $1 AND parcel_id < $2 ORDER BY parcel_id LIMIT $3";
        let session = self.inner.sessions.interactive().await?;
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = session.query(sql, &[&within.start.uuid(), &within.end.uuid(), &most]).await?;
        let row = |row: &tokio_postgres::Row| {
            let bytes = usize::try_from(row.value::<i32>("bytes")?).unwrap_or(0);
            Ok((row.id("parcel_id")?, row.id("institution_id")?, bytes))
        };
        let rows = rows.iter().map(row).collect::<Result<Vec<_>>>()?;
        Ok(ParcelsWithin::of(&rows, institution, limit))
    }

    async fn sender_of(&self, document: BinderId) -> Result<Option<InstitutionId>> {
        let session = self.inner.sessions.interactive().await?;
        Ok(rows::document(&session, None, document).await?.map(|found| found.institution))
    }
}

/// Whether a document's notification waits, whether it was given up, and who notifies under its contract.
const QUEUED: &str = "SELECT
    EXISTS (SELECT 1 FROM deliveries
            WHERE institution_id = $1 AND parcel_id = $3 AND position(set_byte('\\x00', 0, $4) IN positions) > 0)
    OR EXISTS (SELECT 1 FROM delivery_retries WHERE institution_id = $1 AND document_id = $2)
    -- There are few such hand-overs: those under way, and those whose outcome is unknown.
    OR EXISTS (SELECT 1 FROM handovers WHERE handed_count > 0 AND position(uuid_send($2) IN handed) > 0) AS waiting,
    EXISTS (SELECT 1 FROM given_up_notices WHERE document_id = $2) AS given_up,
    (SELECT notice FROM contracts WHERE contract_id = $5) AS notice";
