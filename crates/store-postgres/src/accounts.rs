//! Institutions, contracts, access tokens.

use std::sync::Arc;

use async_trait::async_trait;
use seoham_model::card::Card;
use seoham_model::forms::{InstitutionChange, TokenChange};
use seoham_model::{AccessTokenId, AgencyId, ContractUuid, InstitutionId, SeoulDay, UnixSeconds};
use seoham_store::accounts::{
    AccessTokenRecord, Authentication, Caller, Contract, Institution, InstitutionOverview, Notice, Product,
};
use seoham_store::admins::{AdminKind, stored_networks};
use seoham_store::{Accounts, Callers, Lane, Marks, Overviews, Result, StoreError};
use seoham_vault::TokenHash;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::columns::{Columns, Id, Number};
use crate::session::{Param, Session};
use crate::tokens::OF_INSTITUTIONS;

#[async_trait]
impl Accounts for PostgresStore {
    async fn create_institution(&self, institution: Institution) -> Result<()> {
        let sql = "INSERT INTO institutions (institution_id, name, created_at, agency_id, contact)
                   VALUES ($1, $2, $3, $4, $5)";
        let Institution { id, name, created_at, agency, contact, suspended_at: _ } = institution;
        let agency = agency.map(|id| id.uuid());
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 5] = [&id.uuid(), &name, &created_at.0, &agency, &contact];
        session.write("an institution", sql, &params).await.map(drop)
    }

    async fn institutions(
        &self,
        agency: Option<AgencyId>,
        after: Option<InstitutionId>,
        limit: usize,
    ) -> Result<Vec<Institution>> {
        let session = self.inner.sessions.interactive().await?;
        let after = after.map_or(Uuid::nil(), |id| id.uuid());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = match agency {
            None => session.query(ALL_INSTITUTIONS, &[&after, &limit]).await?,
            Some(agency) => session.query(INSTITUTIONS_OF_AGENCY, &[&after, &limit, &agency.uuid()]).await?,
        };
        rows.iter().map(institution).collect()
    }

    async fn change_institution(&self, id: InstitutionId, change: InstitutionChange) -> Result<bool> {
        let sql = "UPDATE institutions
                   SET name = coalesce($2, name), contact = CASE WHEN $3 THEN $4 ELSE contact END
                   WHERE institution_id = $1 RETURNING institution_id";
        let InstitutionChange { name, contact } = change;
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 4] =
            [&id.uuid(), &name, &contact.is_some(), &contact.as_ref().and_then(Option::as_ref)];
        Ok(!session.write("an institution", sql, &params).await?.is_empty())
    }

    async fn agency_of(&self, id: InstitutionId) -> Result<Option<AgencyId>> {
        let sql = "SELECT agency_id FROM institutions WHERE institution_id = $1";
        let session = self.inner.sessions.interactive().await?;
        let Some(row) = session.query_opt(sql, &[&id.uuid()]).await? else { return Ok(None) };
        Ok(row.value::<Option<Uuid>>("agency_id")?.map(AgencyId::of))
    }

    async fn suspend(&self, id: InstitutionId, by: AdminKind, now: UnixSeconds) -> Result<bool> {
        let sql = "UPDATE institutions
                   SET suspended_at = coalesce(suspended_at, $2), suspended_by = least(suspended_by, $3)
                   WHERE institution_id = $1 RETURNING institution_id";
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 3] = [&id.uuid(), &now.0, &Number(by)];
        Ok(!session.write("suspending an institution", sql, &params).await?.is_empty())
    }

    async fn resume(&self, id: InstitutionId, by: AdminKind) -> Result<Option<bool>> {
        let sql = "WITH resumed AS (
                     UPDATE institutions SET suspended_at = NULL, suspended_by = NULL
                     WHERE institution_id = $1 AND coalesce(suspended_by, $2) >= $2 RETURNING institution_id)
                   SELECT EXISTS (SELECT 1 FROM resumed) AS resumed FROM institutions WHERE institution_id = $1";
        let session = self.inner.sessions.interactive().await?;
        let known = session.write("resuming an institution", sql, &[&id.uuid(), &Number(by)]).await?;
        known.first().map(|row| row.value("resumed")).transpose()
    }

    async fn create_contract(&self, institution: InstitutionId, contract: Contract) -> Result<bool> {
        let sql = "INSERT INTO contracts (contract_id, institution_id, authentication, certified, notice)
                   SELECT $1, institution_id, $3, $4, $5 FROM institutions WHERE institution_id = $2
                   RETURNING contract_id";
        let Product { authentication, certified, notice } = contract.product;
        let (authentication, notice) = (authentication.name(), notice.name());
        let session = self.inner.sessions.interactive().await?;
        let params: [Param<'_>; 5] =
            [&contract.uuid.uuid(), &institution.uuid(), &authentication, &certified, &notice];
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

    async fn institution_of(&self, contract: ContractUuid) -> Result<Option<InstitutionId>> {
        let sql = "SELECT institution_id FROM contracts WHERE contract_id = $1";
        let session = self.inner.sessions.interactive().await?;
        let found = session.query_opt(sql, &[&contract.uuid()]).await?;
        found.map(|row| row.id("institution_id")).transpose()
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
        let session = self.inner.sessions.interactive().await?;
        OF_INSTITUTIONS.create(&session, institution.uuid(), &token, hash).await
    }

    async fn change_token(
        &self,
        institution: InstitutionId,
        id: AccessTokenId,
        change: TokenChange,
    ) -> Result<bool> {
        let session = self.inner.sessions.interactive().await?;
        OF_INSTITUTIONS.change(&session, institution.uuid(), id, &change).await
    }

    async fn revoke_token(
        &self,
        institution: InstitutionId,
        id: AccessTokenId,
        now: UnixSeconds,
    ) -> Result<bool> {
        let session = self.inner.sessions.interactive().await?;
        OF_INSTITUTIONS.revoke(&session, institution.uuid(), id, now).await
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
        let sql = "SELECT t.institution_id, t.allowed_networks, i.suspended_at IS NOT NULL AS suspended,
                     c.contract_id, c.authentication, c.certified, c.notice, c.closed_at, c.card,
                     c.notice = 'institution' AND NOT EXISTS (
                       SELECT 1 FROM institution_templates m WHERE m.institution_id = c.institution_id)
                       AS lacks_template
                   FROM access_tokens t JOIN institutions i ON i.institution_id = ANY (ARRAY[t.institution_id])
                   LEFT JOIN contracts c
                     ON c.contract_id = $3 AND c.institution_id = ANY (ARRAY[t.institution_id]) AND c.closed_at IS NULL
                   WHERE t.token_hash = $1 AND t.revoked_at IS NULL
                     AND (t.expires_at IS NULL OR t.expires_at > $2)";
        let session = self.inner.sessions.of(lane).await?;
        let params: [Param<'_>; 3] = [&hash.0.as_slice(), &now.0, &contract.map(|uuid| uuid.uuid())];
        let Some(found) = session.query_opt(sql, &params).await? else { return Ok(None) };
        let is_open = found.value::<Option<Uuid>>("contract_id")?.is_some();
        let contract = if is_open { Some(self::contract(&found)?) } else { None };
        let allowed_networks: Option<&str> = found.value("allowed_networks")?;
        Ok(Some(Caller {
            institution: found.id("institution_id")?,
            contract,
            suspended: found.value("suspended")?,
            allowed_networks: allowed_networks.map(stored_networks).transpose()?.map(Arc::new),
        }))
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
        let Some(row) = session.query_opt(ONE_INSTITUTION, &[&id.uuid()]).await? else { return Ok(None) };
        let sql = "SELECT coalesce(sum(accepted), 0)::bigint AS accepted FROM daily_counts
                   WHERE institution_id = $1 AND day = $2";
        let day = Number(day);
        let counted = session.query_opt(sql, &[&id.uuid(), &day]).await?;
        let accepted: i64 = counted.map_or(Ok(0), |row| row.value("accepted"))?;
        Ok(Some(InstitutionOverview {
            institution: institution(&row)?,
            contracts: contracts(&session, id).await?,
            tokens: OF_INSTITUTIONS.list(&session, id.uuid()).await?,
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
    let sql = "SELECT contract_id, authentication, certified, notice, closed_at, card,
                 notice = 'institution' AND NOT EXISTS (
                   SELECT 1 FROM institution_templates m WHERE m.institution_id = c.institution_id)
                   AS lacks_template
               FROM contracts c WHERE institution_id = $1 ORDER BY contract_id";
    session.query(sql, &[&id.uuid()]).await?.iter().map(contract).collect()
}

macro_rules! institutions {
    ($rest:literal) => {
        concat!(
            "SELECT institution_id, name, created_at, agency_id, contact, suspended_at FROM institutions WHERE ",
            $rest
        )
    };
}

const ONE_INSTITUTION: &str = institutions!("institution_id = $1");
const ALL_INSTITUTIONS: &str = institutions!("institution_id > $1 ORDER BY institution_id LIMIT $2");
const INSTITUTIONS_OF_AGENCY: &str =
    institutions!("agency_id = $3 AND institution_id > $1 ORDER BY institution_id LIMIT $2");

fn institution(row: &Row) -> Result<Institution> {
    Ok(Institution {
        id: row.id("institution_id")?,
        name: row.value("name")?,
        created_at: UnixSeconds(row.value("created_at")?),
        agency: row.value::<Option<Uuid>>("agency_id")?.map(AgencyId::of),
        contact: row.value("contact")?,
        suspended_at: row.moment("suspended_at")?,
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
        product: Product {
            authentication: Authentication::from_name(row.value("authentication")?)
                .ok_or(StoreError::damaged("authentication"))?,
            certified: row.value("certified")?,
            notice: Notice::from_name(row.value("notice")?)
                .ok_or(StoreError::damaged("a contract's notice"))?,
        },
        lacks_template: row.value("lacks_template")?,
        closed_at: row.moment("closed_at")?,
        card: card(row)?,
    })
}
