//! Operators and agencies, and their tokens.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use seoham_model::forms::TokenChange;
use seoham_model::{AccessTokenId, ActionId, InstitutionId, UnixSeconds};
use seoham_store::accounts::AccessTokenRecord;
use seoham_store::admins::{Action, ActionPage, Admin, AdminCaller, AdminId, AdminKind};
use seoham_store::{Admins, Lane, Result};
use seoham_vault::TokenHash;

use crate::SqliteStore;
use crate::columns::{Id, Number, moment, number};
use crate::tokens::{OF_ADMINS, networks};
use crate::writer::Weight;

const ADMIN: &str = "SELECT kind, admin_id, name, created_at, closed_at FROM admins";

#[async_trait]
impl Admins for SqliteStore {
    async fn create_admin(&self, admin: Admin) -> Result<()> {
        let work = move |connection: &Connection| {
            let sql = "INSERT INTO admins (admin_id, kind, name, created_at) VALUES (?1, ?2, ?3, ?4)";
            let Admin { id, name, created_at, .. } = &admin;
            let params = params![id.bytes(), Number(id.kind()), name, created_at.0];
            connection.prepare_cached(sql)?.execute(params)?;
            Ok(())
        };
        self.inner.writer.interactive(work).await
    }

    async fn admins(&self, kind: AdminKind, after: Option<AdminId>, limit: usize) -> Result<Vec<Admin>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let sql = format!(
                "{ADMIN} WHERE kind = ?1 AND (?2 IS NULL OR admin_id > ?2) ORDER BY admin_id LIMIT ?3"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let found =
                statement.query_map(params![Number(kind), after.map(AdminId::bytes), limit], admin)?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        });
        read.await
    }

    async fn admin(&self, id: AdminId) -> Result<Option<(Admin, Vec<AccessTokenRecord>)>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let found = connection
                .prepare_cached(&format!("{ADMIN} WHERE admin_id = ?1 AND kind = ?2"))?
                .query_row(params![id.bytes(), Number(id.kind())], admin)
                .optional()?;
            let Some(found) = found else { return Ok(None) };
            Ok(Some((found, OF_ADMINS.list(connection, id.bytes())?)))
        });
        read.await
    }

    async fn close_admin(&self, id: AdminId, now: UnixSeconds) -> Result<bool> {
        let work = move |connection: &Connection| {
            let sql =
                "UPDATE admins SET closed_at = coalesce(closed_at, ?3) WHERE admin_id = ?1 AND kind = ?2";
            let closed =
                connection.prepare_cached(sql)?.execute(params![id.bytes(), Number(id.kind()), now.0])?;
            if closed == 1 {
                let sql = "UPDATE admin_tokens SET revoked_at = coalesce(revoked_at, ?2) WHERE admin_id = ?1";
                connection.prepare_cached(sql)?.execute(params![id.bytes(), now.0])?;
            }
            Ok(closed == 1)
        };
        self.inner.writer.interactive(work).await
    }

    async fn create_admin_token(
        &self,
        id: AdminId,
        token: AccessTokenRecord,
        hash: TokenHash,
    ) -> Result<bool> {
        let work =
            move |connection: &Connection| Ok(OF_ADMINS.create(connection, id.bytes(), &token, hash)?);
        self.inner.writer.interactive(work).await
    }

    async fn change_admin_token(
        &self,
        id: AdminId,
        token: AccessTokenId,
        change: TokenChange,
    ) -> Result<bool> {
        let work =
            move |connection: &Connection| Ok(OF_ADMINS.change(connection, id.bytes(), token, &change)?);
        self.inner.writer.interactive(work).await
    }

    async fn revoke_admin_token(&self, id: AdminId, token: AccessTokenId, now: UnixSeconds) -> Result<bool> {
        let work = move |connection: &Connection| Ok(OF_ADMINS.revoke(connection, id.bytes(), token, now)?);
        self.inner.writer.interactive(work).await
    }

    async fn admin_caller(&self, hash: TokenHash, now: UnixSeconds) -> Result<Option<AdminCaller>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let sql = "SELECT a.kind, a.admin_id, t.token_id, t.allowed_networks
                       FROM admin_tokens t JOIN admins a USING (admin_id)
                       WHERE t.token_hash = ?1 AND t.revoked_at IS NULL AND a.closed_at IS NULL
                         AND (t.expires_at IS NULL OR t.expires_at > ?2)";
            let caller = |row: &Row<'_>| {
                Ok(AdminCaller {
                    id: AdminId::from_bytes(number(row, 0)?, row.get(1)?),
                    token: row.get::<_, Id<AccessTokenId>>(2)?.0,
                    allowed_networks: networks(row, 3)?,
                })
            };
            Ok(connection.prepare_cached(sql)?.query_row(params![hash.0, now.0], caller).optional()?)
        });
        read.await
    }

    async fn record_action(&self, action: Action) -> Result<()> {
        let work = move |connection: &Connection| {
            let sql = "INSERT INTO admin_actions
                         (action_id, at, by_whom, token, from_address, what, on_what, institution_id, status, reason)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
            connection.prepare_cached(sql)?.execute(params![
                Id(action.id),
                action.at.0,
                action.by,
                action.token,
                action.from,
                action.what,
                action.on.join(" "),
                action.institution.map(Id),
                action.status,
                action.reason,
            ])?;
            Ok(())
        };
        self.inner.writer.interactive(work).await
    }

    async fn actions(&self, page: ActionPage) -> Result<Vec<Action>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let whose = if page.institution.is_some() { "institution_id = ?1" } else { "?1 IS NULL" };
            let sql = format!(
                "SELECT action_id, at, by_whom, token, from_address, what, on_what, institution_id, status, reason
                 FROM admin_actions WHERE {whose} AND (?2 IS NULL OR action_id < ?2)
                 ORDER BY action_id DESC LIMIT ?3"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let params = params![page.institution.map(Id), page.before.map(Id), page.limit];
            Ok(statement.query_map(params, action)?.collect::<rusqlite::Result<_>>()?)
        });
        read.await
    }

    async fn admin_token_used(&self, token: AccessTokenId, at: UnixSeconds) -> Result<()> {
        let note = move |connection: &Connection| {
            let sql = "UPDATE admin_tokens SET last_used_at = ?2
                       WHERE token_id = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)";
            connection.prepare_cached(sql)?.execute(params![Id(token), at.0])?;
            Ok(())
        };
        self.inner.writer.background(Weight::rows(1), note).await
    }
}

fn action(row: &Row<'_>) -> rusqlite::Result<Action> {
    let on: String = row.get(6)?;
    Ok(Action {
        id: row.get::<_, Id<ActionId>>(0)?.0,
        at: UnixSeconds(row.get(1)?),
        by: row.get(2)?,
        token: row.get(3)?,
        from: row.get(4)?,
        what: row.get(5)?,
        on: on.split_whitespace().map(str::to_owned).collect(),
        institution: row.get::<_, Option<Id<InstitutionId>>>(7)?.map(|id| id.0),
        status: row.get(8)?,
        reason: row.get(9)?,
    })
}

fn admin(row: &Row<'_>) -> rusqlite::Result<Admin> {
    Ok(Admin {
        id: AdminId::from_bytes(number(row, 0)?, row.get(1)?),
        name: row.get(2)?,
        created_at: UnixSeconds(row.get(3)?),
        closed_at: moment(row, 4)?,
    })
}
