//! Sessions of signed-in people.

use async_trait::async_trait;
use seoham_model::{PersonId, UnixSeconds};
use seoham_store::visits::Visitor;
use seoham_store::{Result, Sessions};
use seoham_vault::TokenHash;

use crate::PostgresStore;
use crate::columns::{Columns, Id};
use crate::session::Param;
#[async_trait]
impl Sessions for PostgresStore {
    async fn start_session(
        &self,
        person: PersonId,
        session: TokenHash,
        proved_at: UnixSeconds,
        expires_at: UnixSeconds,
    ) -> Result<bool> {
        let sql = "WITH ended AS (
                     DELETE FROM sessions WHERE session_hash = ANY (ARRAY
                       (SELECT session_hash FROM sessions WHERE expires_at <= $4 LIMIT 20 FOR UPDATE SKIP LOCKED)))
                   INSERT INTO sessions (session_hash, person_id, expires_at)
                   SELECT $1, person_id, $3 FROM people
                   WHERE person_id = $2 AND (phone_changed_at IS NULL OR phone_changed_at < $5) FOR SHARE
                   RETURNING person_id";
        let connection = self.inner.sessions.interactive().await?;
        let now = self.inner.clock.now();
        let params: [Param<'_>; 5] =
            [&session.0.as_slice(), &person.uuid(), &expires_at.0, &now.0, &proved_at.0];
        Ok(!connection.write("a session", sql, &params).await?.is_empty())
    }

    async fn session(&self, session: TokenHash, now: UnixSeconds) -> Result<Option<Visitor>> {
        let connection = self.inner.sessions.interactive().await?;
        let sql = "SELECT person_id FROM sessions WHERE session_hash = $1 AND expires_at > $2";
        let Some(found) = connection.query_opt(sql, &[&session.0.as_slice(), &now.0]).await? else {
            return Ok(None);
        };
        let person: PersonId = found.id("person_id")?;
        let sql = "SELECT member_since IS NOT NULL AS member FROM people
                   WHERE person_id = $1 AND phone_index IS NOT NULL";
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
}
