//! Hand-overs: what is given to a provider in one call. What outcomes change is decided in the store's `handovers`.

mod book;
mod rows;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, params};
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::deliveries::{Finished, Outcome};
use seoham_store::handovers::{
    BegunHandover, DueHandover, Found, HandoverClaim, HandoverDepth, HandoverId, ProviderState, Uncertain,
    Whose,
};
use seoham_store::{Handovers, Lane, ProviderViews, Result};
use uuid::Uuid;

use crate::SqliteStore;
use crate::columns::Id;
use crate::writer::Weight;

pub(crate) use book::HandoverBook;
pub(crate) use rows::has_document;

/// A hand-over of a thousand documents writes as much as this many rows.
const HANDING: usize = 20;
/// For how long the states of workers that report no more are kept.
const STATES_SECONDS: i64 = 3_600;

#[async_trait]
impl Handovers for SqliteStore {
    async fn begin_handover(
        &self,
        id: HandoverId,
        provider: &str,
        claims: Vec<HandoverClaim>,
        lease: Duration,
        now: UnixSeconds,
    ) -> Result<Option<BegunHandover>> {
        let finished: Vec<Finished> = claims.iter().map(as_finished).collect();
        let taking = self.inner.claims.begin_to_finish(&finished);
        let documents: Vec<BinderId> = taking.held.iter().map(|(held, ..)| held.document).collect();
        if documents.is_empty() {
            return Ok(None);
        }
        self.inner.handovers.hold(id, lease);
        let held = taking.held.clone();
        let taken: HashSet<&BinderId> = documents.iter().collect();
        let handed = claims.iter().map(|claim| claim.handed);
        let handed: Vec<_> = handed.filter(|one| taken.contains(&one.document)).collect();
        let (provider, ticket) = (provider.to_owned(), rand::random_range(1..=i64::MAX));
        let work = move |connection: &Connection| {
            crate::deliveries::take_over(connection, &held, now)?;
            // The last look before the provider gets them: what was withdrawn since the claim is not sent (SPEC 16).
            let withdrawn = rows::withdrawn(connection, &handed, now)?;
            let handed: Vec<_> =
                handed.into_iter().filter(|one| !withdrawn.contains(&one.document)).collect();
            if !handed.is_empty() {
                rows::add(connection, id, &provider, ticket, &handed, now)?;
            }
            Ok(handed.into_iter().map(|one| one.document).collect::<Vec<_>>())
        };
        let written = self.inner.writer.background(Weight::parts(documents.len(), HANDING), work).await;
        let documents = written.inspect_err(|_| self.inner.handovers.let_go(id))?;
        taking.finished();
        if documents.is_empty() {
            self.inner.handovers.let_go(id);
            return Ok(None);
        }
        Ok(Some(BegunHandover { ticket, documents }))
    }

    async fn settle_handover(
        &self,
        id: HandoverId,
        ticket: i64,
        found: Found,
        now: UnixSeconds,
    ) -> Result<bool> {
        let vault = Arc::clone(&self.inner.vault);
        let (weight, goes_on) = (Weight::parts(found.settled.len(), HANDING), found.goes_on);
        let work = move |connection: &Connection| rows::settle(connection, &vault, id, ticket, found, now);
        let was_held = self.inner.writer.background(weight, work).await?;
        if was_held && !goes_on {
            self.inner.handovers.let_go(id);
        }
        self.inner.claims.wake();
        Ok(was_held)
    }

    async fn due_handovers(
        &self,
        whose: Whose<'_>,
        limit: usize,
        lease: Duration,
        now: UnixSeconds,
    ) -> Result<Vec<DueHandover>> {
        let book = Arc::clone(&self.inner.handovers);
        let (names, unknown_since) = whose.parts();
        let names = names.to_vec();
        let due = self
            .inner
            .readers
            .read(Lane::Bulk, move |connection| {
                Ok(rows::due(connection, &book, &names, unknown_since, limit, now)?)
            })
            .await?;
        let mut taken = Vec::new();
        for id in due {
            if !self.inner.handovers.hold(id, lease) {
                continue;
            }
            let vault = Arc::clone(&self.inner.vault);
            let ticket = rand::random_range(1..=i64::MAX);
            let work = move |connection: &Connection| rows::lease(connection, id, ticket);
            if !self.inner.writer.background(Weight::rows(1), work).await? {
                self.inner.handovers.let_go(id);
                continue;
            }
            let read = move |connection: &Connection| rows::read(connection, &vault, id, ticket, now);
            let Some(leased) = self.inner.readers.read(Lane::Bulk, read).await? else { continue };
            if !leased.ended.is_empty() {
                let found = Found { settled: leased.ended, still_awaited: None, goes_on: true, look_at: now };
                self.settle_handover(id, ticket, found, now).await?;
            }
            taken.push(leased.handover);
        }
        Ok(taken)
    }

