//! Institutions, contracts, access tokens.

use async_trait::async_trait;
use seoham_model::card::Card;
use seoham_model::{AccessTokenId, ContractUuid, InstitutionId, SeoulDay, UnixSeconds};
use seoham_store::accounts::{
    AccessTokenRecord, Authentication, Caller, Contract, Institution, InstitutionOverview,
};
use seoham_store::{Accounts, Callers, Lane, Marks, Overviews, Result, StoreError};
use seoham_vault::TokenHash;
use tokio_postgres::Row;

use crate::PostgresStore;
use crate::columns::{Columns, Id, Number};
use crate::session::{Param, Session};

#[async_trait]
impl Accounts for PostgresStore {
    async fn create_institution(&self, institution: Institution) -> Result<()> {
        let sql = "INSERT INTO institutions (institution_id, name, created_at) VALUES ($1, $2, $3)";
        let Institution { id, name, created_at } = institution;
        let session = self.inner.sessions.interactive().await?;
        session.write("an institution", sql, &[&id.uuid(), &name, &created_at.0]).await.map(drop)
    }

    async fn institutions(&self, after: Option<InstitutionId>, limit: usize) -> Result<Vec<Institution>> {
        let sql = "SELECT institution_id, name, created_at FROM institutions
                   WHERE $1::uuid IS NULL OR institution_id > $1 ORDER BY institution_id LIMIT $2";
        let session = self.inner.sessions.interactive().await?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = session.query(sql, &[&after.map(|id| id.uuid()), &limit]).await?;
        rows.iter().map(institution).collect()
    }

    async fn create_contract(&self, institution: InstitutionId, contract: Contract) -> Result<bool> {
        let sql = "INSERT INTO contracts (contract_id, institution_id, authentication, certified)
                   SELECT $1, institution_id, $3, $4 FROM institutions WHERE institution_id = $2
                   RETURNING contract_id";
        let authentication = contract.authentication.name();
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 4] =
            [&contract.uuid.uuid(), &institution.uuid(), &authentication, &contract.certified];
        Ok(!session.write("a contract", sql, &params).await?.is_empty())
    }

    async fn close_contract(
        &self,
        institution: InstitutionId,
        uuid: ContractUuid,
        now: UnixSeconds,
    ) -> Result<bool> {
        let sql = "UPDATE contracts SET closed_at = coalesce(closed_at, $3)
                   WHERE contract_id = $1 AND institution_id = $2 RETURNING contract_id";
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 3] = [&uuid.uuid(), &institution.uuid(), &now.0];
        Ok(!session.write("closing a contract", sql, &params).await?.is_empty())
    }

    async fn set_card(&self, contract: ContractUuid, card: Option<Card>) -> Result<bool> {
        let sql = "UPDATE contracts SET card = $2 WHERE contract_id = $1 RETURNING contract_id";
        let session = self.inner.sessions.interactive().await?;
        let card = card.as_ref().map(Card::to_json);
        Ok(!session.write("a contract's card", sql, &[&contract.uuid(), &card]).await?.is_empty())
    }

    async fn set_mark(&self, institution: InstitutionId, picture: Option<Vec<u8>>) -> Result<bool> {
        let session = self.inner.sessions.interactive().await?;
        let known = "SELECT 1 AS known FROM institutions WHERE institution_id = $1";
        if session.query_opt(known, &[&institution.uuid()]).await?.is_none() {
            return Ok(false);
        }
        if let Some(picture) = picture {
            let sql = "INSERT INTO institution_marks (institution_id, picture) VALUES ($1, $2)
                       ON CONFLICT (institution_id) DO UPDATE SET picture = excluded.picture";
            session.write("an institution's picture", sql, &[&institution.uuid(), &picture]).await?;
        } else {
            let sql = "DELETE FROM institution_marks WHERE institution_id = $1";
            session.write("an institution's picture", sql, &[&institution.uuid()]).await?;
        }
        Ok(true)
    }

    async fn create_token(
        &self,
        institution: InstitutionId,
        token: AccessTokenRecord,
        hash: TokenHash,
    ) -> Result<bool> {
        let sql = "INSERT INTO access_tokens (token_hash, token_id, institution_id, label, expires_at)
                   SELECT $1, $2, institution_id, $4, $5 FROM institutions WHERE institution_id = $3
                   RETURNING token_id";
        let session = self.inner.sessions.interactive().await?;
        let (hash, expires_at) = (hash.0.as_slice(), token.expires_at.map(|t| t.0));
        let params: [Param<'_>; 5] =
            [&hash, &token.id.uuid(), &institution.uuid(), &token.label, &expires_at];
        Ok(!session.write("an access token", sql, &params).await?.is_empty())
    }

    async fn revoke_token(
        &self,
        institution: InstitutionId,
        id: AccessTokenId,
        now: UnixSeconds,
    ) -> Result<bool> {
        let sql = "UPDATE access_tokens SET revoked_at = coalesce(revoked_at, $3)
                   WHERE token_id = $1 AND institution_id = $2 RETURNING token_id";
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 3] = [&id.uuid(), &institution.uuid(), &now.0];
        Ok(!session.write("revoking an access token", sql, &params).await?.is_empty())
    }
}

