//! Operators and agencies, and their tokens.

use async_trait::async_trait;
use seoham_model::forms::TokenChange;
use seoham_model::{AccessTokenId, InstitutionId, UnixSeconds};
use seoham_store::accounts::AccessTokenRecord;
use seoham_store::admins::{Action, ActionPage, Admin, AdminCaller, AdminId, AdminKind};
use seoham_store::{Admins, Result, StoreError};
use seoham_vault::TokenHash;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::columns::{Columns, Id, Number};
use crate::session::Param;
use crate::tokens::OF_ADMINS;

fn uuid(id: AdminId) -> Uuid {
    Uuid::from_bytes(id.bytes())
}

#[async_trait]
impl Admins for PostgresStore {
    async fn create_admin(&self, admin: Admin) -> Result<()> {
        let sql = "INSERT INTO admins (admin_id, kind, name, created_at) VALUES ($1, $2, $3, $4)";
        let Admin { id, name, created_at, .. } = admin;
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 4] = [&uuid(id), &Number(id.kind()), &name, &created_at.0];
        session.write("an operator or an agency", sql, &params).await.map(drop)
    }

    async fn admins(&self, kind: AdminKind, after: Option<AdminId>, limit: usize) -> Result<Vec<Admin>> {
        let sql = "SELECT kind, admin_id, name, created_at, closed_at FROM admins
                   WHERE kind = $1 AND admin_id > $2 ORDER BY admin_id LIMIT $3";
        let session = self.inner.sessions.interactive().await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let params: [Param<'_>; 3] = [&Number(kind), &after.map_or(Uuid::nil(), uuid), &limit];
        session.query(sql, &params).await?.iter().map(admin).collect()
    }

    async fn admin(&self, id: AdminId) -> Result<Option<(Admin, Vec<AccessTokenRecord>)>> {
        let sql = "SELECT kind, admin_id, name, created_at, closed_at FROM admins
                   WHERE admin_id = $1 AND kind = $2";
        let session = self.inner.sessions.interactive().await?;
        let Some(row) = session.query_opt(sql, &[&uuid(id), &Number(id.kind())]).await? else {
            return Ok(None);
        };
        Ok(Some((admin(&row)?, OF_ADMINS.list(&session, uuid(id)).await?)))
    }

    async fn close_admin(&self, id: AdminId, now: UnixSeconds) -> Result<bool> {
        // One statement, so that it is atomic.
        let sql = "WITH closed AS (
                     UPDATE admins SET closed_at = coalesce(closed_at, $3) WHERE admin_id = $1 AND kind = $2
                     RETURNING admin_id),
                   revoked AS (
                     UPDATE admin_tokens SET revoked_at = coalesce(revoked_at, $3)
                     WHERE admin_id IN (SELECT admin_id FROM closed))
                   SELECT admin_id FROM closed";
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 3] = [&uuid(id), &Number(id.kind()), &now.0];
        Ok(!session.write("removing an operator or an agency", sql, &params).await?.is_empty())
    }

    async fn create_admin_token(
        &self,
        id: AdminId,
        token: AccessTokenRecord,
        hash: TokenHash,
    ) -> Result<bool> {
        let session = self.inner.sessions.interactive().await?;
        OF_ADMINS.create(&session, uuid(id), &token, hash).await
    }

    async fn change_admin_token(
        &self,
        id: AdminId,
        token: AccessTokenId,
        change: TokenChange,
    ) -> Result<bool> {
        let session = self.inner.sessions.interactive().await?;
        OF_ADMINS.change(&session, uuid(id), token, &change).await
    }

    async fn revoke_admin_token(&self, id: AdminId, token: AccessTokenId, now: UnixSeconds) -> Result<bool> {
        let session = self.inner.sessions.interactive().await?;
        OF_ADMINS.revoke(&session, uuid(id), token, now).await
    }

    async fn admin_caller(&self, hash: TokenHash, now: UnixSeconds) -> Result<Option<AdminCaller>> {
        let sql = "SELECT a.kind, a.admin_id, t.token_id, t.allowed_networks
                   FROM admin_tokens t JOIN admins a ON a.admin_id = ANY (ARRAY[t.admin_id])
                   WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND a.closed_at IS NULL
                     AND (t.expires_at IS NULL OR t.expires_at > $2)";
        let session = self.inner.sessions.interactive().await?;
        let Some(row) = session.query_opt(sql, &[&hash.0.as_slice(), &now.0]).await? else { return Ok(None) };
        let id: Uuid = row.value("admin_id")?;
        let caller = AdminCaller::stored(
            row.number("kind")?,
            id.into_bytes(),
            row.id("token_id")?,
            row.value("allowed_networks")?,
        );
        caller.map(Some)
    }

    async fn record_action(&self, action: Action) -> Result<()> {
        let sql = "INSERT INTO admin_actions
                     (action_id, at, by_whom, token, from_address, what, on_what, institution_id, status, reason)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 10] = [
            &action.id.uuid(),
            &action.at.0,
            &action.by,
            &action.token,
            &action.from,
            &action.what,
            &action.on.join(" "),
            &action.institution.map(|id| id.uuid()),
            &i32::from(action.status),
            &action.reason,
        ];
        session.write("an action", sql, &params).await.map(drop)
    }

    async fn actions(&self, page: ActionPage) -> Result<Vec<Action>> {
        let session = self.inner.sessions.interactive().await?;
        let before = page.before.map_or(Uuid::max(), |id| id.uuid());
        let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
        let rows = match page.institution {
            None => session.query(ALL_ACTIONS, &[&before, &limit]).await?,
            Some(institution) => {
                session.query(ACTIONS_OF_INSTITUTION, &[&before, &limit, &institution.uuid()]).await?
            }
        };
        rows.iter().map(action).collect()
    }

    async fn admin_token_used(&self, token: AccessTokenId, at: UnixSeconds) -> Result<()> {
        let sql = "UPDATE admin_tokens SET last_used_at = $2
                   WHERE token_id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
        let session = self.inner.sessions.interactive().await?;
        session.write("the use of a token", sql, &[&token.uuid(), &at.0]).await.map(drop)
    }
}

macro_rules! actions {
    ($condition:literal) => {
        concat!(
            "SELECT action_id, at, by_whom, token, from_address, what, on_what, institution_id, status, reason
             FROM admin_actions WHERE action_id < $1",
            $condition,
            " ORDER BY action_id DESC LIMIT $2"
        )
    };
}

const ALL_ACTIONS: &str = actions!("");
const ACTIONS_OF_INSTITUTION: &str = actions!(" AND institution_id = $3");

fn action(row: &Row) -> Result<Action> {
    let on: &str = row.value("on_what")?;
    let institution: Option<Uuid> = row.value("institution_id")?;
    Ok(Action {
        id: row.id("action_id")?,
        at: UnixSeconds(row.value("at")?),
        by: row.value("by_whom")?,
        token: row.value("token")?,
        from: row.value("from_address")?,
        what: row.value("what")?,
        on: on.split_whitespace().map(str::to_owned).collect(),
        institution: institution.map(InstitutionId::of),
        status: u16::try_from(row.value::<i32>("status")?).map_err(|_| StoreError::damaged("an action"))?,
        reason: row.value("reason")?,
    })
}

fn admin(row: &Row) -> Result<Admin> {
    let id: Uuid = row.value("admin_id")?;
    Ok(Admin {
        id: AdminId::from_bytes(row.number("kind")?, id.into_bytes()),
        name: row.value("name")?,
        created_at: UnixSeconds(row.value("created_at")?),
        closed_at: row.moment("closed_at")?,
    })
}
