//! Institutions, their contracts and their access tokens (SPEC 2 and 11).

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::card::Card;
pub use seoham_model::contract::Authentication;
use seoham_model::{AccessTokenId, ContractUuid, InstitutionId, SeoulDay, UnixSeconds};
use seoham_vault::TokenHash;

use crate::{Lane, Result};

/// An institution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Institution {
    /// Its id.
    pub id: InstitutionId,
    /// Its name, as recipients see it.
    pub name: String,
    /// When it was made.
    pub created_at: UnixSeconds,
}

/// One product bought by one institution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// Its id.
    pub uuid: ContractUuid,
    /// How recipients authenticate.
    pub authentication: Authentication,
    /// Documents need a hash of their original.
    pub certified: bool,
    /// When it was closed, if it was.
    pub closed_at: Option<UnixSeconds>,
    /// What of a payload the box shows on a document's card.
    pub card: Option<Card>,
}

/// An access token, without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessTokenRecord {
    /// Its public name.
    pub id: AccessTokenId,
    /// What the operator called it.
    pub label: String,
    /// From when on it is no longer valid.
    pub expires_at: Option<UnixSeconds>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<UnixSeconds>,
    /// When it was last used, as [`Callers::token_used`] said.
    pub last_used_at: Option<UnixSeconds>,
}

/// An institution with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstitutionOverview {
    /// The institution.
    pub institution: Institution,
    /// Its contracts, oldest first.
    pub contracts: Vec<Contract>,
    /// Its access tokens, oldest first.
    pub tokens: Vec<AccessTokenRecord>,
    /// Documents accepted on the day asked for.
    pub accepted_on_day: u64,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose token it was.
    pub institution: InstitutionId,
    /// The contract that was named, if it is the institution's and not closed.
    pub contract: Option<Contract>,
}

/// Institutions, contracts and access tokens, for the operator.
#[async_trait]
#[delegatable_trait]
pub trait Accounts: Send + Sync {
    /// Adds an institution.
    async fn create_institution(&self, institution: Institution) -> Result<()>;

    /// Institutions after `after` in the order they were made, at most `limit`.
    async fn institutions(&self, after: Option<InstitutionId>, limit: usize) -> Result<Vec<Institution>>;

    /// Adds a contract; `false` when there is no such institution.
    async fn create_contract(&self, institution: InstitutionId, contract: Contract) -> Result<bool>;

    /// Closes a contract; `false` when the institution has no such one. Closing twice keeps the
    /// first time.
    async fn close_contract(
        &self,
        institution: InstitutionId,
        uuid: ContractUuid,
        now: UnixSeconds,
    ) -> Result<bool>;

    /// Sets what of a payload the box shows under a contract, from now on; `false` when there is no such contract.
    async fn set_card(&self, contract: ContractUuid, card: Option<Card>) -> Result<bool>;

    /// Sets an institution's picture, a PNG, or takes it away; `false` when there is no such institution.
    async fn set_mark(&self, institution: InstitutionId, picture: Option<Vec<u8>>) -> Result<bool>;

    /// Adds an access token, known by its hash alone; `false` when there is no such institution.
    async fn create_token(
        &self,
        institution: InstitutionId,
        token: AccessTokenRecord,
        hash: TokenHash,
    ) -> Result<bool>;

    /// Revokes an access token; `false` when the institution has no such one.
    async fn revoke_token(
        &self,
        institution: InstitutionId,
        id: AccessTokenId,
        now: UnixSeconds,
    ) -> Result<bool>;
}

/// Who calls: access tokens and the contracts that they name.
#[async_trait]
#[delegatable_trait]
pub trait Callers: Send + Sync {
    /// Whose token this is, and under which contract they call if they name one; `None` when the token is
    /// unknown, expired or revoked. One question, since every request begins with it.
    async fn authenticate(
        &self,
        lane: Lane,
        hash: TokenHash,
        contract: Option<ContractUuid>,
        now: UnixSeconds,
    ) -> Result<Option<Caller>>;

    /// Notes that a token was used at `at`; an earlier time than is known changes nothing.
    async fn token_used(&self, hash: TokenHash, at: UnixSeconds) -> Result<()>;
}

/// What an institution has sent so far.
#[async_trait]
#[delegatable_trait]
pub trait Overviews: Send + Sync {
    /// One institution and what it did on `day`.
    async fn institution(&self, id: InstitutionId, day: SeoulDay) -> Result<Option<InstitutionOverview>>;
}

/// The pictures that stand for institutions in the box.
#[async_trait]
#[delegatable_trait]
pub trait Marks: Send + Sync {
    /// An institution's picture, if it has one.
    async fn mark(&self, institution: InstitutionId) -> Result<Option<Vec<u8>>>;
}
