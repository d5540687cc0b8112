//! Signing in, sessions and secrets: each link and each attempt counts once, whichever node it
//! meets.

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use seoham_model::{BinderId, PersonId, UnixSeconds};
use seoham_store::accounts::Authentication;
use seoham_store::visits::{ATTEMPTS_MAX, Attempt, LOCKED_SECONDS, NOTIFICATION_LINK_SECONDS, Visitor};
use seoham_store::{Result, StoreError, Visits};
use seoham_vault::{PinHash, TokenHash};

use crate::PostgresStore;
use crate::columns::{Columns, Id};

// The row's lock has attempts at the same moment counted one after the other. Each kind is counted
// by itself, so that the one cannot undo the other's lock.
const COUNT_PIN: &str = "INSERT INTO authentications AS a (person_id, failures) VALUES ($1, 1)
    ON CONFLICT (person_id) DO UPDATE SET
      failures = CASE WHEN a.locked_until > $2 THEN $3::bigint + 1 WHEN a.failures >= $3 THEN 1 ELSE a.failures + 1 END,
      locked_until = CASE WHEN a.locked_until > $2 THEN a.locked_until
                          WHEN a.failures + 1 = $3 THEN $2::bigint + $4::bigint ELSE NULL END
    RETURNING failures, locked_until";
const COUNT_CERTIFICATE: &str = "INSERT INTO authentications AS a (person_id, certificate_failures) VALUES ($1, 1)
    ON CONFLICT (person_id) DO UPDATE SET
      certificate_failures = CASE WHEN a.locked_until > $2 THEN $3::bigint + 1 WHEN a.certificate_failures >= $3 THEN 1
                                  ELSE a.certificate_failures + 1 END,
      locked_until = CASE WHEN a.locked_until > $2 THEN a.locked_until
                          WHEN a.certificate_failures + 1 = $3 THEN $2::bigint + $4::bigint ELSE NULL END
    RETURNING certificate_failures AS failures, locked_until";

#[async_trait]
impl Visits for PostgresStore {
    fn notification_link(&self, document: BinderId) -> SecretString {
        self.inner.vault.document_link(document)
    }

    async fn use_notification_link(
        &self,
        token: &SecretString,
        now: UnixSeconds,
    ) -> Result<Option<(PersonId, BinderId)>> {
        let Some(document) = self.inner.vault.document_of_link(token) else { return Ok(None) };
        let session = self.inner.sessions.interactive().await?;
        let sql = "SELECT person_id, sent_at FROM documents WHERE document_id = $1";
        let Some(found) = session.query_opt(sql, &[&document.uuid()]).await? else { return Ok(None) };
        let person: PersonId = found.id("person_id")?;
        let expires_at = found.value::<i64>("sent_at")? + NOTIFICATION_LINK_SECONDS;
        if now.0 >= expires_at {
            return Ok(None);
        }
        let sql =
            "INSERT INTO login_links (token_hash, person_id, expires_at, used_at) VALUES ($1, $2, $3, $4)
                   ON CONFLICT DO NOTHING RETURNING person_id";
        let hash = TokenHash::of(token.expose_secret());
        let used =
            session.write("a link", sql, &[&hash.0.as_slice(), &person.uuid(), &expires_at, &now.0]).await?;
        Ok((!used.is_empty()).then_some((person, document)))
    }

