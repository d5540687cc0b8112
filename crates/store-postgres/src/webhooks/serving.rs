//! Serving webhooks, each by one node at a time under a lease with a ticket. What becomes of one after an attempt is decided
//! in the store's `webhooks`.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use seoham_model::{EventType, StoredNumber, UnixSeconds, WebhookId};
use seoham_store::webhooks::{ATTEMPTS_KEPT, ClaimedWebhook, Cursor, Disabled, WebhookAttempt, open_secret};
use seoham_store::{Lane, Result, StoreError, WebhookServing};
use tokio_postgres::Row;

use super::{signed, webhook};
use crate::PostgresStore;
use crate::columns::{Columns, Id, Number, uuids};
use crate::session::{Param, Session};

fn millis(lease: Duration) -> f64 {
    lease.as_secs_f64() * 1_000.0
}

/// Due is what `Cursor::is_due` says.
const HAS_DUE: &str = "SELECT EXISTS (
    SELECT FROM webhooks w JOIN feeds f USING (institution_id)
    WHERE w.disabled_at IS NULL AND f.last_seq > w.through
        AND (w.failing_since IS NULL OR w.next_attempt_at <= $1 OR w.next_attempt_at > $1 + 36000)
      AND (w.leased_until IS NULL OR w.leased_until <= clock_timestamp())
      AND w.webhook_id <> ALL($2::uuid[])) AS has_due";

const CLAIM: &str = "WITH due AS MATERIALIZED (
      SELECT w.webhook_id FROM webhooks w JOIN feeds f USING (institution_id)
      WHERE w.disabled_at IS NULL AND f.last_seq > w.through
        AND (w.failing_since IS NULL OR w.next_attempt_at <= $1 OR w.next_attempt_at > $1 + 36000)
        AND (w.leased_until IS NULL OR w.leased_until <= clock_timestamp())
        AND w.webhook_id <> ALL($2::uuid[])
      ORDER BY w.next_attempt_at, w.webhook_id LIMIT $3 FOR UPDATE OF w SKIP LOCKED)
    UPDATE webhooks w SET ticket = $4, leased_until = clock_timestamp() + $5::float8 * interval '1 millisecond'
    FROM due WHERE w.webhook_id = due.webhook_id RETURNING w.*";

const FINISH: &str = "WITH finished AS (
      UPDATE webhooks SET through = $3, pending_last = $4, failures = $5, failing_since = $6, next_attempt_at = $7,
        disabled_why = $8, disabled_at = $9
      WHERE webhook_id = $1 AND ticket = $2 RETURNING institution_id),
    told AS (
      INSERT INTO outbox (institution_id, event_type, event_count, at)
      SELECT institution_id, $10, 1, $9 FROM finished WHERE $9 IS NOT NULL)
    SELECT FROM finished";

const RECORD: &str = "WITH next AS (
      SELECT coalesce(max(attempt_no), 0) + 1 AS attempt_no FROM webhook_attempts WHERE webhook_id = $1),
    kept AS (
      DELETE FROM webhook_attempts a USING next WHERE a.webhook_id = $1 AND a.attempt_no <= next.attempt_no - $7)
    INSERT INTO webhook_attempts (webhook_id, attempt_no, at, first_seq, last_seq, outcome, took_millis)
    SELECT $1, attempt_no, $2, $3, $4, $5, $6 FROM next
    WHERE EXISTS (SELECT FROM webhooks WHERE webhook_id = $1) ON CONFLICT DO NOTHING";

