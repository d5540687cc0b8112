//! Signing in, sessions and secrets: each link and each attempt counts once, whichever node it
//! meets.

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use seoham_model::status::Opening;
use seoham_model::{BinderId, PersonId, UnixSeconds};
use seoham_store::attempts::{FORGOTTEN, LinkRequests, Proof, Secret, Tries};
use seoham_store::visits::{
    Attempt, BirthdayAttempt, LinkPurpose, LoginLink, NOTIFICATION_LINK_SECONDS, Visitor,
};
use seoham_store::{Links, Result, Secrets, Sessions, StoreError, Unlocking};
use seoham_vault::{PinHash, TokenHash};

use crate::PostgresStore;
use crate::columns::{Columns, Id};
use crate::documents::rows;
use crate::session::{Param, Session};

/// How often a write is tried that somebody else was quicker with: more than could be at the same moment.
const TRIES_MAX: u32 = 64;

#[async_trait]
impl Links for PostgresStore {
    async fn use_notification_link(
        &self,
        token: &SecretString,
        now: UnixSeconds,
    ) -> Result<Option<(PersonId, BinderId)>> {
        let Some(document) = self.inner.vault.document_of_link(token) else { return Ok(None) };
        let session = self.inner.sessions.interactive().await?;
        clear(&session, now).await?;
        let sql = "SELECT person_id, sent_at,
                     (SELECT value::bigint FROM deployment WHERE name = 'links_void_before') AS void_before
                   FROM documents WHERE document_id = $1";
        let Some(found) = session.query_opt(sql, &[&document.uuid()]).await? else { return Ok(None) };
        let person: PersonId = found.id("person_id")?;
        let (sent_at, void_before): (i64, _) = (found.value("sent_at")?, found.moment("void_before")?);
        let expires_at = sent_at + NOTIFICATION_LINK_SECONDS;
        if now.0 >= expires_at || void_before.is_some_and(|moment| sent_at <= moment.0) {
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

    async fn ask_link(
        &self,
        phone_number: &SecretString,
        now: UnixSeconds,
    ) -> Result<std::result::Result<(), UnixSeconds>> {
        let index = self.inner.vault.phone_index(phone_number.expose_secret());
        let session = self.inner.sessions.interactive().await?;
        for _ in 0..TRIES_MAX {
            let sql = "SELECT asked_at FROM link_requests WHERE phone_index = $1";
            let found = session.query_opt(sql, &[&index.as_slice()]).await?;
            let before: Option<Vec<u8>> = found.map(|row| row.value("asked_at")).transpose()?;
            let asked = before.as_deref().map(LinkRequests::from_bytes).unwrap_or_default();
            let after = match asked.ask(now) {
                Ok(after) => after.to_bytes(),
                Err(until) => return Ok(Err(until)),
            };
            // Only if nobody asked meanwhile, on whichever node.
            let sql = "INSERT INTO link_requests AS r (phone_index, asked_at, last_at) VALUES ($1, $2, $3)
                       ON CONFLICT (phone_index) DO UPDATE SET asked_at = excluded.asked_at, last_at = excluded.last_at
                       WHERE r.asked_at = $4 RETURNING phone_index";
            let params: [Param<'_>; 4] = [&index.as_slice(), &after, &now.0, &before];
            if !session.write("a request for a link", sql, &params).await?.is_empty() {
                return Ok(Ok(()));
            }
        }
        Err(StoreError::Overloaded)
    }

    async fn notified(&self, token: &SecretString, now: UnixSeconds) -> Result<Option<(PersonId, BinderId)>> {
        let Some(id) = self.inner.vault.document_of_link(token) else { return Ok(None) };
        let session = self.inner.sessions.interactive().await?;
        let found = rows::documents(&session, None, &[id]).await?.remove(&id);
        let open = found.filter(|d| d.times.opening(d.deadline_at, now) != Opening::TooLate);
        Ok(open.map(|document| (document.person, id)))
    }

    async fn add_login_link(&self, link: LoginLink) -> Result<()> {
        let session = self.inner.sessions.interactive().await?;
        // Some of what has ended goes beside it.
        clear(&session, self.inner.clock.now()).await?;
        let (token, person, expires_at) = (link.token.0.as_slice(), link.person.uuid(), link.expires_at.0);
        let written = match link.purpose {
            LinkPurpose::SignIn { document } => {
                let sql = "INSERT INTO login_links (token_hash, person_id, expires_at, document_id)
                           VALUES ($1, $2, $3, $4)";
                let document = document.map(|id| id.uuid());
                session.write("a link", sql, &[&token, &person, &expires_at, &document]).await
            }
            LinkPurpose::NewPin => {
                let sql = "INSERT INTO new_pin_links (token_hash, person_id, expires_at) VALUES ($1, $2, $3)";
                session.write("a link", sql, &[&token, &person, &expires_at]).await
            }
        };
        written.map(drop)
    }

    async fn use_login_link(
        &self,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<Option<(PersonId, Option<BinderId>)>> {
        let sql = "UPDATE login_links SET used_at = $2
                   WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2
                   RETURNING person_id, document_id";
        let session = self.inner.sessions.interactive().await?;
        let used = session.write("a link", sql, &[&token.0.as_slice(), &now.0]).await?;
        let Some(row) = used.first() else { return Ok(None) };
        let document: Option<uuid::Uuid> = row.value("document_id")?;
        let document = document.map(|id| BinderId::from_bytes(id.into_bytes()));
        Ok(Some((row.id("person_id")?, document)))
    }

    async fn new_pin_link(&self, token: TokenHash, now: UnixSeconds) -> Result<Option<PersonId>> {
        let sql = "SELECT person_id FROM new_pin_links WHERE token_hash = $1 AND expires_at > $2";
        let session = self.inner.sessions.interactive().await?;
        let found = session.query_opt(sql, &[&token.0.as_slice(), &now.0]).await?;
        found.map(|row| row.id("person_id")).transpose()
    }

    async fn renew_pin(&self, token: TokenHash, hash: PinHash, now: UnixSeconds) -> Result<bool> {
        // One statement: all of it or nothing.
        let sql = "WITH link AS (
                     DELETE FROM new_pin_links WHERE token_hash = $1 AND expires_at > $2 RETURNING person_id),
                   unlocked AS (
                     UPDATE authentications SET failures = 0, locked_until = NULL, birthday_failures = 0,
                       birthday_locked_until = NULL
                     WHERE person_id IN (SELECT person_id FROM link)),
                   ended AS (DELETE FROM sessions WHERE person_id IN (SELECT person_id FROM link)),
                   unasked AS (
                     DELETE FROM login_links WHERE used_at IS NULL AND person_id IN (SELECT person_id FROM link)),
                   unused AS (
                     DELETE FROM new_pin_links
                     WHERE token_hash <> $1 AND person_id IN (SELECT person_id FROM link))
                   UPDATE people SET pin_hash = $3 WHERE person_id IN (SELECT person_id FROM link)
                   RETURNING person_id";
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 3] = [&token.0.as_slice(), &now.0, &hash.0];
        Ok(!session.write("a new PIN", sql, &params).await?.is_empty())
    }
}

#[async_trait]
impl Sessions for PostgresStore {
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
        let params: [Param<'_>; 4] = [&session.0.as_slice(), &person.uuid(), &expires_at.0, &now.0];
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
}

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
                 ended AS (DELETE FROM sessions WHERE person_id IN (SELECT person_id FROM changed)),
                 unasked AS (
                   DELETE FROM login_links WHERE used_at IS NULL AND person_id IN (SELECT person_id FROM changed)),
                 unused AS (DELETE FROM new_pin_links WHERE person_id IN (SELECT person_id FROM changed))
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

/// The hash of a secret that stands; none where there is none, or where the PIN was forgotten.
async fn secret_hash(connection: &Session, person: PersonId, secret: Secret) -> Result<Option<String>> {
    let sql = match secret {
        Secret::Pin => "SELECT pin_hash AS hash FROM people WHERE person_id = $1",
        Secret::Certificate => "SELECT certificate_hash AS hash FROM authentications WHERE person_id = $1",
    };
    let found = connection.query_opt(sql, &[&person.uuid()]).await?;
    let hash: Option<String> = found.map(|row| row.value("hash")).transpose()?.flatten();
    Ok(hash.filter(|hash| hash != FORGOTTEN))
}

/// The statements on the columns where attempts at a proof are counted and its lock stands.
struct Counted {
    read: &'static str,
    change: &'static str,
    insert: &'static str,
    reset: &'static str,
}

macro_rules! counted {
    ($failures:literal, $locked_until:literal) => {
        Counted {
            read: concat!(
                "SELECT ",
                $failures,
                " AS failures, ",
                $locked_until,
                " AS locked_until
                 FROM authentications WHERE person_id = $1"
            ),
            change: concat!(
                "UPDATE authentications SET ",
                $failures,
                " = $4, ",
                $locked_until,
                " = $5
                 WHERE person_id = $1 AND ",
                $failures,
                " = $2 AND ",
                $locked_until,
                " IS NOT DISTINCT FROM $3
                 RETURNING person_id"
            ),
            insert: concat!(
                "INSERT INTO authentications (person_id, ",
                $failures,
                ", ",
                $locked_until,
                ")
                 SELECT $1, $4, $5 WHERE $2::bigint = 0 AND $3::bigint IS NULL ON CONFLICT DO NOTHING
                 RETURNING person_id"
            ),
            reset: concat!(
                "UPDATE authentications SET ",
                $failures,
                " = 0, ",
                $locked_until,
                " = NULL WHERE person_id = $1"
            ),
        }
    };
}

fn counted(proof: Proof) -> Counted {
    match proof {
        Proof::Pin => counted!("failures", "locked_until"),
        Proof::Certificate => counted!("certificate_failures", "certificate_locked_until"),
        Proof::Birthday => counted!("birthday_failures", "birthday_locked_until"),
    }
}

/// Begins an attempt: what is kept of it, or until when there is a lock.
async fn begin(
    connection: &Session,
    person: PersonId,
    proof: Proof,
    now: UnixSeconds,
) -> Result<std::result::Result<Tries, UnixSeconds>> {
    let sql = counted(proof).read;
    for _ in 0..TRIES_MAX {
        let found = connection.query_opt(sql, &[&person.uuid()]).await?;
        let before = match &found {
            Some(row) => {
                Tries { failures: row.value("failures")?, locked_until: row.moment("locked_until")? }
            }
            None => Tries::default(),
        };
        let after = match before.begin(now) {
            Ok(after) => after,
            Err(until) => return Ok(Err(until)),
        };
        if keep_tries(connection, person, proof, (found.is_some(), before), after).await? {
            return Ok(Ok(after));
        }
    }
    Err(StoreError::Overloaded)
}

async fn succeed(connection: &Session, person: PersonId, proof: Proof) -> Result<()> {
    connection.write("an attempt", counted(proof).reset, &[&person.uuid()]).await.map(drop)
}

/// Keeps `after` if what is there is still what it follows from: attempts at the same moment are counted one after
/// the other. `false` when somebody else was quicker.
async fn keep_tries(
    connection: &Session,
    person: PersonId,
    proof: Proof,
    (is_there, before): (bool, Tries),
    after: Tries,
) -> Result<bool> {
    let sql = if is_there { counted(proof).change } else { counted(proof).insert };
    let until = |tries: Tries| tries.locked_until.map(|until| until.0);
    let (was, is) = (until(before), until(after));
    let params: [Param<'_>; 5] = [&person.uuid(), &before.failures, &was, &after.failures, &is];
    Ok(!connection.write("an attempt", sql, &params).await?.is_empty())
}

/// Removes some of what has ended, of links and of requests for them.
pub(crate) async fn clear(connection: &Session, now: UnixSeconds) -> Result<()> {
    let links = "DELETE FROM login_links WHERE token_hash IN
        (SELECT token_hash FROM login_links WHERE expires_at <= $1 LIMIT 20 FOR UPDATE SKIP LOCKED)";
    connection.write("ended links", links, &[&now.0]).await?;
    let pins = "DELETE FROM new_pin_links WHERE token_hash IN
        (SELECT token_hash FROM new_pin_links WHERE expires_at <= $1 LIMIT 20 FOR UPDATE SKIP LOCKED)";
    connection.write("ended links", pins, &[&now.0]).await?;
    let requests = "DELETE FROM link_requests WHERE phone_index IN
        (SELECT phone_index FROM link_requests WHERE last_at <= $1 LIMIT 20 FOR UPDATE SKIP LOCKED)";
    let day = LinkRequests::forgotten_at(UnixSeconds(0)).0;
    connection.write("requests for links", requests, &[&now.plus(-day).0]).await.map(drop)
}
