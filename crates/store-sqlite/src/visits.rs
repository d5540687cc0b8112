//! Signing in, sessions and secrets, in the writer: each link and each attempt counts once.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use secrecy::{ExposeSecret, SecretString};
use seoham_model::{BinderId, PersonId, UnixSeconds};
use seoham_store::accounts::Authentication;
use seoham_store::visits::{ATTEMPTS_MAX, Attempt, LOCKED_SECONDS, NOTIFICATION_LINK_SECONDS, Visitor};
use seoham_store::{Lane, Result, Visits};
use seoham_vault::{PinHash, TokenHash};

use crate::SqliteStore;
use crate::columns::Id;

/// Ended links and sessions that are removed beside a new one.
const CLEARED_AT_ONCE: usize = 20;

#[async_trait]
impl Visits for SqliteStore {
    fn notification_link(&self, document: BinderId) -> SecretString {
        self.inner.vault.document_link(document)
    }

    async fn use_notification_link(
        &self,
        token: &SecretString,
        now: UnixSeconds,
    ) -> Result<Option<(PersonId, BinderId)>> {
        let Some(document) = self.inner.vault.document_of_link(token) else { return Ok(None) };
        let hash = TokenHash::of(token.expose_secret());
        self.inner
            .writer
            .interactive(move |connection| {
                let sql = "SELECT person_id, sent_at FROM documents WHERE document_id = ?1";
                let found = connection
                    .prepare_cached(sql)?
                    .query_row([Id(document)], |row| {
                        Ok((row.get::<_, Id<PersonId>>(0)?.0, row.get::<_, i64>(1)?))
                    })
                    .optional()?;
                let Some((person, sent_at)) = found else { return Ok(None) };
                let expires_at = sent_at + NOTIFICATION_LINK_SECONDS;
                if now.0 >= expires_at {
                    return Ok(None);
                }
                let sql = "INSERT INTO login_links (token_hash, person_id, expires_at, used_at)
                           VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
                let used = connection.prepare_cached(sql)?.execute(params![
                    hash.0,
                    Id(person),
                    expires_at,
                    now.0
                ])?;
                Ok((used == 1).then_some((person, document)))
            })
            .await
    }

    async fn add_login_link(
        &self,
        person: PersonId,
        token: TokenHash,
        expires_at: UnixSeconds,
    ) -> Result<()> {
        let now = self.inner.clock.now();
        self.inner
            .writer
            .interactive(move |connection| {
                clear(connection, "login_links", "token_hash", now)?;
                let sql = "INSERT INTO login_links (token_hash, person_id, expires_at) VALUES (?1, ?2, ?3)";
                connection.prepare_cached(sql)?.execute(params![token.0, Id(person), expires_at.0])?;
                Ok(())
            })
            .await
    }

    async fn use_login_link(&self, token: TokenHash, now: UnixSeconds) -> Result<Option<PersonId>> {
        self.inner
            .writer
            .interactive(move |connection| {
                let sql = "UPDATE login_links SET used_at = ?2
                           WHERE token_hash = ?1 AND used_at IS NULL AND expires_at > ?2 RETURNING person_id";
                let found = connection
                    .prepare_cached(sql)?
                    .query_row(params![token.0, now.0], |row| row.get::<_, Id<PersonId>>(0))
                    .optional()?;
                Ok(found.map(|id| id.0))
            })
            .await
    }

    async fn start_session(
        &self,
        person: PersonId,
        session: TokenHash,
        expires_at: UnixSeconds,
    ) -> Result<()> {
        let now = self.inner.clock.now();
        self.inner
            .writer
            .interactive(move |connection| {
                clear(connection, "sessions", "session_hash", now)?;
                let sql = "INSERT INTO sessions (session_hash, person_id, expires_at) VALUES (?1, ?2, ?3)";
                connection.prepare_cached(sql)?.execute(params![session.0, Id(person), expires_at.0])?;
                Ok(())
            })
            .await
    }

