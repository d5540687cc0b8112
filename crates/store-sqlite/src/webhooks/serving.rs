//! Serving webhooks. One process serves them all, so that a ticket suffices; what becomes of one after an attempt is decided
//! in the store's `webhooks`.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use secrecy::SecretString;
use seoham_model::{InstitutionId, UnixSeconds, WebhookId};
use seoham_store::events::Step;
use seoham_store::webhooks::{
    ATTEMPTS_KEPT, ClaimedWebhook, Cursor, Disabled, Webhook, WebhookAttempt, open_secret,
};
use seoham_store::{Lane, Result, WebhookServing};

use super::{COLUMNS, signed, webhook};
use crate::SqliteStore;
use crate::columns::{Id, Number, of_row};
use crate::events::ledger;
use crate::writer::Weight;

fn due(
    connection: &Connection,
    served: &[WebhookId],
    limit: usize,
    now: UnixSeconds,
) -> rusqlite::Result<Vec<Webhook>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM webhooks w JOIN feeds f USING (institution_id)
         WHERE w.disabled_at IS NULL AND f.last_seq > w.through ORDER BY w.next_attempt_at, w.webhook_id"
    ))?;
    let mut rows = statement.query([])?;
    let mut due = Vec::new();
    while due.len() < limit
        && let Some(row) = rows.next()?
    {
        match of_row(webhook(row))? {
            Ok(webhook) if webhook.cursor.is_due(now) && !served.contains(&webhook.id) => due.push(webhook),
            Ok(_) => {}
            // The others are served all the same.
            Err(error) => tracing::error!(%error, "a webhook cannot be read"),
        }
    }
    Ok(due)
}

#[async_trait]
impl WebhookServing for SqliteStore {
    async fn claim_webhooks(
        &self,
        served: &[WebhookId],
        limit: usize,
        _lease: Duration,
        now: UnixSeconds,
    ) -> Result<Vec<ClaimedWebhook>> {
        let has_due = {
            let served = served.to_vec();
            move |connection: &Connection| Ok(due(connection, &served, limit, now)?.len())
        };
        let count = self.inner.readers.read(Lane::Bulk, has_due).await?;
        if count == 0 {
            return Ok(Vec::new());
        }
        // Found again where they are held: an institution may move one meanwhile.
        let served = served.to_vec();
        let hold = move |connection: &Connection| {
            let mut hold =
                connection.prepare_cached("UPDATE webhooks SET ticket = ?2 WHERE webhook_id = ?1")?;
            let mut claimed = Vec::with_capacity(count);
            for webhook in due(connection, &served, count, now)? {
                let ticket = rand::random_range(1..=i64::MAX);
                hold.execute(params![Id(webhook.id), ticket])?;
                claimed.push(ClaimedWebhook { webhook, ticket });
            }
            Ok(claimed)
        };
        self.inner.writer.background(Weight::rows(count), hold).await
    }

    async fn begin_delivery(
        &self,
        id: WebhookId,
        ticket: i64,
        last: u64,
        _lease: Duration,
        now: UnixSeconds,
    ) -> Result<Option<Vec<SecretString>>> {
        let begin = move |connection: &Connection| {
            let begun = connection
                .prepare_cached(
                    "UPDATE webhooks SET pending_last = ?3,
                       former_secret = iif(former_secret_until > ?4, former_secret, NULL)
                     WHERE webhook_id = ?1 AND ticket = ?2 AND disabled_at IS NULL
                     RETURNING secret, former_secret",
                )?
                .query_row(params![Id(id), ticket, signed(last), now.0], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            Ok(begun)
        };
        let begun: Option<(Vec<u8>, Option<Vec<u8>>)> =
            self.inner.writer.background(Weight::rows(1), begin).await?;
        let Some((secret, former)) = begun else { return Ok(None) };
        let open = |sealed: Vec<u8>| open_secret(&self.inner.vault, id, &sealed);
        [Some(secret), former].into_iter().flatten().map(open).collect::<Result<_>>().map(Some)
    }

    async fn finish_delivery(
        &self,
        id: WebhookId,
        ticket: i64,
        cursor: Cursor,
        disabled: Option<(Disabled, UnixSeconds)>,
        attempt: Option<WebhookAttempt>,
    ) -> Result<bool> {
        let finish =
            move |connection: &Connection| {
                let institution: Option<Id<InstitutionId>> = connection
                .prepare_cached(
                    "UPDATE webhooks SET through = ?3, pending_last = ?4, failures = ?5, failing_since = ?6,
                       next_attempt_at = ?7, disabled_why = ?8, disabled_at = ?9
                     WHERE webhook_id = ?1 AND ticket = ?2 RETURNING institution_id",
                )?
                .query_row(
                    params![
                    Id(id),
                    ticket,
                    signed(cursor.through),
                    cursor.pending.map(signed),
                    cursor.failures,
                    cursor.failing_since.map(|at| at.0),
                    cursor.next_attempt_at.0,
                    disabled.map(|(why, _)| Number(why)),
                    disabled.map(|(_, at)| at.0)
                ], |row| row.get(0)).optional()?;
                let Some(Id(institution)) = institution else { return Ok(false) };
                if let Some((_, at)) = disabled {
                    ledger::append(connection, &[Step::of_disabled_webhook(institution, at)])?;
                }
                if let Some(attempt) = attempt {
                    record(connection, id, attempt)?;
                }
                Ok(true)
            };
        self.inner.writer.background(Weight::rows(2), finish).await
    }

    async fn release_webhook(&self, id: WebhookId, ticket: i64) -> Result<()> {
        let release = move |connection: &Connection| {
            connection
                .prepare_cached("UPDATE webhooks SET ticket = 0 WHERE webhook_id = ?1 AND ticket = ?2")?
                .execute(params![Id(id), ticket])?;
            Ok(())
        };
        self.inner.writer.background(Weight::rows(1), release).await
    }
}

/// Records an attempt, and forgets the oldest of those that are kept.
fn record(connection: &Connection, id: WebhookId, attempt: WebhookAttempt) -> rusqlite::Result<()> {
    let last: i64 = connection
        .prepare_cached("SELECT coalesce(max(attempt_no), 0) FROM webhook_attempts WHERE webhook_id = ?1")?
        .query_row([Id(id)], |row| row.get(0))?;
    connection
        .prepare_cached(
            "INSERT INTO webhook_attempts (webhook_id, attempt_no, at, first_seq, last_seq, outcome, took_millis)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            Id(id),
            last + 1,
            attempt.at.0,
            signed(attempt.first),
            signed(attempt.last),
            attempt.outcome.as_number(),
            attempt.took_millis
        ])?;
    let kept = i64::try_from(ATTEMPTS_KEPT).unwrap_or(i64::MAX);
    connection
        .prepare_cached("DELETE FROM webhook_attempts WHERE webhook_id = ?1 AND attempt_no <= ?2")?
        .execute(params![Id(id), last + 1 - kept])?;
    Ok(())
}
