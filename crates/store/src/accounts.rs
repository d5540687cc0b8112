//! Institutions, their contracts and their access tokens (SPEC 2 and 11).

use std::sync::Arc;

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::card::Card;
pub use seoham_model::contract::{Authentication, Notice, Product};
use seoham_model::forms::{InstitutionChange, NewToken, TokenChange};
use seoham_model::network::Networks;
use seoham_model::{AccessTokenId, AgencyId, ContractUuid, InstitutionId, SeoulDay, UnixSeconds};
use seoham_vault::TokenHash;

use crate::admins::AdminKind;
use crate::{Lane, Result};

/// An institution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Institution {
    /// Its id.
    pub id: InstitutionId,
    /// Its name, as recipients see it.
    pub name: String,
    /// When it was created.
    pub created_at: UnixSeconds,
    /// The agency that administers it; `None` if operators alone do.
    pub agency: Option<AgencyId>,
    /// Whom to ask about it.
    pub contact: Option<String>,
    /// Since when its sends are refused, if they are.
    pub suspended_at: Option<UnixSeconds>,
}

impl Institution {
    /// An institution of the operators' own, which may send.
    pub fn new(id: InstitutionId, name: String, created_at: UnixSeconds) -> Self {
        Self { id, name, created_at, agency: None, contact: None, suspended_at: None }
    }
}

/// One product bought by one institution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// Its id.
    pub uuid: ContractUuid,
    /// What it is.
    pub product: Product,
    /// The institution is to notify by its own template, and has none: nothing can be sent (SPEC 14).
    pub lacks_template: bool,
    /// When it was closed, if it was.
    pub closed_at: Option<UnixSeconds>,
    /// The members of a payload that the box shows on a document's card.
    pub card: Option<Card>,
}

impl Contract {
    /// A contract that is open. Whether its institution has a template is not part of it.
    pub fn new(uuid: ContractUuid, product: Product) -> Self {
        Self { uuid, product, lacks_template: false, closed_at: None, card: None }
    }
}

/// A token of an institution, an operator or an agency, without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessTokenRecord {
    /// Its public name.
    pub id: AccessTokenId,
    /// The operator's label.
    pub label: String,
    /// The time from which it is no longer valid.
    pub expires_at: Option<UnixSeconds>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<UnixSeconds>,
    /// When it was last used, as reported by [`Callers::token_used`].
    pub last_used_at: Option<UnixSeconds>,
    /// From where it may be used; from anywhere without them.
    pub allowed_networks: Option<Networks>,
}

impl AccessTokenRecord {
    /// A new token, not used yet.
    pub fn new(id: AccessTokenId, token: NewToken) -> Self {
        let NewToken { label, expires_at, allowed_networks } = token;
        Self { id, label, expires_at, revoked_at: None, last_used_at: None, allowed_networks }
    }
}

/// An institution with its contracts and tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstitutionOverview {
    /// The institution.
    pub institution: Institution,
    /// Its contracts, oldest first.
    pub contracts: Vec<Contract>,
    /// Its access tokens, oldest first.
    pub tokens: Vec<AccessTokenRecord>,
    /// Documents accepted on the requested day.
    pub accepted_on_day: u64,
}

/// An authenticated caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The owner of the token.
    pub institution: InstitutionId,
    /// The requested contract, if the institution has it and it is open.
    pub contract: Option<Contract>,
    /// The institution's sends are refused; everything else goes on.
    pub suspended: bool,
    /// From where the token may be used; from anywhere without them.
    pub allowed_networks: Option<Arc<Networks>>,
}

/// Institutions, contracts and access tokens, for the operator.
#[async_trait]
#[delegatable_trait]
pub trait Accounts: Send + Sync {
    /// Adds an institution.
    async fn create_institution(&self, institution: Institution) -> Result<()>;

