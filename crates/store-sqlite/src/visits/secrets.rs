//! PINs, certificate passwords and birthdays: attempts, lockouts and changes, and the operator's support actions.

use async_trait::async_trait;
use rusqlite::params;
use secrecy::{ExposeSecret, SecretString};
use seoham_model::{PersonId, UnixSeconds};
use seoham_store::attempts::{FORGOTTEN, Proof, Secret, Tries};
use seoham_store::visits::{Attempt, BirthdayAttempt};
use seoham_store::{Lane, Result, Secrets, Unlocking};
use seoham_vault::PinHash;

use super::{begin_attempt, end_visits, keep_tries, secret_hash, tries};
use crate::SqliteStore;
use crate::columns::Id;

#[async_trait]
impl Secrets for SqliteStore {
    async fn change_secret(
        &self,
        person: PersonId,
        secret: Secret,
        before: Option<PinHash>,
        after: PinHash,
    ) -> Result<bool> {
        self.inner
            .writer
            .interactive(move |connection| {
                let before = before.map(|hash| hash.0);
                let changed = match secret {
                    Secret::Pin => {
                        let sql = "UPDATE people SET pin_hash = ?3 WHERE person_id = ?1 AND pin_hash IS ?2";
                        connection.prepare_cached(sql)?.execute(params![Id(person), before, after.0])? == 1
                    }
                    Secret::Certificate => {
                        let sql = "INSERT INTO authentications (person_id, certificate_hash) VALUES (?1, ?3)
                                   ON CONFLICT (person_id) DO UPDATE SET certificate_hash = excluded.certificate_hash
                                   WHERE certificate_hash IS ?2";
                        connection.prepare_cached(sql)?.execute(params![Id(person), before, after.0])? == 1
                    }
                };
                if changed && secret == Secret::Pin {
                    end_visits(connection, person)?;
                }
                Ok(changed)
            })
            .await
    }

    async fn set_first_pin(&self, person: PersonId, hash: PinHash) -> Result<bool> {
        self.inner
            .writer
            .interactive(move |connection| {
                let sql = "UPDATE people SET pin_hash = ?2
                           WHERE person_id = ?1 AND member_since IS NULL";
                Ok(connection.prepare_cached(sql)?.execute(params![Id(person), hash.0])? == 1)
            })
            .await
    }

    async fn has_secret(&self, person: PersonId, secret: Secret) -> Result<bool> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            Ok(secret_hash(connection, person, secret)?.is_some())
        });
        read.await
    }

    async fn begin_attempt(&self, person: PersonId, secret: Secret, now: UnixSeconds) -> Result<Attempt> {
        self.inner
            .writer
            .interactive(move |connection| Ok(begin_attempt(connection, person, secret, now)?))
            .await
    }

    async fn attempt_succeeded(&self, person: PersonId, secret: Secret) -> Result<()> {
        let succeeded = Tries::succeeded();
        self.inner
            .writer
            .interactive(move |connection| Ok(keep_tries(connection, person, secret.into(), succeeded)?))
            .await
    }

    async fn try_birthday(
        &self,
        person: PersonId,
        birthday: &SecretString,
        now: UnixSeconds,
    ) -> Result<BirthdayAttempt> {
        let tag = self.inner.vault.birthday_tag(person, birthday.expose_secret());
        self.inner
            .writer
            .interactive(move |connection| {
                let tries = match tries(connection, person, Proof::Birthday)?.begin(now) {
                    Ok(tries) => tries,
                    Err(until) => return Ok(BirthdayAttempt::Locked { until }),
                };
                let is_right = connection
                    .prepare_cached("SELECT 1 FROM people WHERE person_id = ?1 AND birthday_tag = ?2")?
                    .exists(params![Id(person), tag])?;
                let kept = if is_right { Tries::succeeded() } else { tries };
                keep_tries(connection, person, Proof::Birthday, kept)?;
                Ok(if is_right {
                    BirthdayAttempt::Right
                } else {
                    BirthdayAttempt::Wrong { left: tries.left() }
                })
            })
            .await
    }
}

#[async_trait]
impl Unlocking for SqliteStore {
    async fn unlock(&self, person: PersonId, forget_pin: bool) -> Result<()> {
        self.inner
            .writer
            .interactive(move |connection| {
                for proof in [Proof::Pin, Proof::Certificate, Proof::Birthday] {
                    keep_tries(connection, person, proof, Tries::succeeded())?;
                }
                if forget_pin {
                    connection
                        .prepare_cached("UPDATE people SET pin_hash = ?2 WHERE person_id = ?1")?
                        .execute(params![Id(person), FORGOTTEN])?;
                    end_visits(connection, person)?;
                }
                Ok(())
            })
            .await
    }
}
