//! Webhooks. One process serves them all, so that a ticket suffices; what becomes of one after an attempt is decided in the
//! store's `webhooks`.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use secrecy::SecretString;
use seoham_model::{InstitutionId, StoredNumber, UnixSeconds, WebhookId};
use seoham_store::webhooks::{
    ATTEMPTS_KEPT, AttemptOutcome, ClaimedWebhook, Cursor, Disabled, NewWebhook, WEBHOOKS_MAX, Webhook,
    WebhookAttempt, WebhookView, open_secret, seal_secret,
};
use seoham_store::{Lane, Result, WebhookServing, WebhookViews, Webhooks};
use std::time::Duration;

use crate::SqliteStore;
use crate::columns::{Id, Number, known, moment, of_row};
use crate::events::ledger;
use crate::writer::Weight;

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
        let finish = move |connection: &Connection| {
            let finished = connection
                .prepare_cached(
                    "UPDATE webhooks SET through = ?3, pending_last = ?4, failures = ?5, failing_since = ?6,
                       next_attempt_at = ?7, disabled_why = ?8, disabled_at = ?9
                     WHERE webhook_id = ?1 AND ticket = ?2",
                )?
                .execute(params![
                    Id(id),
                    ticket,
                    signed(cursor.through),
                    cursor.pending.map(signed),
                    cursor.failures,
                    cursor.failing_since.map(|at| at.0),
                    cursor.next_attempt_at.0,
                    disabled.map(|(why, _)| Number(why)),
                    disabled.map(|(_, at)| at.0)
                ])?;
            if finished == 0 {
                return Ok(false);
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