    /// Institutions after `after` in creation order, at most `limit`; with an agency, only its own.
    async fn institutions(
        &self,
        agency: Option<AgencyId>,
        after: Option<InstitutionId>,
        limit: usize,
    ) -> Result<Vec<Institution>>;

    /// Changes an institution; `false` if it does not exist.
    async fn change_institution(&self, id: InstitutionId, change: InstitutionChange) -> Result<bool>;

    /// The agency that administers an institution; `None` if there is none, or no such institution.
    async fn agency_of(&self, id: InstitutionId) -> Result<Option<AgencyId>>;

    /// Refuses the sends of an institution from now on. Suspending it again keeps the first time, and an operator takes
    /// an agency's suspension over. `false` if it does not exist.
    async fn suspend(&self, id: InstitutionId, by: AdminKind, now: UnixSeconds) -> Result<bool>;

    /// Takes the sends of an institution again; `None` if it does not exist, `false` if an operator suspended it and an
    /// agency resumes it.
    async fn resume(&self, id: InstitutionId, by: AdminKind) -> Result<Option<bool>>;

    /// Adds a contract; `false` if the institution does not exist.
    async fn create_contract(&self, institution: InstitutionId, contract: Contract) -> Result<bool>;

    /// Closes a contract; `false` if the institution has no such contract. Closing it again keeps the first
    /// time.
    async fn close_contract(
        &self,
        institution: InstitutionId,
        uuid: ContractUuid,
        now: UnixSeconds,
    ) -> Result<bool>;

    /// The institution of a contract, if the contract exists.
    async fn institution_of(&self, contract: ContractUuid) -> Result<Option<InstitutionId>>;

    /// Sets the members of a payload that the box shows for a contract; `false` if the contract does not
    /// exist.
    async fn set_card(&self, contract: ContractUuid, card: Option<Card>) -> Result<bool>;

    /// Sets or removes an institution's picture, a PNG; `false` if the institution does not exist.
    async fn set_mark(&self, institution: InstitutionId, picture: Option<Vec<u8>>) -> Result<bool>;

    /// Adds an access token, stored only by its hash; `false` if the institution does not exist.
    async fn create_token(
        &self,
        institution: InstitutionId,
        token: AccessTokenRecord,
        hash: TokenHash,
    ) -> Result<bool>;

    /// Changes an access token without changing the token itself; `false` if the institution has no such token, or it
    /// is revoked.
    async fn change_token(
        &self,
        institution: InstitutionId,
        id: AccessTokenId,
        change: TokenChange,
    ) -> Result<bool>;

    /// Revokes an access token; `false` if the institution has no such token.
    async fn revoke_token(
        &self,
        institution: InstitutionId,
        id: AccessTokenId,
        now: UnixSeconds,
    ) -> Result<bool>;
}

/// Authentication: access tokens and the requested contracts.
#[async_trait]
#[delegatable_trait]
pub trait Callers: Send + Sync {
    /// Authenticates a token and the contract that the call names, if any; `None` if the token is unknown,
    /// expired or revoked. A single query, because it precedes every request.
    async fn authenticate(
        &self,
        lane: Lane,
        hash: TokenHash,
        contract: Option<ContractUuid>,
        now: UnixSeconds,
    ) -> Result<Option<Caller>>;

    /// Records that a token was used at `at`; a time before the stored one is ignored.
    async fn token_used(&self, hash: TokenHash, at: UnixSeconds) -> Result<()>;
}

/// Overviews of what institutions have sent.
#[async_trait]
pub trait Overviews: Send + Sync {
    /// An institution, and its number of documents on `day`.
    async fn institution(&self, id: InstitutionId, day: SeoulDay) -> Result<Option<InstitutionOverview>>;
}

/// The pictures of institutions in the box.
#[async_trait]
#[delegatable_trait]
pub trait Marks: Send + Sync {
    /// An institution's picture, if it has one.
    async fn mark(&self, institution: InstitutionId) -> Result<Option<Vec<u8>>>;
}
