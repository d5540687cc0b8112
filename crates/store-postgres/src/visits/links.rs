//! Links into the box: from notifications, requested by phone number, and for setting a new PIN.

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use seoham_model::{BinderId, PersonId, UnixSeconds};
use seoham_store::attempts::LinkRequests;
use seoham_store::visits::{LinkPurpose, LoginLink, notification_link_end};
use seoham_store::{Links, Result, StoreError};
use seoham_vault::{PinHash, TokenHash};

use super::{TRIES_MAX, clear};
use crate::PostgresStore;
use crate::columns::{Columns, Id};
use crate::documents::rows;
use crate::session::Param;

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
        let Some(found) = rows::document(&session, None, document).await? else { return Ok(None) };
        let person = found.person;
        let sql = "SELECT
                     (SELECT value::bigint FROM deployment WHERE name = 'links_void_before') AS restored_at,
                     (SELECT phone_changed_at FROM people WHERE person_id = $1) AS phone_changed_at";
        let void = session.query_opt(sql, &[&person.uuid()]).await?;
        let void = void.ok_or_else(|| StoreError::Failed("a row without a table".to_owned()))?;
        let void_until = [void.moment("restored_at")?, void.moment("phone_changed_at")?];
        let Some(expires_at) = notification_link_end(found.times.sent_at, void_until, now) else {
            return Ok(None);
        };
        let sql =
            "INSERT INTO login_links (token_hash, person_id, expires_at, used_at) VALUES ($1, $2, $3, $4)
                   ON CONFLICT DO NOTHING RETURNING person_id";
        let hash = TokenHash::of(token.expose_secret());
        let used = session
            .write("a link", sql, &[&hash.0.as_slice(), &person.uuid(), &expires_at.0, &now.0])
            .await?;
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
            // Only if no other request changed the row meanwhile, on any node.
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
        let found = rows::document(&session, None, id).await?;
        let open = found.filter(|d| now < d.deadline_at);
        Ok(open.map(|document| (document.person, id)))
    }

    async fn add_login_link(&self, link: LoginLink) -> Result<bool> {
        let session = self.inner.sessions.interactive().await?;
        // Delete some expired rows as well.
        clear(&session, self.inner.clock.now()).await?;
        let (token, person, expires_at) = (link.token.0.as_slice(), link.person.uuid(), link.expires_at.0);
        let index = self.inner.vault.phone_index(link.phone_number.expose_secret());
        // The lock makes a registration that moves the number wait, and then delete the link.
        let written = match link.purpose {
            LinkPurpose::SignIn { document } => {
                let sql = "INSERT INTO login_links (token_hash, person_id, expires_at, document_id)
                           SELECT $1, person_id, $3, $4 FROM people WHERE person_id = $2 AND phone_index = $5 FOR SHARE
                           RETURNING token_hash";
                let document = document.map(|id| id.uuid());
                let params: [Param<'_>; 5] = [&token, &person, &expires_at, &document, &index.as_slice()];
                session.write("a link", sql, &params).await
            }
            LinkPurpose::NewPin => {
                let sql = "INSERT INTO new_pin_links (token_hash, person_id, expires_at)
                           SELECT $1, person_id, $3 FROM people WHERE person_id = $2 AND phone_index = $4 FOR SHARE
                           RETURNING token_hash";
                session.write("a link", sql, &[&token, &person, &expires_at, &index.as_slice()]).await
            }
        };
        Ok(!written?.is_empty())
    }

    async fn use_login_link(
        &self,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<Option<(PersonId, Option<BinderId>)>> {
        // `IS TRUE` keeps the planner from the partial index of unused links, which it would read as a whole: the hash is
        // looked up instead.
        let sql = "UPDATE login_links SET used_at = $2
                   WHERE token_hash = $1 AND (used_at IS NULL) IS TRUE AND expires_at > $2
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
        // One statement, so that it is atomic.
        let sql = "WITH link AS (
                     DELETE FROM new_pin_links WHERE token_hash = $1 AND expires_at > $2 RETURNING person_id),
                   unlocked AS (
                     UPDATE authentications SET failures = 0, locked_until = NULL, birthday_failures = 0,
                       birthday_locked_until = NULL
                     WHERE person_id = ANY (ARRAY(SELECT person_id FROM link))),
                   ended AS (DELETE FROM sessions WHERE person_id = ANY (ARRAY(SELECT person_id FROM link))),
                   unasked AS (
                     DELETE FROM login_links WHERE used_at IS NULL AND person_id = ANY (ARRAY(SELECT person_id FROM link))),
                   unused AS (
                     DELETE FROM new_pin_links
                     WHERE token_hash <> $1 AND person_id = ANY (ARRAY(SELECT person_id FROM link)))
                   UPDATE people SET pin_hash = $3 WHERE person_id = ANY (ARRAY(SELECT person_id FROM link))
                   RETURNING person_id";
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 3] = [&token.0.as_slice(), &now.0, &hash.0];
        Ok(!session.write("a new PIN", sql, &params).await?.is_empty())
    }
}