    async fn session(&self, session: TokenHash, now: UnixSeconds) -> Result<Option<Visitor>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let sql = "SELECT s.person_id, p.member_since IS NOT NULL
                       FROM sessions s JOIN people p USING (person_id)
                       WHERE s.session_hash = ?1 AND s.expires_at > ?2";
            let found = connection
                .prepare_cached(sql)?
                .query_row(params![session.0, now.0], |row| {
                    Ok(Visitor { person: row.get::<_, Id<PersonId>>(0)?.0, member: row.get(1)? })
                })
                .optional()?;
            Ok(found)
        });
        read.await
    }

    async fn end_session(&self, session: TokenHash) -> Result<()> {
        self.inner
            .writer
            .interactive(move |connection| {
                connection
                    .prepare_cached("DELETE FROM sessions WHERE session_hash = ?1")?
                    .execute([session.0])?;
                Ok(())
            })
            .await
    }

    async fn end_sessions(&self, person: PersonId) -> Result<()> {
        self.inner
            .writer
            .interactive(move |connection| {
                connection
                    .prepare_cached("DELETE FROM sessions WHERE person_id = ?1")?
                    .execute([Id(person)])?;
                Ok(())
            })
            .await
    }

    async fn set_secret(&self, person: PersonId, kind: Authentication, hash: PinHash) -> Result<()> {
        self.inner
            .writer
            .interactive(move |connection| {
                let sql = match kind {
                    Authentication::Pin => "UPDATE people SET pin_hash = ?2 WHERE person_id = ?1",
                    Authentication::Certificate => {
                        "INSERT INTO authentications (person_id, certificate_hash) VALUES (?1, ?2)
                         ON CONFLICT (person_id) DO UPDATE SET certificate_hash = excluded.certificate_hash"
                    }
                };
                connection.prepare_cached(sql)?.execute(params![Id(person), hash.0])?;
                Ok(())
            })
            .await
    }

    async fn set_first_pin(&self, person: PersonId, hash: PinHash) -> Result<bool> {
        self.inner
            .writer
            .interactive(move |connection| {
                let sql = "UPDATE people SET pin_hash = ?2
                           WHERE person_id = ?1 AND (pin_hash IS NULL OR member_since IS NULL)";
                Ok(connection.prepare_cached(sql)?.execute(params![Id(person), hash.0])? == 1)
            })
            .await
    }

    async fn has_secret(&self, person: PersonId, kind: Authentication) -> Result<bool> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let sql = match kind {
                Authentication::Pin => "SELECT pin_hash IS NOT NULL FROM people WHERE person_id = ?1",
                Authentication::Certificate => {
                    "SELECT certificate_hash IS NOT NULL FROM authentications WHERE person_id = ?1"
                }
            };
            let found =
                connection.prepare_cached(sql)?.query_row([Id(person)], |row| row.get(0)).optional()?;
            Ok(found.unwrap_or(false))
        });
        read.await
    }

    fn document_of_link(&self, token: &SecretString) -> Option<BinderId> {
        self.inner.vault.document_of_link(token)
    }

    async fn begin_attempt(
        &self,
        person: PersonId,
        kind: Authentication,
        now: UnixSeconds,
    ) -> Result<Attempt> {
        self.inner
            .writer
            .interactive(move |connection| Ok(begin_attempt(connection, person, kind, now)?))
            .await
    }

    async fn attempt_succeeded(&self, person: PersonId, kind: Authentication) -> Result<()> {
        self.inner
            .writer
            .interactive(move |connection| {
                let counter = counter(kind);
                let sql = format!(
                    "UPDATE authentications SET {counter} = 0, locked_until = NULL WHERE person_id = ?1"
                );
                connection.prepare_cached(&sql)?.execute([Id(person)])?;
                Ok(())
            })
            .await
    }
}

/// Removes some of what has ended.
fn clear(
    connection: &Connection,
    table: &'static str,
    key: &'static str,
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    let sql = format!(
        "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE expires_at <= ?1 LIMIT ?2)"
    );
    connection.prepare_cached(&sql)?.execute(params![now.0, CLEARED_AT_ONCE])?;
    Ok(())
}

/// Where attempts of a kind are counted: the one must not undo the other's lock.
fn counter(kind: Authentication) -> &'static str {
    match kind {
        Authentication::Pin => "failures",
        Authentication::Certificate => "certificate_failures",
    }
}

fn begin_attempt(
    connection: &Connection,
    person: PersonId,
    kind: Authentication,
    now: UnixSeconds,
) -> rusqlite::Result<Attempt> {
    let column = match kind {
        Authentication::Pin => "p.pin_hash",
        Authentication::Certificate => "a.certificate_hash",
    };
    let counter = counter(kind);
    let sql = format!(
        "SELECT {column}, coalesce(a.{counter}, 0), a.locked_until
         FROM people p LEFT JOIN authentications a USING (person_id) WHERE p.person_id = ?1"
    );
    let found = connection
        .prepare_cached(&sql)?
        .query_row([Id(person)], |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<i64>>(2)?))
        })
        .optional()?;
    let Some((Some(hash), failures, locked_until)) = found else { return Ok(Attempt::NotSet) };
    if let Some(until) = locked_until.filter(|until| now.0 < *until) {
        return Ok(Attempt::Locked { until: UnixSeconds(until) });
    }
    // A lock that is over has been paid for.
    let failures = if failures >= ATTEMPTS_MAX { 1 } else { failures + 1 };
    let locked_until = (failures >= ATTEMPTS_MAX).then(|| now.plus(LOCKED_SECONDS).0);
    let sql = format!(
        "INSERT INTO authentications (person_id, {counter}, locked_until) VALUES (?1, ?2, ?3)
         ON CONFLICT (person_id) DO UPDATE SET {counter} = excluded.{counter}, locked_until = excluded.locked_until"
    );
    connection.prepare_cached(&sql)?.execute(params![Id(person), failures, locked_until])?;
    let left = u32::try_from(ATTEMPTS_MAX - failures).unwrap_or(0);
    Ok(Attempt::Allowed { hash: PinHash(hash), left })
}
