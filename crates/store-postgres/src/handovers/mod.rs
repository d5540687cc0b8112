//! Hand-overs: what is given to a provider in one call. What outcomes change is decided in the store's `handovers`.

mod rows;

use std::time::Duration;

use async_trait::async_trait;
use seoham_model::{BinderId, UnixSeconds};
use seoham_store::handovers::{
    BegunHandover, DueHandover, Found, HandoverClaim, HandoverDepth, HandoverId, ProviderState, Settled,
    Uncertain, Whose,
};
use seoham_store::{Handovers, Lane, ProviderViews, Result};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::columns::{Columns, Id};
use crate::deliveries::Swept;

/// For how long the states of workers that report no more are kept.
const STATES_SECONDS: i64 = 3_600;

/// In milliseconds of the database's clock, which is the same for every node.
const RESERVE: &str = "INSERT INTO provider_rates AS r (provider, free_at)
    VALUES ($1, extract(epoch FROM clock_timestamp())::float8 * 1000 + $2)
    ON CONFLICT (provider) DO UPDATE
      SET free_at = greatest(r.free_at, extract(epoch FROM clock_timestamp())::float8 * 1000) + $2
      WHERE r.free_at <= extract(epoch FROM clock_timestamp())::float8 * 1000 + $3
    RETURNING greatest(r.free_at - $2 - extract(epoch FROM clock_timestamp())::float8 * 1000, 0) AS wait";

#[async_trait]
impl Handovers for PostgresStore {
    async fn begin_handover(
        &self,
        id: HandoverId,
        provider: &str,
        claims: Vec<HandoverClaim>,
        lease: Duration,
        now: UnixSeconds,
    ) -> Result<Option<BegunHandover>> {
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        // The last look before the provider gets them: what was withdrawn since the claim is not sent (SPEC 16). What is
        // withdrawn between it and the next statements, or while the provider has it, cannot be stopped.
        let withdrawn = rows::withdrawn(&session, &claims).await?;
        let (over, claims): (Vec<HandoverClaim>, Vec<HandoverClaim>) =
            claims.into_iter().partition(|claim| withdrawn.contains(&claim.handed.document));
        if !over.is_empty() {
            let documents: Vec<BinderId> = over.iter().map(|claim| claim.handed.document).collect();
            crate::deliveries::record_expired(&session, &documents, now).await?;
            crate::deliveries::take_over(&session, &over, now).await?;
        }
        let begun = rows::begin(&session, id, provider, &claims, lease, now);
        let (begun, rows_gone) = session.transaction("a hand-over", begun).await?;
        self.inner.sweeper.gone(Swept::Deliveries, rows_gone);
        Ok(begun)
    }

    async fn settle_handover(
        &self,
        id: HandoverId,
        ticket: i64,
        found: Found,
        now: UnixSeconds,
    ) -> Result<bool> {
        let documents = |is_it: fn(&Settled) -> bool| -> Vec<BinderId> {
            found.settled.iter().filter(|(_, one)| is_it(one)).map(|(document, _)| *document).collect()
        };
        let expired = documents(|one| matches!(one, Settled::Expired));
        let given_up =
            documents(|one| matches!(one, Settled::GivenUp { .. } | Settled::Uncertain { again_at: None }));
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        // Notices are written as reports are: read, changed, and written unless somebody else was faster. Before the
        // hand-over, which would not come again if this were lost after it; that they are over is true in any case.
        crate::deliveries::record_expired(&session, &expired, now).await?;
        let settled = rows::settle(&session, &self.inner.vault, id, ticket, found, now);
        let after = session.transaction("the outcome of a hand-over", settled).await?;
        // Whoever waits for a connection holds none.
        drop(session);
        // A report may have come before the notification was given up.
        self.forget_what_arrived(&given_up).await?;
        Ok(after.is_some())
    }

    async fn due_handovers(
        &self,
        whose: Whose<'_>,
        limit: usize,
        lease: Duration,
        now: UnixSeconds,
    ) -> Result<Vec<DueHandover>> {
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        let leased = rows::lease(&session, whose, limit, lease, now).await?;
        let mut read = Vec::with_capacity(leased.len());
        for leased in leased {
            read.push(rows::read(&session, &self.inner, leased, now).await?);
        }
        // Whoever waits for a connection holds none.
        drop(session);
        let mut due = Vec::with_capacity(read.len());
        for (handover, ended) in read {
            if !ended.is_empty() {
                let found = Found { settled: ended, still_awaited: None, goes_on: true, look_at: now };
                self.settle_handover(handover.id, handover.ticket, found, now).await?;
            }
            due.push(handover);
        }
        Ok(due)
    }

