//! Tokens of institutions, and of operators and agencies: two tables of the same columns.

use rusqlite::{Connection, Row, params};
use seoham_model::forms::TokenChange;
use seoham_model::network::Networks;
use seoham_model::{AccessTokenId, UnixSeconds};
use seoham_store::accounts::AccessTokenRecord;
use seoham_vault::TokenHash;

use crate::columns::{Id, known, moment};

/// A table of tokens.
pub(crate) struct TokenTable {
    name: &'static str,
    /// The column with the owner's id, in this table and in that of the owners.
    owner: &'static str,
    /// The owners who may have tokens.
    owners: &'static str,
}

/// The access tokens of institutions.
pub(crate) const OF_INSTITUTIONS: TokenTable =
    TokenTable { name: "access_tokens", owner: "institution_id", owners: "institutions WHERE TRUE" };
/// The tokens of operators and agencies.
pub(crate) const OF_ADMINS: TokenTable =
    TokenTable { name: "admin_tokens", owner: "admin_id", owners: "admins WHERE closed_at IS NULL" };

impl TokenTable {
    /// Adds a token; `false` if the owner may have none.
    pub(crate) fn create(
        &self,
        connection: &Connection,
        owner_id: [u8; 16],
        token: &AccessTokenRecord,
        hash: TokenHash,
    ) -> rusqlite::Result<bool> {
        let Self { name, owner, owners } = self;
        let sql = format!(
            "INSERT INTO {name} (token_hash, token_id, {owner}, label, expires_at, allowed_networks)
             SELECT ?1, ?2, {owner}, ?4, ?5, ?6 FROM {owners} AND {owner} = ?3"
        );
        let networks = token.allowed_networks.as_ref().map(ToString::to_string);
        let expires_at = token.expires_at.map(|at| at.0);
        let params = params![hash.0, Id(token.id), owner_id, token.label, expires_at, networks];
        Ok(connection.prepare_cached(&sql)?.execute(params)? == 1)
    }

    /// Changes a token that is not revoked; `false` if there is none.
    pub(crate) fn change(
        &self,
        connection: &Connection,
        owner_id: [u8; 16],
        id: AccessTokenId,
        change: &TokenChange,
    ) -> rusqlite::Result<bool> {
        let Self { name, owner, .. } = self;
        let sql = format!(
            "UPDATE {name} SET label = coalesce(?3, label),
               expires_at = CASE WHEN ?4 THEN ?5 ELSE expires_at END,
               allowed_networks = CASE WHEN ?6 THEN ?7 ELSE allowed_networks END
             WHERE token_id = ?1 AND {owner} = ?2 AND revoked_at IS NULL"
        );
        let TokenChange { label, expires_at, allowed_networks } = change;
        let networks = allowed_networks.as_ref().and_then(Option::as_ref).map(ToString::to_string);
        let params = params![
            Id(id),
            owner_id,
            label,
            expires_at.is_some(),
            expires_at.flatten().map(|at| at.0),
            allowed_networks.is_some(),
            networks
        ];
        Ok(connection.prepare_cached(&sql)?.execute(params)? == 1)
    }

    /// Revokes a token, once; `false` if there is none.
    pub(crate) fn revoke(
        &self,
        connection: &Connection,
        owner_id: [u8; 16],
        id: AccessTokenId,
        now: UnixSeconds,
    ) -> rusqlite::Result<bool> {
        let Self { name, owner, .. } = self;
        let sql = format!(
            "UPDATE {name} SET revoked_at = coalesce(revoked_at, ?3) WHERE token_id = ?1 AND {owner} = ?2"
        );
        Ok(connection.prepare_cached(&sql)?.execute(params![Id(id), owner_id, now.0])? == 1)
    }

    /// The tokens of an owner, oldest first.
    pub(crate) fn list(
        &self,
        connection: &Connection,
        owner_id: [u8; 16],
    ) -> rusqlite::Result<Vec<AccessTokenRecord>> {
        let Self { name, owner, .. } = self;
        let sql = format!(
            "SELECT token_id, label, expires_at, revoked_at, last_used_at, allowed_networks FROM {name}
             WHERE {owner} = ?1 ORDER BY token_id"
        );
        connection.prepare_cached(&sql)?.query_map([owner_id], record)?.collect()
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<AccessTokenRecord> {
    Ok(AccessTokenRecord {
        id: row.get::<_, Id<AccessTokenId>>(0)?.0,
        label: row.get(1)?,
        expires_at: moment(row, 2)?,
        revoked_at: moment(row, 3)?,
        last_used_at: moment(row, 4)?,
        allowed_networks: networks(row, 5)?,
    })
}

/// Reads networks in their stored form.
pub(crate) fn networks(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Networks>> {
    let stored: Option<String> = row.get(index)?;
    stored.map(|stored| known(index, Networks::from_stored(&stored))).transpose()
}
