//! People: registering, identifying, joining, refusing.

mod identify;
mod join;
mod keys;
mod register;

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use seoham_model::document::Receiver;
use seoham_model::{InstitutionId, PersonId, UnixSeconds};
use seoham_store::people::{Identified, Registered, Registration};
use seoham_store::{Lane, People, Result};

use crate::PostgresStore;
use crate::columns::{Columns, Id};

pub(crate) use join::{move_due, schedule};
pub(crate) use keys::KnownKeys;

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
        let session = self.inner.sessions.for_many(lane).await?;
        identify::identify(&session, Arc::clone(&self.inner.vault), institution, receivers).await
    }

    async fn person_by_phone(&self, phone_number: &SecretString) -> Result<Option<PersonId>> {
        let index = self.inner.vault.phone_index(phone_number.expose_secret());
        let session = self.inner.sessions.interactive().await?;
        let sql = "SELECT person_id FROM people WHERE phone_index = $1";
        let found = session.query_opt(sql, &[&index.as_slice()]).await?;
        found.map(|row| row.id("person_id")).transpose()
    }

    async fn join(&self, person: PersonId, now: UnixSeconds) -> Result<()> {
        let session = self.inner.sessions.interactive().await?;
        if join::become_member(&session, person, now).await? {
            join::move_joined(&session, person, now).await;
        }
        Ok(())
    }

    async fn set_refusal(&self, person: PersonId, institution: InstitutionId, refused: bool) -> Result<()> {
        let sql = "INSERT INTO refusals (person_id, institution_id, refused) VALUES ($1, $2, $3)
                   ON CONFLICT (person_id, institution_id) DO UPDATE SET refused = excluded.refused";
        let session = self.inner.sessions.interactive().await?;
        session.write("a refusal", sql, &[&person.uuid(), &institution.uuid(), &refused]).await.map(drop)
    }
}
