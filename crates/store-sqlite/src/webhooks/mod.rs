//! Webhooks: their rows, and what institutions and operators do with them.

mod serving;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use secrecy::SecretString;
use seoham_model::{InstitutionId, StoredNumber, UnixSeconds, WebhookId};
use seoham_store::webhooks::{
    ATTEMPTS_KEPT, AttemptOutcome, Cursor, Disabled, NewWebhook, WEBHOOKS_MAX, Webhook, WebhookAttempt,
    WebhookView, seal_secret,
};
use seoham_store::{Lane, Result, WebhookRemoval, WebhookViews, Webhooks};

use crate::SqliteStore;
use crate::columns::{Id, known, moment};
use crate::events::ledger;

/// The columns of a webhook, in the order in which [`webhook`] reads them.
const COLUMNS: &str =
    "w.webhook_id, w.institution_id, w.url, w.types, w.created_at, w.through, w.pending_last,
    w.failures, w.failing_since, w.next_attempt_at, w.disabled_why, w.disabled_at";

fn webhook(row: &Row<'_>) -> rusqlite::Result<Webhook> {
    let disabled_why: Option<i64> = row.get(10)?;
    let disabled = match disabled_why.zip(moment(row, 11)?) {
        Some((why, at)) => Some((known(10, Disabled::from_number(why))?, at)),
        None => None,
    };
    Ok(Webhook {
        id: row.get::<_, Id<WebhookId>>(0)?.0,
        institution: row.get::<_, Id<InstitutionId>>(1)?.0,
        url: row.get(2)?,
        types: known(3, Webhook::types_from_stored(row.get::<_, Option<String>>(3)?.as_deref()).ok())?,
        created_at: UnixSeconds(row.get(4)?),
        cursor: Cursor {
            through: row.get::<_, i64>(5)?.unsigned_abs(),
            pending: row.get::<_, Option<i64>>(6)?.map(i64::unsigned_abs),
            failures: row.get(7)?,
            failing_since: moment(row, 8)?,
            next_attempt_at: UnixSeconds(row.get(9)?),
        },
        disabled,
    })
}

fn attempt(row: &Row<'_>) -> rusqlite::Result<WebhookAttempt> {
    Ok(WebhookAttempt {
        at: UnixSeconds(row.get(0)?),
        first: row.get::<_, i64>(1)?.unsigned_abs(),
        last: row.get::<_, i64>(2)?.unsigned_abs(),
        outcome: known(3, AttemptOutcome::from_number(row.get(3)?).ok())?,
        took_millis: row.get(4)?,
    })
}

fn attempts(connection: &Connection, id: WebhookId, limit: usize) -> rusqlite::Result<Vec<WebhookAttempt>> {
    connection
        .prepare_cached(
            "SELECT at, first_seq, last_seq, outcome, took_millis FROM webhook_attempts
             WHERE webhook_id = ?1 ORDER BY attempt_no DESC LIMIT ?2",
        )?
        .query_map(params![Id(id), limit], attempt)?
        .collect()
}

fn view(connection: &Connection, webhook: Webhook) -> rusqlite::Result<WebhookView> {
    let last_seq = ledger::last(connection, webhook.institution)?.unwrap_or(0);
    let last_attempt = attempts(connection, webhook.id, 1)?.pop();
    Ok(WebhookView { webhook, last_seq, last_attempt })
}

/// Where a webhook of an institution is.
fn cursor_of(
    connection: &Connection,
    institution: InstitutionId,
    id: WebhookId,
) -> rusqlite::Result<Option<Cursor>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM webhooks w WHERE webhook_id = ?1 AND institution_id = ?2"
        ))?
        .query_row(params![Id(id), Id(institution)], webhook)
        .optional()
        .map(|found| found.map(|webhook| webhook.cursor))
}

/// Writes a cursor. Whoever serves the webhook now no longer does: its ticket is void.
fn move_to(connection: &Connection, id: WebhookId, cursor: Cursor) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE webhooks SET through = ?2, pending_last = ?3, failures = ?4, failing_since = ?5,
               next_attempt_at = ?6, disabled_why = NULL, disabled_at = NULL, ticket = 0
             WHERE webhook_id = ?1",
        )?
        .execute(params![
            Id(id),
            signed(cursor.through),
            cursor.pending.map(signed),
            cursor.failures,
            cursor.failing_since.map(|at| at.0),
            cursor.next_attempt_at.0
        ])?;
    Ok(())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[async_trait]