    async fn add_login_link(
        &self,
        person: PersonId,
        token: TokenHash,
        expires_at: UnixSeconds,
    ) -> Result<()> {
        // Some of what has ended goes beside it.
        let sql = "WITH ended AS (
                     DELETE FROM login_links WHERE token_hash IN
                       (SELECT token_hash FROM login_links WHERE expires_at <= $4 LIMIT 20 FOR UPDATE SKIP LOCKED))
                   INSERT INTO login_links (token_hash, person_id, expires_at) VALUES ($1, $2, $3)";
        let session = self.inner.sessions.interactive().await?;
        let now = self.inner.clock.now();
        session
            .write("a link", sql, &[&token.0.as_slice(), &person.uuid(), &expires_at.0, &now.0])
            .await
            .map(drop)
    }

    async fn use_login_link(&self, token: TokenHash, now: UnixSeconds) -> Result<Option<PersonId>> {
        let sql = "UPDATE login_links SET used_at = $2
                   WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2 RETURNING person_id";
        let session = self.inner.sessions.interactive().await?;
        let used = session.write("a link", sql, &[&token.0.as_slice(), &now.0]).await?;
        used.first().map(|row| row.id("person_id")).transpose()
    }

    async fn start_session(
        &self,
        person: PersonId,
        session: TokenHash,
        expires_at: UnixSeconds,
    ) -> Result<()> {
        let sql = "WITH ended AS (
                     DELETE FROM sessions WHERE session_hash IN
                       (SELECT session_hash FROM sessions WHERE expires_at <= $4 LIMIT 20 FOR UPDATE SKIP LOCKED))
                   INSERT INTO sessions (session_hash, person_id, expires_at) VALUES ($1, $2, $3)";
        let connection = self.inner.sessions.interactive().await?;
        let now = self.inner.clock.now();
        let params: [crate::session::Param<'_>; 4] =
            [&session.0.as_slice(), &person.uuid(), &expires_at.0, &now.0];
        connection.write("a session", sql, &params).await.map(drop)
    }

    async fn session(&self, session: TokenHash, now: UnixSeconds) -> Result<Option<Visitor>> {
        let connection = self.inner.sessions.interactive().await?;
        let sql = "SELECT person_id FROM sessions WHERE session_hash = $1 AND expires_at > $2";
        let Some(found) = connection.query_opt(sql, &[&session.0.as_slice(), &now.0]).await? else {
            return Ok(None);
        };
        let person: PersonId = found.id("person_id")?;
        let sql = "SELECT member_since IS NOT NULL AS member FROM people WHERE person_id = $1";
        let known = connection.query_opt(sql, &[&person.uuid()]).await?;
        known.map(|row| Ok(Visitor { person, member: row.value("member")? })).transpose()
    }

    async fn end_session(&self, session: TokenHash) -> Result<()> {
        let sql = "DELETE FROM sessions WHERE session_hash = $1";
        let connection = self.inner.sessions.interactive().await?;
        connection.write("a session", sql, &[&session.0.as_slice()]).await.map(drop)
    }

    async fn end_sessions(&self, person: PersonId) -> Result<()> {
        let sql = "DELETE FROM sessions WHERE person_id = $1";
        let connection = self.inner.sessions.interactive().await?;
        connection.write("sessions", sql, &[&person.uuid()]).await.map(drop)
    }

    async fn set_secret(&self, person: PersonId, kind: Authentication, hash: PinHash) -> Result<()> {
        let sql = match kind {
            Authentication::Pin => "UPDATE people SET pin_hash = $2 WHERE person_id = $1",
            Authentication::Certificate => {
                "INSERT INTO authentications (person_id, certificate_hash) VALUES ($1, $2)
                 ON CONFLICT (person_id) DO UPDATE SET certificate_hash = excluded.certificate_hash"
            }
        };
        let connection = self.inner.sessions.interactive().await?;
        connection.write("a secret", sql, &[&person.uuid(), &hash.0]).await.map(drop)
    }

    async fn set_first_pin(&self, person: PersonId, hash: PinHash) -> Result<bool> {
        let sql = "UPDATE people SET pin_hash = $2
                   WHERE person_id = $1 AND (pin_hash IS NULL OR member_since IS NULL) RETURNING person_id";
        let connection = self.inner.sessions.interactive().await?;
        Ok(!connection.write("a secret", sql, &[&person.uuid(), &hash.0]).await?.is_empty())
    }

    async fn has_secret(&self, person: PersonId, kind: Authentication) -> Result<bool> {
        let sql = match kind {
            Authentication::Pin => "SELECT pin_hash IS NOT NULL AS has FROM people WHERE person_id = $1",
            Authentication::Certificate => {
                "SELECT certificate_hash IS NOT NULL AS has FROM authentications WHERE person_id = $1"
            }
        };
        let connection = self.inner.sessions.interactive().await?;
        let found = connection.query_opt(sql, &[&person.uuid()]).await?;
        Ok(found.map(|row| row.value("has")).transpose()?.unwrap_or(false))
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
        let connection = self.inner.sessions.interactive().await?;
        let sql = match kind {
            Authentication::Pin => "SELECT pin_hash AS hash FROM people WHERE person_id = $1",
            Authentication::Certificate => {
                "SELECT certificate_hash AS hash FROM authentications WHERE person_id = $1"
            }
        };
        let found = connection.query_opt(sql, &[&person.uuid()]).await?;
        let hash: Option<String> = found.map(|row| row.value("hash")).transpose()?.flatten();
        let Some(hash) = hash else { return Ok(Attempt::NotSet) };
        let sql = match kind {
            Authentication::Pin => COUNT_PIN,
            Authentication::Certificate => COUNT_CERTIFICATE,
        };
        let params: [crate::session::Param<'_>; 4] = [&person.uuid(), &now.0, &ATTEMPTS_MAX, &LOCKED_SECONDS];
        let rows = connection.write("an attempt", sql, &params).await?;
        let row = rows.first().ok_or(StoreError::Damaged("an attempt"))?;
        let (failures, locked_until): (i64, _) = (row.value("failures")?, row.moment("locked_until")?);
        // The fifth attempt itself is still made, under the lock that it brings; what comes under the
        // lock counts beyond.
        match locked_until {
            Some(until) if failures > ATTEMPTS_MAX => Ok(Attempt::Locked { until }),
            _ => {
                let left = u32::try_from(ATTEMPTS_MAX - failures).unwrap_or(0);
                Ok(Attempt::Allowed { hash: PinHash(hash), left })
            }
        }
    }

    async fn attempt_succeeded(&self, person: PersonId, kind: Authentication) -> Result<()> {
        let sql = match kind {
            Authentication::Pin => {
                "UPDATE authentications SET failures = 0, locked_until = NULL WHERE person_id = $1"
            }
            Authentication::Certificate => {
                "UPDATE authentications SET certificate_failures = 0, locked_until = NULL WHERE person_id = $1"
            }
        };
        let connection = self.inner.sessions.interactive().await?;
        connection.write("an attempt", sql, &[&person.uuid()]).await.map(drop)
    }
}
