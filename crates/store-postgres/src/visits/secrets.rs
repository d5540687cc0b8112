//! PINs, certificate passwords and birthdays: attempts, lockouts and changes, and the operator's support actions.

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use seoham_model::{PersonId, UnixSeconds};
use seoham_store::attempts::{FORGOTTEN, Proof, Secret};
use seoham_store::visits::{Attempt, BirthdayAttempt};
use seoham_store::{Result, Secrets, Unlocking};
use seoham_vault::PinHash;

use super::{begin, secret_hash, succeed};
use crate::PostgresStore;
use crate::columns::Id;

#[async_trait]
impl Secrets for PostgresStore {
    async fn change_secret(
        &self,
        person: PersonId,
        secret: Secret,
        before: Option<PinHash>,
        after: PinHash,
    ) -> Result<bool> {
        let sql = match secret {
            Secret::Pin => {
                "WITH changed AS (
                   UPDATE people SET pin_hash = $3 WHERE person_id = $1 AND pin_hash IS NOT DISTINCT FROM $2
                   RETURNING person_id),
                 ended AS (DELETE FROM sessions WHERE person_id = ANY (ARRAY(SELECT person_id FROM changed))),
                 unasked AS (
                   DELETE FROM login_links WHERE used_at IS NULL AND person_id = ANY (ARRAY(SELECT person_id FROM changed))),
                 unused AS (DELETE FROM new_pin_links WHERE person_id = ANY (ARRAY(SELECT person_id FROM changed)))
                 SELECT person_id FROM changed"
            }
            Secret::Certificate => {
                "INSERT INTO authentications AS a (person_id, certificate_hash) VALUES ($1, $3)
                 ON CONFLICT (person_id) DO UPDATE SET certificate_hash = excluded.certificate_hash
                 WHERE a.certificate_hash IS NOT DISTINCT FROM $2 RETURNING person_id"
            }
        };
        let before = before.map(|hash| hash.0);
        let connection = self.inner.sessions.interactive().await?;
        Ok(!connection.write("a secret", sql, &[&person.uuid(), &before, &after.0]).await?.is_empty())
    }

    async fn set_first_pin(&self, person: PersonId, hash: PinHash) -> Result<bool> {
        let sql = "UPDATE people SET pin_hash = $2
                   WHERE person_id = $1 AND member_since IS NULL RETURNING person_id";
        let connection = self.inner.sessions.interactive().await?;
        Ok(!connection.write("a secret", sql, &[&person.uuid(), &hash.0]).await?.is_empty())
    }

    async fn has_secret(&self, person: PersonId, secret: Secret) -> Result<bool> {
        let connection = self.inner.sessions.interactive().await?;
        Ok(secret_hash(&connection, person, secret).await?.is_some())
    }

    async fn begin_attempt(&self, person: PersonId, secret: Secret, now: UnixSeconds) -> Result<Attempt> {
        let connection = self.inner.sessions.interactive().await?;
        let Some(hash) = secret_hash(&connection, person, secret).await? else { return Ok(Attempt::NotSet) };
        Ok(match begin(&connection, person, secret.into(), now).await? {
            Ok(tries) => Attempt::Allowed { hash: PinHash(hash), left: tries.left() },
            Err(until) => Attempt::Locked { until },
        })
    }

    async fn attempt_succeeded(&self, person: PersonId, secret: Secret) -> Result<()> {
        let connection = self.inner.sessions.interactive().await?;
        succeed(&connection, person, secret.into()).await
    }

    async fn try_birthday(
        &self,
        person: PersonId,
        birthday: &SecretString,
        now: UnixSeconds,
    ) -> Result<BirthdayAttempt> {
        let tag = self.inner.vault.birthday_tag(person, birthday.expose_secret());
        let connection = self.inner.sessions.interactive().await?;
        let tries = match begin(&connection, person, Proof::Birthday, now).await? {
            Ok(tries) => tries,
            Err(until) => return Ok(BirthdayAttempt::Locked { until }),
        };
        let sql = "SELECT 1 AS is_right FROM people WHERE person_id = $1 AND birthday_tag = $2";
        if connection.query_opt(sql, &[&person.uuid(), &tag.as_slice()]).await?.is_none() {
            return Ok(BirthdayAttempt::Wrong { left: tries.left() });
        }
        succeed(&connection, person, Proof::Birthday).await?;
        Ok(BirthdayAttempt::Right)
    }
}

#[async_trait]
impl Unlocking for PostgresStore {
    async fn unlock(&self, person: PersonId, forget_pin: bool) -> Result<()> {
        let sql = "WITH unlocked AS (
                     UPDATE authentications SET failures = 0, locked_until = NULL, certificate_failures = 0,
                       certificate_locked_until = NULL, birthday_failures = 0, birthday_locked_until = NULL
                     WHERE person_id = $1),
                   ended AS (DELETE FROM sessions WHERE person_id = $1 AND $2),
                   unasked AS (DELETE FROM login_links WHERE person_id = $1 AND used_at IS NULL AND $2),
                   unused AS (DELETE FROM new_pin_links WHERE person_id = $1 AND $2)
                   UPDATE people SET pin_hash = $3 WHERE person_id = $1 AND $2";
        let session = self.inner.sessions.interactive().await?;
        session.write("unlocking", sql, &[&person.uuid(), &forget_pin, &FORGOTTEN]).await.map(drop)
    }
}