async fn record(session: &Session, id: WebhookId, attempt: WebhookAttempt) -> Result<()> {
    let outcome = i32::try_from(attempt.outcome.as_number()).unwrap_or(0);
    let took = i32::try_from(attempt.took_millis).unwrap_or(i32::MAX);
    let kept = i64::try_from(ATTEMPTS_KEPT).unwrap_or(i64::MAX);
    let params: [Param<'_>; 7] =
        [&id.uuid(), &attempt.at.0, &signed(attempt.first), &signed(attempt.last), &outcome, &took, &kept];
    session.write("an attempt", RECORD, &params).await.map(drop)
}

#[async_trait]
impl WebhookServing for PostgresStore {
    async fn claim_webhooks(
        &self,
        served: &[WebhookId],
        limit: usize,
        lease: Duration,
        now: UnixSeconds,
    ) -> Result<Vec<ClaimedWebhook>> {
        let session = self.inner.sessions.of(Lane::Bulk).await?;
        let served = uuids(served);
        // Mostly none is due, and a claim is a commit.
        let has_due = session.query_opt(HAS_DUE, &[&now.0, &served]).await?;
        if !has_due.ok_or(StoreError::damaged("the webhooks"))?.value::<bool>("has_due")? {
            return Ok(Vec::new());
        }
        let (ticket, limit) = (rand::random_range(1..=i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX));
        let params: [Param<'_>; 5] = [&now.0, &served, &limit, &ticket, &millis(lease)];
        let rows = session.write("claiming webhooks", CLAIM, &params).await?;
        let claimed = |row: &Row| Ok(ClaimedWebhook { webhook: webhook(row)?, ticket });
        let report = |error: &StoreError| tracing::error!(%error, "a webhook cannot be read");
        Ok(rows.iter().filter_map(|row| claimed(row).inspect_err(report).ok()).collect())
    }

    async fn begin_delivery(
        &self,
        id: WebhookId,
        ticket: i64,
        last: u64,
        lease: Duration,
        now: UnixSeconds,
    ) -> Result<Option<Vec<SecretString>>> {
        let session = self.inner.sessions.of(Lane::Bulk).await?;
        let sql = "UPDATE webhooks SET pending_last = $3,
                     leased_until = clock_timestamp() + $4::float8 * interval '1 millisecond',
                     former_secret = CASE WHEN former_secret_until > $5 THEN former_secret END
                   WHERE webhook_id = $1 AND ticket = $2 AND disabled_at IS NULL RETURNING secret, former_secret";
        let params: [Param<'_>; 5] = [&id.uuid(), &ticket, &signed(last), &millis(lease), &now.0];
        let begun = session.write("a delivery", sql, &params).await?;
        let Some(row) = begun.first() else { return Ok(None) };
        let sealed: [Option<&[u8]>; 2] = [Some(row.value("secret")?), row.value("former_secret")?];
        let open = |sealed: &&[u8]| open_secret(&self.inner.vault, id, sealed);
        sealed.iter().flatten().map(open).collect::<Result<_>>().map(Some)
    }

    async fn finish_delivery(
        &self,
        id: WebhookId,
        ticket: i64,
        cursor: Cursor,
        disabled: Option<(Disabled, UnixSeconds)>,
        attempt: Option<WebhookAttempt>,
    ) -> Result<bool> {
        let session = self.inner.sessions.of(Lane::Bulk).await?;
        let params: [Param<'_>; 10] = [
            &id.uuid(),
            &ticket,
            &signed(cursor.through),
            &cursor.pending.map(signed),
            &i32::try_from(cursor.failures).unwrap_or(i32::MAX),
            &cursor.failing_since.map(|at| at.0),
            &cursor.next_attempt_at.0,
            &disabled.map(|(why, _)| i16::try_from(why.as_number()).unwrap_or(0)),
            &disabled.map(|(_, at)| at.0),
            &Number(EventType::WebhookDisabled),
        ];
        if session.write("a delivery", FINISH, &params).await?.is_empty() {
            return Ok(false);
        }
        // The list of attempts is for people to look at: one that is missing changes nothing.
        if let Some(attempt) = attempt
            && let Err(error) = record(&session, id, attempt).await
        {
            tracing::warn!(%error, webhook = %id, "an attempt was not recorded");
        }
        Ok(true)
    }

    async fn release_webhook(&self, id: WebhookId, ticket: i64) -> Result<()> {
        let session = self.inner.sessions.of(Lane::Bulk).await?;
        // A ticket of 0: it was made void while this node had the lease.
        let sql =
            "UPDATE webhooks SET ticket = 0, leased_until = NULL WHERE webhook_id = $1 AND ticket IN ($2, 0)";
        session.write("releasing a webhook", sql, &[&id.uuid(), &ticket]).await.map(drop)
    }
}