#[async_trait]
impl Callers for PostgresStore {
    async fn authenticate(
        &self,
        lane: Lane,
        hash: TokenHash,
        contract: Option<ContractUuid>,
        now: UnixSeconds,
    ) -> Result<Option<Caller>> {
        // Looked up each time, so that every node rejects a revoked token at once.
        let sql = "SELECT t.institution_id, c.contract_id, c.authentication, c.certified, c.closed_at, c.card
                   FROM access_tokens t LEFT JOIN contracts c
                     ON c.contract_id = $3 AND c.institution_id = t.institution_id AND c.closed_at IS NULL
                   WHERE t.token_hash = $1 AND t.revoked_at IS NULL
                     AND (t.expires_at IS NULL OR t.expires_at > $2)";
        let session = self.inner.sessions.of(lane).await?;
        let params: [Param<'_>; 3] = [&hash.0.as_slice(), &now.0, &contract.map(|uuid| uuid.uuid())];
        let Some(found) = session.query_opt(sql, &params).await? else { return Ok(None) };
        let is_open = found.value::<Option<uuid::Uuid>>("contract_id")?.is_some();
        let contract = if is_open { Some(self::contract(&found)?) } else { None };
        Ok(Some(Caller { institution: found.id("institution_id")?, contract }))
    }

    async fn token_used(&self, hash: TokenHash, at: UnixSeconds) -> Result<()> {
        let sql = "UPDATE access_tokens SET last_used_at = $2
                   WHERE token_hash = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
        let session = self.inner.sessions.bulk().await?;
        session.write("the use of an access token", sql, &[&hash.0.as_slice(), &at.0]).await?;
        Ok(())
    }
}

#[async_trait]
impl Overviews for PostgresStore {
    async fn institution(&self, id: InstitutionId, day: SeoulDay) -> Result<Option<InstitutionOverview>> {
        let session = self.inner.sessions.interactive().await?;
        let sql = "SELECT institution_id, name, created_at FROM institutions WHERE institution_id = $1";
        let Some(row) = session.query_opt(sql, &[&id.uuid()]).await? else { return Ok(None) };
        let sql = "SELECT coalesce(sum(accepted), 0)::bigint AS accepted FROM daily_counts
                   WHERE institution_id = $1 AND day = $2";
        let day = Number(day);
        let counted = session.query_opt(sql, &[&id.uuid(), &day]).await?;
        let accepted: i64 = counted.map_or(Ok(0), |row| row.value("accepted"))?;
        Ok(Some(InstitutionOverview {
            institution: institution(&row)?,
            contracts: contracts(&session, id).await?,
            tokens: tokens(&session, id).await?,
            accepted_on_day: accepted.unsigned_abs(),
        }))
    }
}

#[async_trait]
impl Marks for PostgresStore {
    async fn mark(&self, institution: InstitutionId) -> Result<Option<Vec<u8>>> {
        let session = self.inner.sessions.interactive().await?;
        let sql = "SELECT picture FROM institution_marks WHERE institution_id = $1";
        session.query_opt(sql, &[&institution.uuid()]).await?.map(|row| row.value("picture")).transpose()
    }
}

async fn contracts(session: &Session, id: InstitutionId) -> Result<Vec<Contract>> {
    let sql = "SELECT contract_id, authentication, certified, closed_at, card FROM contracts
               WHERE institution_id = $1 ORDER BY contract_id";
    session.query(sql, &[&id.uuid()]).await?.iter().map(contract).collect()
}

async fn tokens(session: &Session, id: InstitutionId) -> Result<Vec<AccessTokenRecord>> {
    let sql = "SELECT token_id, label, expires_at, revoked_at, last_used_at FROM access_tokens
               WHERE institution_id = $1 ORDER BY token_id";
    let read = |row: &Row| {
        Ok(AccessTokenRecord {
            id: row.id("token_id")?,
            label: row.value("label")?,
            expires_at: row.moment("expires_at")?,
            revoked_at: row.moment("revoked_at")?,
            last_used_at: row.moment("last_used_at")?,
        })
    };
    session.query(sql, &[&id.uuid()]).await?.iter().map(read).collect()
}

pub(crate) fn institution(row: &Row) -> Result<Institution> {
    Ok(Institution {
        id: row.id("institution_id")?,
        name: row.value("name")?,
        created_at: UnixSeconds(row.value("created_at")?),
    })
}

/// Reads which payload members a card shows.
pub(crate) fn card(row: &Row) -> Result<Option<Card>> {
    let json: Option<String> = row.value("card")?;
    json.map(|json| Card::from_json(&json).ok_or(StoreError::damaged("a contract's card"))).transpose()
}

fn contract(row: &Row) -> Result<Contract> {
    Ok(Contract {
        uuid: row.id("contract_id")?,
        authentication: Authentication::from_name(row.value("authentication")?)
            .ok_or(StoreError::damaged("authentication"))?,
        certified: row.value("certified")?,
        closed_at: row.moment("closed_at")?,
        card: card(row)?,
    })
}
