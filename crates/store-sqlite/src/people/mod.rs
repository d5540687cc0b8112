//! People: registering, identifying, joining, refusing.

mod identify;
mod join;
mod register;

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};
use secrecy::{ExposeSecret, SecretString};
use seoham_model::document::Receiver;
use seoham_model::{InstitutionId, PersonId, UnixSeconds};
use seoham_store::people::{Identified, Registered, Registration};
use seoham_store::{Lane, People, Result};
use std::sync::Arc;

use crate::SqliteStore;
use crate::columns::Id;
use crate::writer::Weight;

pub(crate) use join::{join, move_due, schedule};
pub(crate) use register::register_one;

#[async_trait]
impl People for SqliteStore {
    async fn register(&self, people: Vec<Registration>, now: UnixSeconds) -> Result<Vec<Registered>> {
        let (vault, clock) = (Arc::clone(&self.inner.vault), self.inner.clock.clone());
        self.inner
            .writer
            .bulk(Weight::rows(people.len()), move |connection| {
                people.iter().map(|person| register_one(connection, &vault, &clock, person, now)).collect()
            })
            .await
    }

    async fn identify(
        &self,
        lane: Lane,
        institution: InstitutionId,
        receivers: Vec<Receiver>,
    ) -> Result<Vec<Identified>> {
        let vault = Arc::clone(&self.inner.vault);
        let read = self.inner.readers.read(lane, move |connection| {
            receivers
                .iter()
                .map(|receiver| Ok(identify::identify(connection, &vault, institution, receiver)?))
                .collect()
        });
        read.await
    }

    async fn person_by_phone(&self, phone_number: &SecretString) -> Result<Option<PersonId>> {
        let index = self.inner.vault.phone_index(phone_number.expose_secret());
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let found = connection
                .prepare_cached("SELECT person_id FROM people WHERE phone_index = ?1")?
                .query_row([index], |row| row.get::<_, Id<PersonId>>(0))
                .optional()?;
            Ok(found.map(|id| id.0))
        });
        read.await
    }

    async fn join(&self, person: PersonId, now: UnixSeconds) -> Result<()> {
        self.inner.writer.interactive(move |connection| Ok(join(connection, person, now)?)).await
    }

    async fn set_refusal(&self, person: PersonId, institution: InstitutionId, refused: bool) -> Result<()> {
        self.inner
            .writer
            .interactive(move |connection| {
                connection
                    .prepare_cached(
                        "INSERT INTO refusals (person_id, institution_id, refused) VALUES (?1, ?2, ?3)
                         ON CONFLICT (person_id, institution_id) DO UPDATE SET refused = excluded.refused",
                    )?
                    .execute(params![Id(person), Id(institution), refused])?;
                Ok(())
            })
            .await
    }
}
