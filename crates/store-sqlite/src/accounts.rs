//! Institutions, contracts, access tokens.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};
use seoham_model::card::Card;
use seoham_model::forms::{InstitutionChange, TokenChange};
use seoham_model::{AccessTokenId, AgencyId, ContractUuid, InstitutionId, SeoulDay, UnixSeconds};
use seoham_store::accounts::{
    AccessTokenRecord, Authentication, Caller, Contract, Institution, InstitutionOverview, Notice, Product,
};
use seoham_store::admins::AdminKind;
use seoham_store::{Accounts, Callers, Lane, Marks, Overviews, Result};
use seoham_vault::TokenHash;

use crate::SqliteStore;
use crate::caller_cache::{CachedToken, Lookup};
use crate::columns::{Id, Number, known, moment};
use crate::tokens::{OF_INSTITUTIONS, networks};
use crate::writer::Weight;

#[async_trait]
impl Accounts for SqliteStore {
    async fn create_institution(&self, institution: Institution) -> Result<()> {
        self.inner
            .writer
            .interactive(move |connection| {
                connection
                    .prepare_cached(
                        "INSERT INTO institutions (institution_id, name, created_at, agency_id, contact)
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                    )?
                    .execute(params![
                        Id(institution.id),
                        institution.name,
                        institution.created_at.0,
                        institution.agency.map(Id),
                        institution.contact,
                    ])?;
                Ok(())
            })
            .await
    }

