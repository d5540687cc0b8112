//! Documents: accepting, querying status, verifying tokens, marking read, describing.

mod accept;
mod keys;
pub(crate) mod rows;
mod tokens;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, params};
use seoham_model::contract::Notice;
use seoham_model::{BinderId, ContractUuid, InstitutionId, ParcelId, PersonId, UnixSeconds};
use seoham_store::documents::{
    Acceptance, Accepted, DocumentRecord, DocumentStatus, KnownNotice, ParcelsWithin, ReadVerdict,
    TokenVerdict, WithdrawVerdict,
};
use seoham_store::idempotency::{IdempotencyKey, KeyHistory, KeyedItem, key_history};
use seoham_store::parcel::sealed::statuses;
use seoham_store::parcel::{Batch, document};
use seoham_store::{Documents, Lane, Records, Result};
use seoham_vault::{TokenHash, WrappedKey};

use crate::SqliteStore;
use crate::columns::{Id, known};
use crate::deliveries::{queue, undelivered};
use crate::people::PersonCache;
use crate::writer::Weight;

pub(crate) use keys::forget;

/// Documents read at once while searching.
const READ_AT_ONCE: usize = 256;

#[async_trait]
impl Documents for SqliteStore {
    async fn accept(&self, acceptance: Acceptance) -> Result<Accepted> {
        let vault = &self.inner.vault;
        // Moving it to another thread would cost more.
        let batch = Batch::seal(vault, &acceptance)?;
        let weight = Weight { rows: batch.documents().max(1), bytes: batch.bytes() };
        let box_index = Arc::clone(&self.inner.box_index);
        let work = move |connection: &Connection| Ok(accept::insert(connection, &box_index, &batch)?);
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
    ) -> Result<Vec<Result<Option<DocumentStatus>>>> {
        let (vault, known) = (Arc::clone(&self.inner.vault), Arc::clone(&self.inner.person_cache));
        let read = self.inner.readers.read(lane, move |connection| {
            // Without a snapshot, every statement would begin one.
            let _snapshot = connection.unchecked_transaction()?;
            let found = rows::documents(connection, Some(institution), &ids)?;
            let documents = || found.values().flatten();
            let read = rows::slices(connection, documents().map(|document| document.part.clone()))?;
            let keys = keys_of(connection, &known, documents().map(|document| document.person))?;
            Ok(statuses(&vault, &ids, &found, &keys, &read))
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
        let vault = Arc::clone(&self.inner.vault);
        let verify = move |connection: &Connection| {
            tokens::verify(connection, &vault, institution, document, token, now)
        };
        self.inner.writer.interactive(verify).await
    }

    async fn mark_read(
        &self,
        institution: InstitutionId,
        document: BinderId,
        now: UnixSeconds,
    ) -> Result<ReadVerdict> {
        self.inner
            .writer
            .interactive(move |connection| tokens::mark_read(connection, institution, document, now))
            .await
    }

    async fn withdraw(
        &self,
        institution: InstitutionId,
        document: BinderId,
        now: UnixSeconds,
    ) -> Result<WithdrawVerdict> {
        let withdraw =
            move |connection: &Connection| tokens::withdraw(connection, institution, document, now);
        self.inner.writer.interactive(withdraw).await
    }
}

#[async_trait]
impl Records for SqliteStore {
    async fn describe(&self, document: BinderId) -> Result<Option<DocumentRecord>> {
        let vault = Arc::clone(&self.inner.vault);
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let _snapshot = connection.unchecked_transaction()?;
            let Some(found) = rows::document(connection, None, document)? else { return Ok(None) };
            let (text, person) = rows::text(connection, &vault, &found)?;
            let queued = queue::is_queued(connection, found.institution, document)?;
            let given_up = undelivered::is_given_up(connection, document)?;
            let notice = notice(connection, found.contract)?;
            let known = KnownNotice { notice, queued, given_up };
            Ok(Some(DocumentRecord::of(found, text, person.member_since, known)))
        });
        read.await
    }

    async fn documents_for(
        &self,
        institution: InstitutionId,
        person: PersonId,
        before: Option<BinderId>,
        limit: usize,
    ) -> Result<Vec<BinderId>> {
        let box_index = Arc::clone(&self.inner.box_index);
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let mut ids = box_index.documents_of(connection, person)?;
            ids.retain(|id| before.is_none_or(|before| *id < before));
            let mut theirs = Vec::new();
            for ids in ids.chunks(READ_AT_ONCE) {
                let found = rows::documents(connection, Some(institution), ids)?;
                theirs.extend(document::of_person(&found, ids, person).take(limit - theirs.len()));
                if theirs.len() >= limit {
                    break;
                }
            }
            Ok(theirs)
        });
        read.await
    }

    async fn parcels_within(
        &self,
        institution: InstitutionId,
        within: Range<ParcelId>,
        limit: usize,
    ) -> Result<ParcelsWithin> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let sql = "SELECT parcel_id, institution_id, length(persons) FROM parcels
                       WHERE parcel_id >= ?1 AND parcel_id < ?2 ORDER BY parcel_id LIMIT ?3";
            let row = |row: &rusqlite::Row<'_>| {
                let (parcel, institution) =
                    (row.get::<_, Id<ParcelId>>(0)?, row.get::<_, Id<InstitutionId>>(1)?);
                Ok((parcel.0, institution.0, row.get(2)?))
            };
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map(params![Id(within.start), Id(within.end), limit], row)?;
            let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(ParcelsWithin::of(&rows, institution, limit))
        });
        read.await
    }

    async fn sender_of(&self, document: BinderId) -> Result<Option<InstitutionId>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            Ok(rows::document(connection, None, document)?.map(|found| found.institution))
        });
        read.await
    }
}

/// The data keys of people, from the cache where it has them.
pub(crate) fn keys_of(
    connection: &Connection,
    cache: &PersonCache,
    ids: impl Iterator<Item = PersonId> + Clone,
) -> rusqlite::Result<HashMap<PersonId, WrappedKey>> {
    let cached = ids.clone().zip(cache.keys_of(ids.clone()));
    let mut keys: HashMap<PersonId, WrappedKey> =
        cached.filter_map(|(person, key)| Some((person, key?))).collect();
    let unknown: Vec<PersonId> = ids.filter(|id| !keys.contains_key(id)).collect();
    let people = rows::people(connection, unknown)?;
    keys.extend(people.into_iter().map(|(id, person)| (id, person.key)));
    Ok(keys)
}

/// Who notifies under a contract.
fn notice(connection: &Connection, contract: ContractUuid) -> rusqlite::Result<Notice> {
    connection
        .prepare_cached("SELECT notice FROM contracts WHERE contract_id = ?1")?
        .query_row([Id(contract)], |row| known(0, Notice::from_name(row.get_ref(0)?.as_str()?)))
}
