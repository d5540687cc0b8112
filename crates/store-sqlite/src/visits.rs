//! Signing in, sessions and secrets, in the writer: each link and each attempt counts once.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use secrecy::{ExposeSecret, SecretString};
use seoham_model::status::Opening;
use seoham_model::{BinderId, PersonId, UnixSeconds};
use seoham_store::attempts::{FORGOTTEN, LinkRequests, Proof, Secret, Tries};
use seoham_store::restore::names;
use seoham_store::visits::{
    Attempt, BirthdayAttempt, LinkPurpose, LoginLink, NOTIFICATION_LINK_SECONDS, Visitor,
};
use seoham_store::{Lane, Links, Result, Secrets, Sessions, Unlocking};
use seoham_vault::{PinHash, TokenHash};

use crate::SqliteStore;
use crate::columns::{Id, TIMES, moment, times};
use crate::open::deployment_value;

/// Ended links and sessions that are removed beside a new one.
const CLEARED_AT_ONCE: usize = 20;

#[async_trait]
impl Links for SqliteStore {
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
                let void_before: Option<i64> = deployment_value(connection, names::LINKS_VOID_BEFORE)?;
                if now.0 >= expires_at || void_before.is_some_and(|moment| sent_at <= moment) {
                    return Ok(None);
                }
                clear(connection, "login_links", "token_hash", now)?;
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

    async fn ask_link(
        &self,
        phone_number: &SecretString,
        now: UnixSeconds,
    ) -> Result<std::result::Result<(), UnixSeconds>> {
        let index = self.inner.vault.phone_index(phone_number.expose_secret());
        let ask = move |connection: &Connection| Ok(ask_link(connection, &index, now)?);
        self.inner.writer.interactive(ask).await
    }

    async fn notified(&self, token: &SecretString, now: UnixSeconds) -> Result<Option<(PersonId, BinderId)>> {
        let Some(document) = self.inner.vault.document_of_link(token) else { return Ok(None) };
        let sql =
            format!("SELECT d.person_id, d.deadline_at, {TIMES} FROM documents d WHERE d.document_id = ?1");
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let found = connection
                .prepare_cached(&sql)?
                .query_row([Id(document)], |row| {
                    Ok((row.get::<_, Id<PersonId>>(0)?.0, UnixSeconds(row.get(1)?), times(row, 2)?))
                })
                .optional()?;
            let open = found.filter(|(_, deadline, times)| times.opening(*deadline, now) != Opening::TooLate);
            Ok(open.map(|(person, ..)| (person, document)))
        });
        read.await
    }

    async fn add_login_link(&self, link: LoginLink) -> Result<()> {
        let now = self.inner.clock.now();
        self.inner
            .writer
            .interactive(move |connection| {
                clear(connection, "login_links", "token_hash", now)?;
                clear(connection, "new_pin_links", "token_hash", now)?;
                let (token, person, expires_at) = (link.token.0, Id(link.person), link.expires_at.0);
                match link.purpose {
                    LinkPurpose::SignIn { document } => connection
                        .prepare_cached(
                            "INSERT INTO login_links (token_hash, person_id, expires_at, document_id)
                             VALUES (?1, ?2, ?3, ?4)",
                        )?
                        .execute(params![token, person, expires_at, document.map(Id)])?,
                    LinkPurpose::NewPin => connection
                        .prepare_cached(
                            "INSERT INTO new_pin_links (token_hash, person_id, expires_at) VALUES (?1, ?2, ?3)",
                        )?
                        .execute(params![token, person, expires_at])?,
                };
                Ok(())
            })
            .await
    }

    async fn use_login_link(
        &self,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<Option<(PersonId, Option<BinderId>)>> {
        self.inner
            .writer
            .interactive(move |connection| {
                let sql = "UPDATE login_links SET used_at = ?2
                           WHERE token_hash = ?1 AND used_at IS NULL AND expires_at > ?2
                           RETURNING person_id, document_id";
                let found = connection
                    .prepare_cached(sql)?
                    .query_row(params![token.0, now.0], |row| {
                        let document: Option<Id<BinderId>> = row.get(1)?;
                        Ok((row.get::<_, Id<PersonId>>(0)?.0, document.map(|id| id.0)))
                    })
                    .optional()?;
                Ok(found)
            })
            .await
    }

    async fn new_pin_link(&self, token: TokenHash, now: UnixSeconds) -> Result<Option<PersonId>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let sql = "SELECT person_id FROM new_pin_links WHERE token_hash = ?1 AND expires_at > ?2";
            let found = connection
                .prepare_cached(sql)?
                .query_row(params![token.0, now.0], |row| row.get::<_, Id<PersonId>>(0))
                .optional()?;
            Ok(found.map(|id| id.0))
        });
        read.await
    }

    async fn renew_pin(&self, token: TokenHash, hash: PinHash, now: UnixSeconds) -> Result<bool> {
        self.inner
            .writer
            .interactive(move |connection| {
                let sql =
                    "DELETE FROM new_pin_links WHERE token_hash = ?1 AND expires_at > ?2 RETURNING person_id";
                let person = connection
                    .prepare_cached(sql)?
                    .query_row(params![token.0, now.0], |row| row.get::<_, Id<PersonId>>(0))
                    .optional()?;
                let Some(Id(person)) = person else { return Ok(false) };
                connection
                    .prepare_cached("UPDATE people SET pin_hash = ?2 WHERE person_id = ?1")?
                    .execute(params![Id(person), hash.0])?;
                for proof in [Proof::Pin, Proof::Birthday] {
                    keep_tries(connection, person, proof, Tries::succeeded())?;
                }
                end_visits(connection, person)?;
                Ok(true)
            })
            .await
    }
}