    async fn institutions(
        &self,
        agency: Option<AgencyId>,
        after: Option<InstitutionId>,
        limit: usize,
    ) -> Result<Vec<Institution>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let whose = if agency.is_some() { "agency_id = ?3" } else { "?3 IS NULL" };
            let sql = format!(
                "{INSTITUTION} WHERE {whose} AND (?1 IS NULL OR institution_id > ?1) ORDER BY institution_id LIMIT ?2"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![after.map(Id), limit, agency.map(Id)], institution)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        });
        read.await
    }

    async fn change_institution(&self, id: InstitutionId, change: InstitutionChange) -> Result<bool> {
        let work = move |connection: &Connection| {
            let InstitutionChange { name, contact } = &change;
            let changed = connection
                .prepare_cached(
                    "UPDATE institutions
                     SET name = coalesce(?2, name), contact = CASE WHEN ?3 THEN ?4 ELSE contact END
                     WHERE institution_id = ?1",
                )?
                .execute(params![
                    Id(id),
                    name,
                    contact.is_some(),
                    contact.as_ref().and_then(Option::as_ref)
                ])?;
            Ok(changed == 1)
        };
        self.inner.writer.interactive(work).await
    }

    async fn agency_of(&self, id: InstitutionId) -> Result<Option<AgencyId>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let found = connection
                .prepare_cached("SELECT agency_id FROM institutions WHERE institution_id = ?1")?
                .query_row([Id(id)], |row| row.get::<_, Option<Id<AgencyId>>>(0))
                .optional()?;
            Ok(found.flatten().map(|id| id.0))
        });
        read.await
    }

    async fn suspend(&self, id: InstitutionId, by: AdminKind, now: UnixSeconds) -> Result<bool> {
        let callers = Arc::clone(&self.inner.callers);
        let work = move |connection: &Connection| {
            callers.invalidate_after();
            let suspended = connection
                .prepare_cached(
                    "UPDATE institutions
                     SET suspended_at = coalesce(suspended_at, ?2), suspended_by = min(coalesce(suspended_by, ?3), ?3)
                     WHERE institution_id = ?1",
                )?
                .execute(params![Id(id), now.0, Number(by)])?;
            Ok(suspended == 1)
        };
        self.inner.writer.interactive(work).await
    }

    async fn resume(&self, id: InstitutionId, by: AdminKind) -> Result<Option<bool>> {
        let callers = Arc::clone(&self.inner.callers);
        let work = move |connection: &Connection| {
            callers.invalidate_after();
            let resumed = connection
                .prepare_cached(
                    "UPDATE institutions SET suspended_at = NULL, suspended_by = NULL
                     WHERE institution_id = ?1 AND coalesce(suspended_by, ?2) >= ?2",
                )?
                .execute(params![Id(id), Number(by)])?;
            let known = connection
                .prepare_cached("SELECT 1 FROM institutions WHERE institution_id = ?1")?
                .exists([Id(id)])?;
            Ok(known.then_some(resumed == 1))
        };
        self.inner.writer.interactive(work).await
    }

    async fn create_contract(&self, institution: InstitutionId, contract: Contract) -> Result<bool> {
        self.inner
            .writer
            .interactive(move |connection| {
                let added = connection
                    .prepare_cached(
                        "INSERT INTO contracts (contract_id, institution_id, authentication, certified, notice)
                         SELECT ?1, institution_id, ?3, ?4, ?5 FROM institutions WHERE institution_id = ?2",
                    )?
                    .execute(params![
                        Id(contract.uuid),
                        Id(institution),
                        contract.product.authentication.name(),
                        contract.product.certified,
                        contract.product.notice.name(),
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

    async fn institution_of(&self, contract: ContractUuid) -> Result<Option<InstitutionId>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let found = connection
                .prepare_cached("SELECT institution_id FROM contracts WHERE contract_id = ?1")?
                .query_row([Id(contract)], |row| row.get::<_, Id<InstitutionId>>(0))
                .optional()?;
            Ok(found.map(|id| id.0))
        });
        read.await
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
        let owner = *institution.as_bytes();
        let work =
            move |connection: &Connection| Ok(OF_INSTITUTIONS.create(connection, owner, &token, hash)?);
        self.inner.writer.interactive(work).await
    }

    async fn change_token(
        &self,
        institution: InstitutionId,
        id: AccessTokenId,
        change: TokenChange,
    ) -> Result<bool> {
        let (callers, owner) = (Arc::clone(&self.inner.callers), *institution.as_bytes());
        let work = move |connection: &Connection| {
            callers.invalidate_after();
            Ok(OF_INSTITUTIONS.change(connection, owner, id, &change)?)
        };
        self.inner.writer.interactive(work).await
    }

    async fn revoke_token(
        &self,
        institution: InstitutionId,
        id: AccessTokenId,
        now: UnixSeconds,
    ) -> Result<bool> {
        let (callers, owner) = (Arc::clone(&self.inner.callers), *institution.as_bytes());
        let work = move |connection: &Connection| {
            callers.invalidate_after();
            Ok(OF_INSTITUTIONS.revoke(connection, owner, id, now)?)
        };
        self.inner.writer.interactive(work).await
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
        callers.insert(version, hash, token.clone(), contract.as_ref());
        Ok(Some(token.caller(contract)))
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
                .prepare_cached(&format!("{INSTITUTION} WHERE institution_id = ?1"))?
                .query_row([Id(id)], institution)
                .optional()?;
            let Some(institution) = found else { return Ok(None) };
            Ok(Some(InstitutionOverview {
                institution,
                contracts: contracts(connection, id)?,
                tokens: OF_INSTITUTIONS.list(connection, *id.as_bytes())?,
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
            "SELECT t.institution_id, t.expires_at, t.allowed_networks, i.suspended_at IS NOT NULL
             FROM access_tokens t JOIN institutions i USING (institution_id)
             WHERE t.token_hash = ?1 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ?2)",
        )?
        .query_row(params![hash.0, now.0], |row| {
            Ok(CachedToken {
                institution: row.get::<_, Id<InstitutionId>>(0)?.0,
                expires_at: moment(row, 1)?,
                allowed_networks: networks(row, 2)?.map(Arc::new),
                suspended: row.get(3)?,
            })
        })
        .optional()
}

fn open_contract(
    connection: &Connection,
    institution: InstitutionId,
    uuid: ContractUuid,
) -> rusqlite::Result<Option<Contract>> {
    connection
        .prepare_cached(&format!(
            "{CONTRACT} WHERE contract_id = ?1 AND institution_id = ?2 AND closed_at IS NULL"
        ))?
        .query_row(params![Id(uuid), Id(institution)], contract)
        .optional()
}

fn contracts(connection: &Connection, id: InstitutionId) -> rusqlite::Result<Vec<Contract>> {
    connection
        .prepare_cached(&format!("{CONTRACT} WHERE institution_id = ?1 ORDER BY contract_id"))?
        .query_map([Id(id)], contract)?
        .collect()
}

fn institution(row: &Row<'_>) -> rusqlite::Result<Institution> {
    Ok(Institution {
        id: row.get::<_, Id<InstitutionId>>(0)?.0,
        name: row.get(1)?,
        created_at: UnixSeconds(row.get(2)?),
        agency: row.get::<_, Option<Id<AgencyId>>>(3)?.map(|id| id.0),
        contact: row.get(4)?,
        suspended_at: moment(row, 5)?,
    })
}

const INSTITUTION: &str =
    "SELECT institution_id, name, created_at, agency_id, contact, suspended_at FROM institutions";

const CONTRACT: &str = "SELECT contract_id, authentication, certified, notice, closed_at, card,
      notice = 'institution' AND NOT EXISTS (
        SELECT 1 FROM institution_templates t WHERE t.institution_id = contracts.institution_id)
    FROM contracts";

/// Reads from column `index` which payload members a card shows.
pub(crate) fn card(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Card>> {
    let json: Option<String> = row.get(index)?;
    json.map(|json| known(index, Card::from_json(&json))).transpose()
}

fn contract(row: &Row<'_>) -> rusqlite::Result<Contract> {
    Ok(Contract {
        uuid: row.get::<_, Id<ContractUuid>>(0)?.0,
        product: Product {
            authentication: known(1, Authentication::from_name(row.get_ref(1)?.as_str()?))?,
            certified: row.get(2)?,
            notice: known(3, Notice::from_name(row.get_ref(3)?.as_str()?))?,
        },
        closed_at: moment(row, 4)?,
        card: card(row, 5)?,
        lacks_template: row.get(6)?,
    })
}
