//! Webhooks, each served by one node at a time under a lease with a ticket. What becomes of one after an attempt is decided
//! in the store's `webhooks`.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use seoham_model::{InstitutionId, StoredNumber, UnixSeconds, WebhookId};
use seoham_store::webhooks::{
    ATTEMPTS_KEPT, AttemptOutcome, ClaimedWebhook, Cursor, Disabled, NewWebhook, WEBHOOKS_MAX, Webhook,
    WebhookAttempt, WebhookView, open_secret, seal_secret,
};
use seoham_store::{Lane, Result, StoreError, WebhookServing, WebhookViews, Webhooks};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::columns::{Columns, Id, Number, uuids};
use crate::session::{Param, Session};

fn webhook(row: &Row) -> Result<Webhook> {
    let disabled = match (row.value::<Option<Number<Disabled>>>("disabled_why")?, row.moment("disabled_at")?)
    {
        (Some(Number(why)), Some(at)) => Some((why, at)),
        _ => None,
    };
    Ok(Webhook {
        id: row.id("webhook_id")?,
        institution: row.id("institution_id")?,
        url: row.value("url")?,
        types: Webhook::types_from_stored(row.value("types")?)?,
        created_at: UnixSeconds(row.value("created_at")?),
        cursor: Cursor {
            through: row.value::<i64>("through")?.unsigned_abs(),
            pending: row.value::<Option<i64>>("pending_last")?.map(i64::unsigned_abs),
            failures: row.value::<i32>("failures")?.unsigned_abs(),
            failing_since: row.moment("failing_since")?,
            next_attempt_at: UnixSeconds(row.value("next_attempt_at")?),
        },
        disabled,
    })
}

fn attempt(row: &Row) -> Result<WebhookAttempt> {
    Ok(WebhookAttempt {
        at: UnixSeconds(row.value("at")?),
        first: row.value::<i64>("first_seq")?.unsigned_abs(),
        last: row.value::<i64>("last_seq")?.unsigned_abs(),
        outcome: AttemptOutcome::from_number(row.value::<i32>("outcome")?.into())?,
        took_millis: row.value::<i32>("took_millis")?.unsigned_abs(),
    })
}

/// A webhook with the end of its feed and its last attempt.
fn view(row: &Row) -> Result<WebhookView> {
    let last_attempt = if row.moment("at")?.is_some() { Some(attempt(row)?) } else { None };
    let last_seq = row.value::<i64>("feed_last")?.unsigned_abs();
    Ok(WebhookView { webhook: webhook(row)?, last_seq, last_attempt })
}

const OF_INSTITUTION: &str = "SELECT w.*, coalesce(f.last_seq, 0) AS feed_last,
      a.at, a.first_seq, a.last_seq, a.outcome, a.took_millis
    FROM webhooks w LEFT JOIN feeds f USING (institution_id)
    LEFT JOIN LATERAL (SELECT * FROM webhook_attempts a WHERE a.webhook_id = w.webhook_id
                       ORDER BY attempt_no DESC LIMIT 1) AS a ON true
    WHERE w.institution_id = $1 ORDER BY w.webhook_id";

const ALL: &str = "SELECT w.*, coalesce(f.last_seq, 0) AS feed_last,
      a.at, a.first_seq, a.last_seq, a.outcome, a.took_millis
    FROM webhooks w LEFT JOIN feeds f USING (institution_id)
    LEFT JOIN LATERAL (SELECT * FROM webhook_attempts a WHERE a.webhook_id = w.webhook_id
                       ORDER BY attempt_no DESC LIMIT 1) AS a ON true
    WHERE $1::uuid IS NULL OR w.webhook_id > $1 ORDER BY w.webhook_id LIMIT $2";

// Registrations at the same time may pass the bound by their number, which the gateway bounds.
const ADD: &str = "INSERT INTO webhooks
      (webhook_id, institution_id, url, types, created_at, secret, through, next_attempt_at)
    SELECT $1, $2, $3, $4, $5, $6, coalesce((SELECT last_seq FROM feeds WHERE institution_id = $2), 0), $5
    WHERE (SELECT count(*) FROM webhooks WHERE institution_id = $2) < $7
    RETURNING 1";

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn millis(lease: Duration) -> f64 {
    lease.as_secs_f64() * 1_000.0
}

#[async_trait]
impl Webhooks for PostgresStore {
    async fn add_webhook(&self, new: NewWebhook) -> Result<bool> {
        let sealed = seal_secret(&self.inner.vault, new.id, &new.secret);
        let (types, max) =
            (Webhook::stored_types(new.types.as_ref()), i64::try_from(WEBHOOKS_MAX).unwrap_or(0));
        let params: [Param<'_>; 7] =
            [&new.id.uuid(), &new.institution.uuid(), &new.url, &types, &new.created_at.0, &sealed, &max];
        let session = self.inner.sessions.interactive().await?;
        Ok(!session.write("a webhook", ADD, &params).await?.is_empty())
    }

    async fn webhooks(&self, institution: InstitutionId) -> Result<Vec<WebhookView>> {
        let session = self.inner.sessions.interactive().await?;
        session.query(OF_INSTITUTION, &[&institution.uuid()]).await?.iter().map(view).collect()
    }

    async fn remove_webhook(&self, institution: InstitutionId, id: WebhookId) -> Result<bool> {
        let sql = "WITH removed AS (
                     DELETE FROM webhooks WHERE webhook_id = $1 AND institution_id = $2 RETURNING webhook_id),
                   attempts AS (DELETE FROM webhook_attempts a USING removed WHERE a.webhook_id = removed.webhook_id)
                   SELECT 1 FROM removed";
        self.changed(sql, &[&id.uuid(), &institution.uuid()]).await
    }

