//! Sessions of signed-in people.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};
use seoham_model::{PersonId, UnixSeconds};
use seoham_store::visits::Visitor;
use seoham_store::{Lane, Result, Sessions};
use seoham_vault::TokenHash;

use super::{clear, end_sessions};
use crate::SqliteStore;
use crate::columns::Id;

#[async_trait]
impl Sessions for SqliteStore {
    async fn start_session(
        &self,
        person: PersonId,
        session: TokenHash,
        proved_at: UnixSeconds,
        expires_at: UnixSeconds,
    ) -> Result<bool> {
        let now = self.inner.clock.now();
        self.inner
            .writer
            .interactive(move |connection| {
                clear(connection, "sessions", "session_hash", now)?;
                let sql = "INSERT INTO sessions (session_hash, person_id, expires_at)
                           SELECT ?1, person_id, ?3 FROM people
                           WHERE person_id = ?2 AND (phone_changed_at IS NULL OR phone_changed_at < ?4)";
                let params = params![session.0, Id(person), expires_at.0, proved_at.0];
                Ok(connection.prepare_cached(sql)?.execute(params)? == 1)
            })
            .await
    }

    async fn session(&self, session: TokenHash, now: UnixSeconds) -> Result<Option<Visitor>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let sql = "SELECT s.person_id, p.member_since IS NOT NULL
                       FROM sessions s JOIN people p USING (person_id)
                       WHERE s.session_hash = ?1 AND s.expires_at > ?2 AND p.phone_index IS NOT NULL";
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
        self.inner.writer.interactive(move |connection| Ok(end_sessions(connection, person)?)).await
    }
}
