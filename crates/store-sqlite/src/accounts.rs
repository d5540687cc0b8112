//! Institutions, contracts, access tokens.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use seoham_model::card::Card;
use seoham_model::{AccessTokenId, ContractUuid, InstitutionId, SeoulDay, UnixSeconds};
use seoham_store::accounts::{
    AccessTokenRecord, Authentication, Caller, Contract, Institution, InstitutionOverview,
};
use seoham_store::{Accounts, Callers, Lane, Marks, Overviews, Result};
use seoham_vault::TokenHash;

use crate::SqliteStore;
use crate::caller_cache::{CachedToken, Lookup};
use crate::columns::{Id, Number, known, moment};
use crate::writer::Weight;

#[async_trait]
impl Accounts for SqliteStore {
    async fn create_institution(&self, institution: Institution) -> Result<()> {
        self.inner
            .writer
            .interactive(move |connection| {
                connection
                    .prepare_cached(
                        "INSERT INTO institutions (institution_id, name, created_at) VALUES (?1, ?2, ?3)",
                    )?
                    .execute(params![Id(institution.id), institution.name, institution.created_at.0])?;
                Ok(())
            })
            .await
    }

    async fn institutions(&self, after: Option<InstitutionId>, limit: usize) -> Result<Vec<Institution>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT institution_id, name, created_at FROM institutions
                 WHERE ?1 IS NULL OR institution_id > ?1 ORDER BY institution_id LIMIT ?2",
            )?;
            let rows = statement.query_map(params![after.map(Id), limit], institution)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        });
        read.await
    }

    async fn create_contract(&self, institution: InstitutionId, contract: Contract) -> Result<bool> {
        self.inner
            .writer
            .interactive(move |connection| {
                let added = connection
                    .prepare_cached(
                        "INSERT INTO contracts (contract_id, institution_id, authentication, certified)
                         SELECT ?1, institution_id, ?3, ?4 FROM institutions WHERE institution_id = ?2",
                    )?
                    .execute(params![
                        Id(contract.uuid),
                        Id(institution),
                        contract.authentication.name(),
                        contract.certified,
                    ])?;
                Ok(added == 1)
            })
            .await
    }

    async fn close_contract(
        &self,
        institution: InstitutionId,
        uuid: ContractUuid,
        now: UnixSeconds,
    ) -> Result<bool> {
        let callers = Arc::clone(&self.inner.callers);
        self.inner
            .writer
            .interactive(move |connection| {
                callers.invalidate_after();
                let closed = connection
                    .prepare_cached(
                        "UPDATE contracts SET closed_at = coalesce(closed_at, ?3)
                         WHERE contract_id = ?1 AND institution_id = ?2",
                    )?
                    .execute(params![Id(uuid), Id(institution), now.0])?;
                Ok(closed == 1)
            })
            .await
    }

    async fn set_card(&self, contract: ContractUuid, card: Option<Card>) -> Result<bool> {
        let callers = Arc::clone(&self.inner.callers);
        self.inner
            .writer
            .interactive(move |connection| {
                callers.invalidate_after();
                let set = connection
                    .prepare_cached("UPDATE contracts SET card = ?2 WHERE contract_id = ?1")?
                    .execute(params![Id(contract), card.as_ref().map(Card::to_json)])?;
                Ok(set == 1)
            })
            .await
    }

    async fn set_mark(&self, institution: InstitutionId, picture: Option<Vec<u8>>) -> Result<bool> {
        self.inner
            .writer
            .interactive(move |connection| {
                let known = connection
                    .prepare_cached("SELECT 1 FROM institutions WHERE institution_id = ?1")?
                    .exists([Id(institution)])?;
                if !known {
                    return Ok(false);
                }
                match &picture {
                    Some(picture) => connection
                        .prepare_cached(
                            "INSERT INTO institution_marks (institution_id, picture) VALUES (?1, ?2)
                             ON CONFLICT (institution_id) DO UPDATE SET picture = excluded.picture",
                        )?
                        .execute(params![Id(institution), picture])?,
                    None => connection
                        .prepare_cached("DELETE FROM institution_marks WHERE institution_id = ?1")?
                        .execute([Id(institution)])?,
                };
                Ok(true)
            })
            .await
    }

    async fn create_token(
        &self,
        institution: InstitutionId,
        token: AccessTokenRecord,
        hash: TokenHash,
    ) -> Result<bool> {
        self.inner
            .writer
            .interactive(move |connection| {
                let added = connection
                    .prepare_cached(
                        "INSERT INTO access_tokens (token_hash, token_id, institution_id, label, expires_at)
                         SELECT ?1, ?2, institution_id, ?4, ?5 FROM institutions WHERE institution_id = ?3",
                    )?
                    .execute(params![
                        hash.0,
                        Id(token.id),
                        Id(institution),
                        token.label,
                        token.expires_at.map(|t| t.0),
                    ])?;
                Ok(added == 1)
            })
            .await
    }

    async fn revoke_token(
        &self,
        institution: InstitutionId,
        id: AccessTokenId,
        now: UnixSeconds,
    ) -> Result<bool> {
        let callers = Arc::clone(&self.inner.callers);
        self.inner
            .writer
            .interactive(move |connection| {
                callers.invalidate_after();
                let revoked = connection
                    .prepare_cached(
                        "UPDATE access_tokens SET revoked_at = coalesce(revoked_at, ?3)
                         WHERE token_id = ?1 AND institution_id = ?2",
                    )?
                    .execute(params![Id(id), Id(institution), now.0])?;
                Ok(revoked == 1)
            })
            .await
    }
}