    async fn enable_webhook(
        &self,
        institution: InstitutionId,
        id: WebhookId,
        now: UnixSeconds,
    ) -> Result<bool> {
        // As `Cursor::enabled` says. Whoever serves it now no longer does: its ticket is void. Its lease goes on until it
        // noticed, so that nobody else posts meanwhile.
        let sql = "UPDATE webhooks SET failures = 0, failing_since = NULL, next_attempt_at = $3, disabled_why = NULL,
                     disabled_at = NULL, ticket = 0
                   WHERE webhook_id = $1 AND institution_id = $2 RETURNING 1";
        self.changed(sql, &[&id.uuid(), &institution.uuid(), &now.0]).await
    }

    async fn renew_webhook_secret(
        &self,
        institution: InstitutionId,
        id: WebhookId,
        secret: SecretString,
        former_until: UnixSeconds,
    ) -> Result<bool> {
        let sealed = seal_secret(&self.inner.vault, id, &secret);
        let sql = "UPDATE webhooks SET former_secret = secret, former_secret_until = $4, secret = $3
                   WHERE webhook_id = $1 AND institution_id = $2 RETURNING 1";
        self.changed(sql, &[&id.uuid(), &institution.uuid(), &sealed, &former_until.0]).await
    }

    async fn replay_webhook(
        &self,
        institution: InstitutionId,
        id: WebhookId,
        after: u64,
        now: UnixSeconds,
    ) -> Result<bool> {
        let sql = "UPDATE webhooks SET through = $3, pending_last = NULL, failures = 0, failing_since = NULL,
                     next_attempt_at = $4, disabled_why = NULL, disabled_at = NULL, ticket = 0
                   WHERE webhook_id = $1 AND institution_id = $2 RETURNING 1";
        self.changed(sql, &[&id.uuid(), &institution.uuid(), &signed(after), &now.0]).await
    }

    async fn webhook_attempts(
        &self,
        institution: InstitutionId,
        id: WebhookId,
    ) -> Result<Option<Vec<WebhookAttempt>>> {
        let session = self.inner.sessions.interactive().await?;
        let sql = "SELECT 1 FROM webhooks WHERE webhook_id = $1 AND institution_id = $2";
        if session.query_opt(sql, &[&id.uuid(), &institution.uuid()]).await?.is_none() {
            return Ok(None);
        }
        let sql = "SELECT at, first_seq, last_seq, outcome, took_millis FROM webhook_attempts
                   WHERE webhook_id = $1 ORDER BY attempt_no DESC LIMIT $2";
        let limit = i64::try_from(ATTEMPTS_KEPT).unwrap_or(i64::MAX);
        session.query(sql, &[&id.uuid(), &limit]).await?.iter().map(attempt).collect::<Result<_>>().map(Some)
    }
}

impl PostgresStore {
    /// Runs a statement that returns a row if it changed something.
    async fn changed(&self, sql: &'static str, params: &[Param<'_>]) -> Result<bool> {
        let session = self.inner.sessions.interactive().await?;
        Ok(!session.write("a webhook", sql, params).await?.is_empty())
    }
}

#[async_trait]
impl WebhookViews for PostgresStore {
    async fn all_webhooks(&self, after: Option<WebhookId>, limit: usize) -> Result<Vec<WebhookView>> {
        let session = self.inner.sessions.interactive().await?;
        let (after, limit) = (after.map(|id| id.uuid()), i64::try_from(limit).unwrap_or(i64::MAX));
        session.query(ALL, &[&after, &limit]).await?.iter().map(view).collect()
    }
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

const FINISH: &str =
    "UPDATE webhooks SET through = $3, pending_last = $4, failures = $5, failing_since = $6, next_attempt_at = $7,
      disabled_why = $8, disabled_at = $9
    WHERE webhook_id = $1 AND ticket = $2 RETURNING 1";

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
        let params: [Param<'_>; 9] = [
            &id.uuid(),
            &ticket,
            &signed(cursor.through),
            &cursor.pending.map(signed),
            &i32::try_from(cursor.failures).unwrap_or(i32::MAX),
            &cursor.failing_since.map(|at| at.0),
            &cursor.next_attempt_at.0,
            &disabled.map(|(why, _)| i16::try_from(why.as_number()).unwrap_or(0)),
            &disabled.map(|(_, at)| at.0),
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