#[async_trait]
impl Sessions for SqliteStore {
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
        self.inner.writer.interactive(move |connection| Ok(end_sessions(connection, person)?)).await
    }
}

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

/// Removes some of the links and sessions that have ended.
pub(crate) fn clear_ended(connection: &Connection, now: UnixSeconds) -> rusqlite::Result<()> {
    clear(connection, "login_links", "token_hash", now)?;
    clear(connection, "new_pin_links", "token_hash", now)?;
    clear(connection, "sessions", "session_hash", now)
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

/// Counts another request for a link, beside which some of what does not count any more goes.
fn ask_link(
    connection: &Connection,
    index: &[u8],
    now: UnixSeconds,
) -> rusqlite::Result<std::result::Result<(), UnixSeconds>> {
    let forgotten = "DELETE FROM link_requests WHERE phone_index IN
        (SELECT phone_index FROM link_requests WHERE last_at <= ?1 LIMIT ?2)";
    let day = LinkRequests::forgotten_at(UnixSeconds(0)).0;
    connection.prepare_cached(forgotten)?.execute(params![now.plus(-day).0, CLEARED_AT_ONCE])?;
    let before = connection
        .prepare_cached("SELECT asked_at FROM link_requests WHERE phone_index = ?1")?
        .query_row([index], |row| Ok(LinkRequests::from_bytes(row.get_ref(0)?.as_blob()?)))
        .optional()?
        .unwrap_or_default();
    let after = match before.ask(now) {
        Ok(after) => after.to_bytes(),
        Err(until) => return Ok(Err(until)),
    };
    connection
        .prepare_cached(
            "INSERT INTO link_requests (phone_index, asked_at, last_at) VALUES (?1, ?2, ?3)
             ON CONFLICT (phone_index) DO UPDATE SET asked_at = excluded.asked_at, last_at = excluded.last_at",
        )?
        .execute(params![index, after, now.0])?;
    Ok(Ok(()))
}

fn end_sessions(connection: &Connection, person: PersonId) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM sessions WHERE person_id = ?1")?.execute([Id(person)])?;
    Ok(())
}

/// Ends every session of a person, and every link by which one could begin.
fn end_visits(connection: &Connection, person: PersonId) -> rusqlite::Result<()> {
    end_sessions(connection, person)?;
    for sql in [
        "DELETE FROM login_links WHERE person_id = ?1 AND used_at IS NULL",
        "DELETE FROM new_pin_links WHERE person_id = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([Id(person)])?;
    }
    Ok(())
}

/// The columns where attempts at a proof are counted and its lock stands.
fn columns(proof: Proof) -> (&'static str, &'static str) {
    match proof {
        Proof::Pin => ("failures", "locked_until"),
        Proof::Certificate => ("certificate_failures", "certificate_locked_until"),
        Proof::Birthday => ("birthday_failures", "birthday_locked_until"),
    }
}

fn tries(connection: &Connection, person: PersonId, proof: Proof) -> rusqlite::Result<Tries> {
    let (failures, locked_until) = columns(proof);
    let sql = format!("SELECT {failures}, {locked_until} FROM authentications WHERE person_id = ?1");
    let found = connection
        .prepare_cached(&sql)?
        .query_row([Id(person)], |row| Ok(Tries { failures: row.get(0)?, locked_until: moment(row, 1)? }))
        .optional()?;
    Ok(found.unwrap_or_default())
}

fn keep_tries(connection: &Connection, person: PersonId, proof: Proof, tries: Tries) -> rusqlite::Result<()> {
    let (failures, locked_until) = columns(proof);
    let sql = format!(
        "INSERT INTO authentications (person_id, {failures}, {locked_until}) VALUES (?1, ?2, ?3)
         ON CONFLICT (person_id) DO UPDATE
         SET {failures} = excluded.{failures}, {locked_until} = excluded.{locked_until}"
    );
    let until = tries.locked_until.map(|until| until.0);
    connection.prepare_cached(&sql)?.execute(params![Id(person), tries.failures, until])?;
    Ok(())
}

/// The hash of a secret that stands; none where there is none, or where the PIN was forgotten.
fn secret_hash(
    connection: &Connection,
    person: PersonId,
    secret: Secret,
) -> rusqlite::Result<Option<String>> {
    let sql = match secret {
        Secret::Pin => "SELECT pin_hash FROM people WHERE person_id = ?1",
        Secret::Certificate => "SELECT certificate_hash FROM authentications WHERE person_id = ?1",
    };
    let found: Option<Option<String>> =
        connection.prepare_cached(sql)?.query_row([Id(person)], |row| row.get(0)).optional()?;
    Ok(found.flatten().filter(|hash| hash != FORGOTTEN))
}

fn begin_attempt(
    connection: &Connection,
    person: PersonId,
    secret: Secret,
    now: UnixSeconds,
) -> rusqlite::Result<Attempt> {
    let Some(hash) = secret_hash(connection, person, secret)? else { return Ok(Attempt::NotSet) };
    match tries(connection, person, secret.into())?.begin(now) {
        Err(until) => Ok(Attempt::Locked { until }),
        Ok(tries) => {
            keep_tries(connection, person, secret.into(), tries)?;
            Ok(Attempt::Allowed { hash: PinHash(hash), left: tries.left() })
        }
    }
}