    async fn handed_were_taken(
        &self,
        provider: &str,
        documents: &[BinderId],
        now: UnixSeconds,
    ) -> Result<()> {
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        let taken = rows::were_taken(&session, &self.inner.vault, provider, documents, now);
        session.transaction("messages that a provider has", taken).await
    }

    async fn reserve(
        &self,
        provider: &str,
        messages: usize,
        rate_per_second: f64,
        at_most: Duration,
    ) -> Result<Option<Duration>> {
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        #[allow(clippy::cast_precision_loss, reason = "a batch is small")]
        let takes_millis = (messages as f64 / rate_per_second * 1_000.0).min(3_600_000.0);
        let at_most_millis = at_most.as_secs_f64() * 1_000.0;
        let params: [crate::session::Param<'_>; 3] = [&provider, &takes_millis, &at_most_millis];
        let rows = session.write("a rate limit", RESERVE, &params).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let wait: f64 = row.value("wait")?;
        Ok(Some(Duration::from_secs_f64(wait.clamp(0.0, 7_200_000.0) / 1_000.0)))
    }

    async fn report_providers(
        &self,
        worker: Uuid,
        states: Vec<ProviderState>,
        now: UnixSeconds,
    ) -> Result<()> {
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        let (providers, json): (Vec<String>, Vec<String>) = states
            .iter()
            .map(|state| (state.provider.clone(), serde_json::to_string(state).unwrap_or_default()))
            .unzip();
        let sql = "WITH gone AS (DELETE FROM provider_states WHERE at < $4)
                   INSERT INTO provider_states (worker_id, provider, at, state)
                   SELECT $1, provider, $5, state FROM unnest($2::text[], $3::text[]) AS given (provider, state)
                   ON CONFLICT (worker_id, provider) DO UPDATE SET at = excluded.at, state = excluded.state";
        let params: [crate::session::Param<'_>; 5] =
            [&worker, &providers, &json, &(now.0 - STATES_SECONDS), &now.0];
        session.write("the states of providers", sql, &params).await.map(drop)
    }
}

#[async_trait]
impl ProviderViews for PostgresStore {
    async fn provider_states(&self, since: UnixSeconds) -> Result<Vec<ProviderState>> {
        let session = self.inner.sessions.interactive().await?;
        let sql = "SELECT state FROM provider_states WHERE at >= $1 ORDER BY provider, worker_id";
        let rows = session.query(sql, &[&since.0]).await?;
        // One of another version is skipped: it is a view.
        let state = |row: &Row| serde_json::from_str(row.value("state").ok()?).ok();
        Ok(rows.iter().filter_map(state).collect())
    }

    async fn handover_depths(&self) -> Result<Vec<HandoverDepth>> {
        let session = self.inner.sessions.interactive().await?;
        let sql = "SELECT provider, sum(handed_count)::bigint AS unsettled,
                     min(begun_at) FILTER (WHERE handed_count > 0) AS oldest_at,
                     sum(awaited_count)::bigint AS awaited
                   FROM handovers GROUP BY provider ORDER BY provider";
        let depth = |row: &Row| {
            Ok(HandoverDepth {
                provider: row.value("provider")?,
                unsettled: row.value::<i64>("unsettled")?.unsigned_abs(),
                oldest_at: row.moment("oldest_at")?,
                awaited: row.value::<i64>("awaited")?.unsigned_abs(),
            })
        };
        session.query(sql, &[]).await?.iter().map(depth).collect()
    }

    async fn uncertain(&self, before: Option<BinderId>, limit: usize) -> Result<Vec<Uncertain>> {
        let session = self.inner.sessions.interactive().await?;
        let before = before.map_or(Uuid::max(), |id| id.uuid());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let sql = "SELECT document_id, institution_id, at, sent_again FROM uncertain_notices
                   WHERE document_id < $1 ORDER BY document_id DESC LIMIT $2";
        let uncertain = |row: &Row| {
            Ok(Uncertain {
                document: row.id("document_id")?,
                institution: row.id("institution_id")?,
                at: UnixSeconds(row.value("at")?),
                sent_again: row.value("sent_again")?,
            })
        };
        session.query(sql, &[&before, &limit]).await?.iter().map(uncertain).collect()
    }
}
