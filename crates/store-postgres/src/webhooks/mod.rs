//! Webhooks: their rows, and what institutions and operators do with them.

mod serving;

use async_trait::async_trait;
use secrecy::SecretString;
use seoham_model::{InstitutionId, UnixSeconds, WebhookId};
use seoham_store::webhooks::{
    ATTEMPTS_KEPT, AttemptOutcome, Cursor, Disabled, NewWebhook, WEBHOOKS_MAX, Webhook, WebhookAttempt,
    WebhookView, seal_secret,
};
use seoham_store::{Result, WebhookRemoval, WebhookViews, Webhooks};
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::columns::{Columns, Id, Number};
use crate::session::Param;

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

macro_rules! views {
    ($which:literal) => {
        concat!(
            "SELECT w.*, coalesce(f.last_seq, 0) AS feed_last, a.at, a.first_seq, a.last_seq, a.outcome, a.took_millis
             FROM webhooks w LEFT JOIN feeds f USING (institution_id)
             LEFT JOIN LATERAL (SELECT * FROM webhook_attempts a WHERE a.webhook_id = w.webhook_id
                                ORDER BY attempt_no DESC LIMIT 1) AS a ON true ",
            $which
        )
    };
}

const OF_INSTITUTION: &str = views!("WHERE w.institution_id = $1 ORDER BY w.webhook_id");
const ALL: &str = views!("WHERE $1::uuid IS NULL OR w.webhook_id > $1 ORDER BY w.webhook_id LIMIT $2");

// Registrations at the same time may pass the bound by their number, which the gateway bounds.
const ADD: &str = "INSERT INTO webhooks
      (webhook_id, institution_id, url, types, created_at, secret, through, next_attempt_at)
    SELECT $1, $2, $3, $4, $5, $6, coalesce((SELECT last_seq FROM feeds WHERE institution_id = $2), 0), $5
    WHERE (SELECT count(*) FROM webhooks WHERE institution_id = $2) < $7
    RETURNING 1";

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
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
impl WebhookRemoval for PostgresStore {
    async fn remove_webhook(&self, institution: InstitutionId, id: WebhookId) -> Result<bool> {
        let sql = "WITH removed AS (
                     DELETE FROM webhooks WHERE webhook_id = $1 AND institution_id = $2 RETURNING webhook_id),
                   attempts AS (DELETE FROM webhook_attempts a USING removed WHERE a.webhook_id = removed.webhook_id)
                   SELECT 1 FROM removed";
        self.changed(sql, &[&id.uuid(), &institution.uuid()]).await
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
