//! Links into the box: from notifications, requested by phone number, and for setting a new PIN.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use secrecy::{ExposeSecret, SecretString};
use seoham_model::{BinderId, PersonId, UnixSeconds};
use seoham_store::attempts::{LinkRequests, Proof, Tries};
use seoham_store::restore::names;
use seoham_store::visits::{LinkPurpose, LoginLink, notification_link_end};
use seoham_store::{Lane, Links, Result};
use seoham_vault::{PinHash, TokenHash};

use super::{CLEARED_AT_ONCE, clear, end_visits, keep_tries};
use crate::SqliteStore;
use crate::columns::{Id, moment};
use crate::documents::rows;
use crate::open::deployment_value;

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
                let Some(found) = rows::document(connection, None, document)? else { return Ok(None) };
                let person = found.person;
                let restored: Option<i64> = deployment_value(connection, names::LINKS_VOID_BEFORE)?;
                let void_until = [restored.map(UnixSeconds), phone_changed_at(connection, person)?];
                let Some(expires_at) = notification_link_end(found.times.sent_at, void_until, now) else {
                    return Ok(None);
                };
                clear(connection, "login_links", "token_hash", now)?;
                let sql = "INSERT INTO login_links (token_hash, person_id, expires_at, used_at)
                           VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
                let used = connection.prepare_cached(sql)?.execute(params![
                    hash.0,
                    Id(person),
                    expires_at.0,
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
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let found = rows::document(connection, None, document)?;
            let open = found.filter(|found| now < found.deadline_at);
            Ok(open.map(|found| (found.person, document)))
        });
        read.await
    }

    async fn add_login_link(&self, link: LoginLink) -> Result<bool> {
        let now = self.inner.clock.now();
        let index = self.inner.vault.phone_index(link.phone_number.expose_secret());
        self.inner
            .writer
            .interactive(move |connection| {
                clear(connection, "login_links", "token_hash", now)?;
                clear(connection, "new_pin_links", "token_hash", now)?;
                let (token, person, expires_at) = (link.token.0, Id(link.person), link.expires_at.0);
                let added = match link.purpose {
                    LinkPurpose::SignIn { document } => connection
                        .prepare_cached(
                            "INSERT INTO login_links (token_hash, person_id, expires_at, document_id)
                             SELECT ?1, person_id, ?3, ?4 FROM people WHERE person_id = ?2 AND phone_index = ?5",
                        )?
                        .execute(params![token, person, expires_at, document.map(Id), index])?,
                    LinkPurpose::NewPin => connection
                        .prepare_cached(
                            "INSERT INTO new_pin_links (token_hash, person_id, expires_at)
                             SELECT ?1, person_id, ?3 FROM people WHERE person_id = ?2 AND phone_index = ?4",
                        )?
                        .execute(params![token, person, expires_at, index])?,
                };
                Ok(added == 1)
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

fn phone_changed_at(connection: &Connection, person: PersonId) -> rusqlite::Result<Option<UnixSeconds>> {
    let sql = "SELECT phone_changed_at FROM people WHERE person_id = ?1";
    let found = connection.prepare_cached(sql)?.query_row([Id(person)], |row| moment(row, 0)).optional()?;
    Ok(found.flatten())
}

/// Counts a request for a link, and deletes some expired counts.
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