impl Webhooks for SqliteStore {
    async fn add_webhook(&self, new: NewWebhook) -> Result<bool> {
        let sealed = seal_secret(&self.inner.vault, new.id, &new.secret);
        let add = move |connection: &Connection| {
            let count: usize = connection
                .prepare_cached("SELECT count(*) FROM webhooks WHERE institution_id = ?1")?
                .query_row([Id(new.institution)], |row| row.get(0))?;
            if count >= WEBHOOKS_MAX {
                return Ok(false);
            }
            let through = ledger::last(connection, new.institution)?.unwrap_or(0);
            connection
                .prepare_cached(
                    "INSERT INTO webhooks
                       (webhook_id, institution_id, url, types, created_at, secret, through, next_attempt_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?5)",
                )?
                .execute(params![
                    Id(new.id),
                    Id(new.institution),
                    new.url,
                    Webhook::stored_types(new.types.as_ref()),
                    new.created_at.0,
                    sealed,
                    signed(through)
                ])?;
            Ok(true)
        };
        self.inner.writer.interactive(add).await
    }

    async fn webhooks(&self, institution: InstitutionId) -> Result<Vec<WebhookView>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let found: Vec<Webhook> = connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM webhooks w WHERE institution_id = ?1 ORDER BY webhook_id"
                ))?
                .query_map([Id(institution)], webhook)?
                .collect::<rusqlite::Result<_>>()?;
            Ok(found.into_iter().map(|webhook| view(connection, webhook)).collect::<rusqlite::Result<_>>()?)
        });
        read.await
    }

    async fn enable_webhook(
        &self,
        institution: InstitutionId,
        id: WebhookId,
        now: UnixSeconds,
    ) -> Result<bool> {
        let enable = move |connection: &Connection| {
            let Some(cursor) = cursor_of(connection, institution, id)? else { return Ok(false) };
            move_to(connection, id, cursor.enabled(now))?;
            Ok(true)
        };
        self.inner.writer.interactive(enable).await
    }

    async fn renew_webhook_secret(
        &self,
        institution: InstitutionId,
        id: WebhookId,
        secret: SecretString,
        former_until: UnixSeconds,
    ) -> Result<bool> {
        let sealed = seal_secret(&self.inner.vault, id, &secret);
        let renew = move |connection: &Connection| {
            let renewed = connection
                .prepare_cached(
                    "UPDATE webhooks SET former_secret = secret, former_secret_until = ?4, secret = ?3
                     WHERE webhook_id = ?1 AND institution_id = ?2",
                )?
                .execute(params![Id(id), Id(institution), sealed, former_until.0])?;
            Ok(renewed > 0)
        };
        self.inner.writer.interactive(renew).await
    }

    async fn replay_webhook(
        &self,
        institution: InstitutionId,
        id: WebhookId,
        after: u64,
        now: UnixSeconds,
    ) -> Result<bool> {
        let replay = move |connection: &Connection| {
            if cursor_of(connection, institution, id)?.is_none() {
                return Ok(false);
            }
            move_to(connection, id, Cursor::at(after, now))?;
            Ok(true)
        };
        self.inner.writer.interactive(replay).await
    }

    async fn webhook_attempts(
        &self,
        institution: InstitutionId,
        id: WebhookId,
    ) -> Result<Option<Vec<WebhookAttempt>>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            if cursor_of(connection, institution, id)?.is_none() {
                return Ok(None);
            }
            Ok(Some(attempts(connection, id, ATTEMPTS_KEPT)?))
        });
        read.await
    }
}

#[async_trait]
impl WebhookRemoval for SqliteStore {
    async fn remove_webhook(&self, institution: InstitutionId, id: WebhookId) -> Result<bool> {
        let remove = move |connection: &Connection| {
            let removed = connection
                .prepare_cached("DELETE FROM webhooks WHERE webhook_id = ?1 AND institution_id = ?2")?
                .execute(params![Id(id), Id(institution)])?;
            if removed > 0 {
                connection
                    .prepare_cached("DELETE FROM webhook_attempts WHERE webhook_id = ?1")?
                    .execute([Id(id)])?;
            }
            Ok(removed > 0)
        };
        self.inner.writer.interactive(remove).await
    }
}

#[async_trait]
impl WebhookViews for SqliteStore {
    async fn all_webhooks(&self, after: Option<WebhookId>, limit: usize) -> Result<Vec<WebhookView>> {
        let after = after.map_or([0; 16], |id| *id.as_bytes());
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let found: Vec<Webhook> = connection
                .prepare_cached(&format!(
                    "SELECT {COLUMNS} FROM webhooks w WHERE webhook_id > ?1 ORDER BY webhook_id LIMIT ?2"
                ))?
                .query_map(params![after, limit], webhook)?
                .collect::<rusqlite::Result<_>>()?;
            Ok(found.into_iter().map(|webhook| view(connection, webhook)).collect::<rusqlite::Result<_>>()?)
        });
        read.await
    }
}
