//! People: registering, identifying, joining, refusing.

mod identify;
mod join;
mod person_cache;
mod register;

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use secrecy::{ExposeSecret, SecretString};
use seoham_model::document::Receiver;
use seoham_model::{InstitutionId, PersonId, UnixSeconds};
use seoham_store::events::Step;
use seoham_store::matching::LookUp;
use seoham_store::people::{Agreement, Identified, Registered, Registration};
use seoham_store::person_cache::{CachedPerson, FoundPeople, fill, missing};
use seoham_store::sealing::open_phone_number;
use seoham_store::{Lane, People, Result};
use seoham_vault::{BlindIndex, WrappedKey, sha256};

use crate::SqliteStore;
use crate::columns::Id;
use crate::events::ledger;
use crate::writer::Weight;

pub(crate) use join::{enter_boxes, join, move_due, schedule};
pub(crate) use person_cache::PersonCache;
pub(crate) use register::register_one;

#[async_trait]
impl People for SqliteStore {
    async fn register(&self, people: Vec<Registration>, now: UnixSeconds) -> Result<Vec<Registered>> {
        let (vault, clock) = (Arc::clone(&self.inner.vault), self.inner.clock.clone());
        let (known, box_index) = (Arc::clone(&self.inner.person_cache), Arc::clone(&self.inner.box_index));
        self.inner
            .writer
            .bulk(Weight::rows(people.len()), move |connection| {
                // Not before the numbers change: links of documents accepted until then are void.
                let now = clock.now().max(now);
                let register = |person| {
                    let (changed, registered) =
                        register_one(connection, &vault, &clock, &box_index, person, now)?;
                    for person in changed {
                        known.invalidate_after(person);
                    }
                    Ok(registered)
                };
                people.iter().map(register).collect()
            })
            .await
    }

    async fn identify(
        &self,
        lane: Lane,
        institution: InstitutionId,
        receivers: Vec<Receiver>,
    ) -> Result<Vec<Identified>> {
        let vault = &self.inner.vault;
        let look_ups: Vec<LookUp> = receivers.iter().map(|receiver| LookUp::of(vault, receiver)).collect();
        let (mut found, version) = self.inner.person_cache.find(&look_ups);
        let missing = missing(&found, &look_ups);
        if !missing.is_empty() {
            let read = move |connection: &Connection| Ok(identify::find(connection, missing.iter())?);
            let read = self.inner.readers.read(lane, read).await?;
            let read: FoundPeople = read.into_iter().map(|(index, known)| (index, Arc::new(known))).collect();
            self.inner.person_cache.insert(version, &read);
            fill(&mut found, &look_ups, &read);
        }
        let judge = |(known, receiver): (Option<Arc<CachedPerson>>, &Receiver)| {
            known.map_or(Identified::NotFound, |known| known.candidate(institution).judge(vault, receiver))
        };
        Ok(found.into_iter().zip(&receivers).map(judge).collect())
    }

    async fn person_by_phone(&self, phone_number: &SecretString) -> Result<Option<PersonId>> {
        let index = self.inner.vault.phone_index(phone_number.expose_secret());
        self.person_by("phone_index", index).await
    }

    async fn person_by_ci(&self, ci: &SecretString) -> Result<Option<PersonId>> {
        let index = self.inner.vault.ci_index(ci.expose_secret());
        self.person_by("ci_index", index).await
    }

    async fn phone_number(&self, person: PersonId) -> Result<Option<SecretString>> {
        let vault = Arc::clone(&self.inner.vault);
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let found = connection
                .prepare_cached("SELECT wrapped_key, sealed FROM people WHERE person_id = ?1")?
                .query_row([Id(person)], |row| Ok((WrappedKey(row.get(0)?), row.get::<_, Vec<u8>>(1)?)))
                .optional()?;
            let Some((key, sealed)) = found else { return Ok(None) };
            Ok(open_phone_number(&vault, person, &key, &sealed)?)
        });
        read.await
    }

    async fn agreed(&self, person: PersonId, texts: Vec<String>, now: UnixSeconds) -> Result<()> {
        self.inner
            .writer
            .interactive(move |connection| {
                for text in &texts {
                    let hash = sha256(text.as_bytes());
                    let sql =
                        "INSERT INTO agreed_texts (text_hash, text) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
                    connection.prepare_cached(sql)?.execute(params![hash, text])?;
                    let sql = "INSERT INTO agreements (person_id, text_hash, agreed_at) VALUES (?1, ?2, ?3)
                               ON CONFLICT DO NOTHING";
                    connection.prepare_cached(sql)?.execute(params![Id(person), hash, now.0])?;
                }
                Ok(())
            })
            .await
    }

    async fn agreements(&self, person: PersonId) -> Result<Vec<Agreement>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let sql = "SELECT t.text, a.agreed_at FROM agreements a JOIN agreed_texts t USING (text_hash)
                       WHERE a.person_id = ?1 ORDER BY a.agreed_at, a.text_hash LIMIT 100";
            let read = connection
                .prepare_cached(sql)?
                .query_map([Id(person)], |row| {
                    Ok(Agreement { text: row.get(0)?, agreed_at: UnixSeconds(row.get(1)?) })
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok(read)
        });
        read.await
    }

    async fn join(&self, person: PersonId, now: UnixSeconds) -> Result<()> {
        let (known, box_index) = (Arc::clone(&self.inner.person_cache), Arc::clone(&self.inner.box_index));
        let work = move |connection: &Connection| {
            known.invalidate_after(person);
            join(connection, &box_index, person, now)
        };
        self.inner.writer.interactive(work).await
    }

    async fn set_refusal(
        &self,
        person: PersonId,
        institution: InstitutionId,
        refused: bool,
        now: UnixSeconds,
    ) -> Result<()> {
        let known = Arc::clone(&self.inner.person_cache);
        self.inner
            .writer
            .interactive(move |connection| {
                known.invalidate_after(person);
                let refused_before = connection
                    .prepare_cached(
                        "SELECT EXISTS (SELECT 1 FROM refusals
                                        WHERE person_id = ?1 AND institution_id = ?2 AND refused)",
                    )?
                    .query_row(params![Id(person), Id(institution)], |row| row.get::<_, bool>(0))?;
                connection
                    .prepare_cached(
                        "INSERT INTO refusals (person_id, institution_id, refused) VALUES (?1, ?2, ?3)
                         ON CONFLICT (person_id, institution_id) DO UPDATE SET refused = excluded.refused",
                    )?
                    .execute(params![Id(person), Id(institution), refused])?;
                if refused_before != refused {
                    ledger::append(connection, &[Step::of_refusal(institution, refused, now)])?;
                }
                Ok(())
            })
            .await
    }
}

impl SqliteStore {
    /// The person with a blind index.
    async fn person_by(&self, column: &'static str, index: BlindIndex) -> Result<Option<PersonId>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let found = connection
                .prepare_cached(&format!("SELECT person_id FROM people WHERE {column} = ?1"))?
                .query_row([index], |row| row.get::<_, Id<PersonId>>(0))
                .optional()?;
            Ok(found.map(|id| id.0))
        });
        read.await
    }
}