    async fn handed_were_taken(
        &self,
        provider: &str,
        documents: &[BinderId],
        now: UnixSeconds,
    ) -> Result<()> {
        let (vault, provider, documents) =
            (Arc::clone(&self.inner.vault), provider.to_owned(), documents.to_vec());
        let weight = Weight::parts(documents.len(), HANDING);
        let work =
            move |connection: &Connection| rows::were_taken(connection, &vault, &provider, &documents, now);
        self.inner.writer.background(weight, work).await
    }

    async fn reserve(
        &self,
        provider: &str,
        messages: usize,
        rate_per_second: f64,
        at_most: Duration,
    ) -> Result<Option<Duration>> {
        Ok(self.inner.handovers.reserve(provider, messages, rate_per_second, at_most))
    }

    async fn report_providers(
        &self,
        worker: Uuid,
        states: Vec<ProviderState>,
        now: UnixSeconds,
    ) -> Result<()> {
        let work = move |connection: &Connection| {
            connection
                .prepare_cached("DELETE FROM provider_states WHERE at < ?1")?
                .execute([now.0 - STATES_SECONDS])?;
            let mut add = connection.prepare_cached(
                "INSERT INTO provider_states (worker_id, provider, at, state) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (worker_id, provider) DO UPDATE SET at = excluded.at, state = excluded.state",
            )?;
            for state in &states {
                let json = serde_json::to_string(state).unwrap_or_default();
                add.execute(params![worker.as_bytes(), state.provider, now.0, json])?;
            }
            Ok(())
        };
        self.inner.writer.background(Weight::rows(1), work).await
    }
}

#[async_trait]
impl ProviderViews for SqliteStore {
    async fn provider_states(&self, since: UnixSeconds) -> Result<Vec<ProviderState>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let sql = "SELECT state FROM provider_states WHERE at >= ?1 ORDER BY provider, worker_id";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([since.0], |row| row.get::<_, String>(0))?;
            Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
        });
        // One of another version is skipped: it is a view.
        Ok(read.await?.iter().filter_map(|json| serde_json::from_str(json).ok()).collect())
    }

    async fn handover_depths(&self) -> Result<Vec<HandoverDepth>> {
        let read = self.inner.readers.read(Lane::Interactive, |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT provider, sum(handed_count), min(iif(handed_count > 0, begun_at, NULL)), sum(awaited_count)
                 FROM handovers GROUP BY provider ORDER BY provider",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(HandoverDepth {
                    provider: row.get(0)?,
                    unsettled: row.get::<_, i64>(1)?.unsigned_abs(),
                    oldest_at: row.get::<_, Option<i64>>(2)?.map(UnixSeconds),
                    awaited: row.get::<_, i64>(3)?.unsigned_abs(),
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
        });
        read.await
    }

    async fn uncertain(&self, before: Option<BinderId>, limit: usize) -> Result<Vec<Uncertain>> {
        let before = before.map_or([0xff; 16], |document| *document.as_bytes());
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT document_id, institution_id, at, sent_again FROM uncertain_notices
                 WHERE document_id < ?1 ORDER BY document_id DESC LIMIT ?2",
            )?;
            let rows = statement.query_map(params![before, limit], |row| {
                Ok(Uncertain {
                    document: row.get::<_, Id<BinderId>>(0)?.0,
                    institution: row.get::<_, Id<InstitutionId>>(1)?.0,
                    at: UnixSeconds(row.get(2)?),
                    sent_again: row.get(3)?,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
        });
        read.await
    }
}

/// The claim, as it is taken off the queue.
fn as_finished(claim: &HandoverClaim) -> Finished {
    Finished {
        ticket: claim.ticket,
        document: claim.handed.document,
        institution: claim.handed.institution,
        outcome: Outcome::Taken,
        failure: None,
    }
}