#[async_trait]
impl Callers for SqliteStore {
    async fn authenticate(
        &self,
        lane: Lane,
        hash: TokenHash,
        contract: Option<ContractUuid>,
        now: UnixSeconds,
    ) -> Result<Option<Caller>> {
        let callers = &self.inner.callers;
        let version = match callers.caller(hash, contract, now) {
            Lookup::Hit(caller) => return Ok(Some(caller)),
            Lookup::Miss(version) => version,
        };
        let read = self.inner.readers.read(lane, move |connection| {
            let Some(token) = valid_token(connection, hash, now)? else { return Ok(None) };
            let contract = contract.map(|uuid| open_contract(connection, token.institution, uuid));
            Ok(Some((token, contract.transpose()?.flatten())))
        });
        let Some((token, contract)) = read.await? else { return Ok(None) };
        callers.insert(version, hash, token, contract.as_ref());
        Ok(Some(Caller { institution: token.institution, contract }))
    }

    async fn token_used(&self, hash: TokenHash, at: UnixSeconds) -> Result<()> {
        let note = move |connection: &Connection| {
            connection
                .prepare_cached(
                    "UPDATE access_tokens SET last_used_at = ?2
                     WHERE token_hash = ?1 AND (last_used_at IS NULL OR last_used_at < ?2)",
                )?
                .execute(params![hash.0, at.0])?;
            Ok(())
        };
        self.inner.writer.background(Weight::rows(1), note).await
    }
}

#[async_trait]
impl Overviews for SqliteStore {
    async fn institution(&self, id: InstitutionId, day: SeoulDay) -> Result<Option<InstitutionOverview>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let found = connection
                .prepare_cached(
                    "SELECT institution_id, name, created_at FROM institutions WHERE institution_id = ?1",
                )?
                .query_row([Id(id)], institution)
                .optional()?;
            let Some(institution) = found else { return Ok(None) };
            Ok(Some(InstitutionOverview {
                institution,
                contracts: contracts(connection, id)?,
                tokens: tokens(connection, id)?,
                accepted_on_day: connection
                    .prepare_cached(
                        "SELECT accepted FROM daily_counts WHERE institution_id = ?1 AND day = ?2",
                    )?
                    .query_row(params![Id(id), Number(day)], |row| row.get(0))
                    .optional()?
                    .unwrap_or(0),
            }))
        });
        read.await
    }
}

#[async_trait]
impl Marks for SqliteStore {
    async fn mark(&self, institution: InstitutionId) -> Result<Option<Vec<u8>>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let sql = "SELECT picture FROM institution_marks WHERE institution_id = ?1";
            Ok(connection.prepare_cached(sql)?.query_row([Id(institution)], |row| row.get(0)).optional()?)
        });
        read.await
    }
}

fn valid_token(
    connection: &Connection,
    hash: TokenHash,
    now: UnixSeconds,
) -> rusqlite::Result<Option<CachedToken>> {
    connection
        .prepare_cached(
            "SELECT institution_id, expires_at FROM access_tokens
             WHERE token_hash = ?1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2)",
        )?
        .query_row(params![hash.0, now.0], |row| {
            let institution = row.get::<_, Id<InstitutionId>>(0)?.0;
            Ok(CachedToken { institution, expires_at: moment(row, 1)? })
        })
        .optional()
}

fn open_contract(
    connection: &Connection,
    institution: InstitutionId,
    uuid: ContractUuid,
) -> rusqlite::Result<Option<Contract>> {
    connection
        .prepare_cached(
            "SELECT contract_id, authentication, certified, closed_at, card FROM contracts
             WHERE contract_id = ?1 AND institution_id = ?2 AND closed_at IS NULL",
        )?
        .query_row(params![Id(uuid), Id(institution)], contract)
        .optional()
}

fn contracts(connection: &Connection, id: InstitutionId) -> rusqlite::Result<Vec<Contract>> {
    connection
        .prepare_cached(
            "SELECT contract_id, authentication, certified, closed_at, card FROM contracts
             WHERE institution_id = ?1 ORDER BY contract_id",
        )?
        .query_map([Id(id)], contract)?
        .collect()
}

fn tokens(connection: &Connection, id: InstitutionId) -> rusqlite::Result<Vec<AccessTokenRecord>> {
    connection
        .prepare_cached(
            "SELECT token_id, label, expires_at, revoked_at, last_used_at FROM access_tokens
             WHERE institution_id = ?1 ORDER BY token_id",
        )?
        .query_map([Id(id)], |row| {
            Ok(AccessTokenRecord {
                id: row.get::<_, Id<AccessTokenId>>(0)?.0,
                label: row.get(1)?,
                expires_at: moment(row, 2)?,
                revoked_at: moment(row, 3)?,
                last_used_at: moment(row, 4)?,
            })
        })?
        .collect()
}

fn institution(row: &Row<'_>) -> rusqlite::Result<Institution> {
    Ok(Institution {
        id: row.get::<_, Id<InstitutionId>>(0)?.0,
        name: row.get(1)?,
        created_at: UnixSeconds(row.get(2)?),
    })
}

/// Reads from column `index` which payload members a card shows.
pub(crate) fn card(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Card>> {
    let json: Option<String> = row.get(index)?;
    json.map(|json| known(index, Card::from_json(&json))).transpose()
}

fn contract(row: &Row<'_>) -> rusqlite::Result<Contract> {
    Ok(Contract {
        uuid: row.get::<_, Id<ContractUuid>>(0)?.0,
        authentication: known(1, Authentication::from_name(row.get_ref(1)?.as_str()?))?,
        certified: row.get(2)?,
        closed_at: moment(row, 3)?,
        card: card(row, 4)?,
    })
}
