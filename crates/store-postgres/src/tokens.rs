//! Tokens of institutions, and of operators and agencies: two tables of the same columns.

use seoham_model::forms::TokenChange;
use seoham_model::network::Networks;
use seoham_model::{AccessTokenId, UnixSeconds};
use seoham_store::Result;
use seoham_store::accounts::AccessTokenRecord;
use seoham_store::admins::stored_networks;
use seoham_vault::TokenHash;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::columns::{Columns, Id};
use crate::session::{Param, Session};

/// The statements for a table of tokens.
pub(crate) struct TokenTable {
    create: &'static str,
    change: &'static str,
    revoke: &'static str,
    list: &'static str,
}

macro_rules! token_table {
    ($table:literal, $owner:literal, $owners:literal) => {
        TokenTable {
            create: concat!(
                "INSERT INTO ",
                $table,
                " (token_hash, token_id, ",
                $owner,
                ", label, expires_at, allowed_networks)
                 SELECT $1, $2, ",
                $owner,
                ", $4, $5, $6 FROM ",
                $owners,
                " AND ",
                $owner,
                " = $3 RETURNING token_id"
            ),
            change: concat!(
                "UPDATE ",
                $table,
                " SET label = coalesce($3, label),
                   expires_at = CASE WHEN $4 THEN $5 ELSE expires_at END,
                   allowed_networks = CASE WHEN $6 THEN $7 ELSE allowed_networks END
                 WHERE token_id = $1 AND ",
                $owner,
                " = $2 AND revoked_at IS NULL RETURNING token_id"
            ),
            revoke: concat!(
                "UPDATE ",
                $table,
                " SET revoked_at = coalesce(revoked_at, $3)
                 WHERE token_id = $1 AND ",
                $owner,
                " = $2 RETURNING token_id"
            ),
            list: concat!(
                "SELECT token_id, label, expires_at, revoked_at, last_used_at, allowed_networks FROM ",
                $table,
                " WHERE ",
                $owner,
                " = $1 ORDER BY token_id"
            ),
        }
    };
}

/// The access tokens of institutions.
pub(crate) const OF_INSTITUTIONS: TokenTable =
    token_table!("access_tokens", "institution_id", "institutions WHERE TRUE");
/// The tokens of operators and agencies.
pub(crate) const OF_ADMINS: TokenTable =
    token_table!("admin_tokens", "admin_id", "admins WHERE closed_at IS NULL");

impl TokenTable {
    /// Adds a token; `false` if the owner may have none.
    pub(crate) async fn create(
        &self,
        session: &Session,
        owner: Uuid,
        token: &AccessTokenRecord,
        hash: TokenHash,
    ) -> Result<bool> {
        let networks = token.allowed_networks.as_ref().map(Networks::to_string);
        let (hash, expires_at) = (hash.0.as_slice(), token.expires_at.map(|at| at.0));
        let params: [Param<'_>; 6] = [&hash, &token.id.uuid(), &owner, &token.label, &expires_at, &networks];
        Ok(!session.write("a token", self.create, &params).await?.is_empty())
    }

    /// Changes a token that is not revoked; `false` if there is none.
    pub(crate) async fn change(
        &self,
        session: &Session,
        owner: Uuid,
        id: AccessTokenId,
        change: &TokenChange,
    ) -> Result<bool> {
        let TokenChange { label, expires_at, allowed_networks } = change;
        let networks = allowed_networks.as_ref().and_then(Option::as_ref).map(Networks::to_string);
        let ends_at = expires_at.flatten().map(|at| at.0);
        let params: [Param<'_>; 7] = [
            &id.uuid(),
            &owner,
            label,
            &expires_at.is_some(),
            &ends_at,
            &allowed_networks.is_some(),
            &networks,
        ];
        Ok(!session.write("a token", self.change, &params).await?.is_empty())
    }

    /// Revokes a token, once; `false` if there is none.
    pub(crate) async fn revoke(
        &self,
        session: &Session,
        owner: Uuid,
        id: AccessTokenId,
        now: UnixSeconds,
    ) -> Result<bool> {
        Ok(!session.write("revoking a token", self.revoke, &[&id.uuid(), &owner, &now.0]).await?.is_empty())
    }

    /// The tokens of an owner, oldest first.
    pub(crate) async fn list(&self, session: &Session, owner: Uuid) -> Result<Vec<AccessTokenRecord>> {
        session.query(self.list, &[&owner]).await?.iter().map(record).collect()
    }
}

fn record(row: &Row) -> Result<AccessTokenRecord> {
    let networks: Option<&str> = row.value("allowed_networks")?;
    Ok(AccessTokenRecord {
        id: row.id("token_id")?,
        label: row.value("label")?,
        expires_at: row.moment("expires_at")?,
        revoked_at: row.moment("revoked_at")?,
        last_used_at: row.moment("last_used_at")?,
        allowed_networks: networks.map(stored_networks).transpose()?,
    })
}
