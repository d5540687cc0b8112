//! People: registering, identifying, joining, refusing.

mod changes;
mod identify;
mod join;
mod key_cache;
mod person_cache;
mod register;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use seoham_model::document::Receiver;
use seoham_model::{InstitutionId, PersonId, UnixSeconds};
use seoham_store::events::Step;
use seoham_store::people::{Agreement, Identified, Registered, Registration};
use seoham_store::sealing::open_phone_number;
use seoham_store::{Lane, People, Result};
use seoham_vault::{WrappedKey, sha256};

use crate::PostgresStore;
use crate::columns::{Columns, Id, Number};
use crate::session::Param;

pub(crate) use changes::forget_changes;
pub(crate) use join::{enter_boxes, move_due, schedule};
pub(crate) use key_cache::KeyCache;
pub(crate) use person_cache::PersonCache;

#[async_trait]
impl People for PostgresStore {
    async fn register(&self, people: Vec<Registration>, now: UnixSeconds) -> Result<Vec<Registered>> {
        let session = self.inner.sessions.for_many(Lane::Bulk).await?;
        let (vault, clock) = (&self.inner.vault, &self.inner.clock);
        let (registered, joined) = register::register(&session, vault, clock, &people, now).await?;
        for person in joined {
            join::move_joined(&session, person, now).await;
        }
        Ok(registered)
    }

    async fn identify(
        &self,
        lane: Lane,
        institution: InstitutionId,
        receivers: Vec<Receiver>,
    ) -> Result<Vec<Identified>> {
        identify::identify(self, lane, institution, receivers).await
    }

    async fn person_by_phone(&self, phone_number: &SecretString) -> Result<Option<PersonId>> {
        let index = self.inner.vault.phone_index(phone_number.expose_secret());
        let session = self.inner.sessions.interactive().await?;
        let sql = "SELECT person_id FROM people WHERE phone_index = $1";
        let found = session.query_opt(sql, &[&index.as_slice()]).await?;
        found.map(|row| row.id("person_id")).transpose()
    }

    async fn person_by_ci(&self, ci: &SecretString) -> Result<Option<PersonId>> {
        let index = self.inner.vault.ci_index(ci.expose_secret());
        let session = self.inner.sessions.interactive().await?;
        let sql = "SELECT person_id FROM people WHERE ci_index = $1";
        let found = session.query_opt(sql, &[&index.as_slice()]).await?;
        found.map(|row| row.id("person_id")).transpose()
    }

    async fn phone_number(&self, person: PersonId) -> Result<Option<SecretString>> {
        let session = self.inner.sessions.interactive().await?;
        let sql = "SELECT wrapped_key, sealed FROM people WHERE person_id = $1";
        let Some(found) = session.query_opt(sql, &[&person.uuid()]).await? else { return Ok(None) };
        let (key, sealed): (_, Vec<u8>) = (WrappedKey(found.value("wrapped_key")?), found.value("sealed")?);
        open_phone_number(&self.inner.vault, person, &key, &sealed)
    }

    async fn agreed(&self, person: PersonId, texts: Vec<String>, now: UnixSeconds) -> Result<()> {
        let session = self.inner.sessions.interactive().await?;
        for text in texts {
            let hash = sha256(text.as_bytes());
            let sql = "INSERT INTO agreed_texts (text_hash, text) VALUES ($1, $2) ON CONFLICT DO NOTHING";
            session.write("a text that is agreed to", sql, &[&hash.as_slice(), &text]).await?;
            let sql = "INSERT INTO agreements (person_id, text_hash, agreed_at) VALUES ($1, $2, $3)
                       ON CONFLICT DO NOTHING";
            session.write("an agreement", sql, &[&person.uuid(), &hash.as_slice(), &now.0]).await?;
        }
        Ok(())
    }

    async fn agreements(&self, person: PersonId) -> Result<Vec<Agreement>> {
        let session = self.inner.sessions.interactive().await?;
        let sql =
            "SELECT t.text, a.agreed_at FROM agreements a JOIN agreed_texts t ON t.text_hash = ANY (ARRAY[a.text_hash])
                   WHERE a.person_id = $1 ORDER BY a.agreed_at, a.text_hash LIMIT 100";
        let read = |row: &tokio_postgres::Row| {
            Ok(Agreement { text: row.value("text")?, agreed_at: UnixSeconds(row.value("agreed_at")?) })
        };
        session.query(sql, &[&person.uuid()]).await?.iter().map(read).collect()
    }

    async fn join(&self, person: PersonId, now: UnixSeconds) -> Result<()> {
        let session = self.inner.sessions.interactive().await?;
        if join::become_member(&session, person, now).await? {
            join::move_joined(&session, person, now).await;
        }
        Ok(())
    }

    async fn set_refusal(
        &self,
        person: PersonId,
        institution: InstitutionId,
        refused: bool,
        now: UnixSeconds,
    ) -> Result<()> {
        let sql = "WITH before AS MATERIALIZED (
                     SELECT FROM refusals WHERE person_id = $1 AND institution_id = $2 AND refused),
                   said AS (
                     INSERT INTO refusals AS r (person_id, institution_id, refused) VALUES ($1, $2, $3)
                     ON CONFLICT (person_id, institution_id) DO UPDATE SET refused = excluded.refused
                     WHERE r.refused <> excluded.refused
                     RETURNING 1)
                   INSERT INTO outbox (institution_id, event_type, event_count, at) SELECT $2, $4, 1, $5 FROM said
                   WHERE $3 OR EXISTS (SELECT FROM before)";
        let event_type = Number(Step::of_refusal(institution, refused, now).event_type);
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 5] = [&person.uuid(), &institution.uuid(), &refused, &event_type, &now.0];
        session.write("a refusal", sql, &params).await.map(drop)
    }
}
