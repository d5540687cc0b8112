//! Who administers a deployment: named operators and agencies, and their tokens (SPEC 11).

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::forms::TokenChange;
use seoham_model::network::Networks;
use seoham_model::{AccessTokenId, ActionId, AgencyId, InstitutionId, OperatorId, StoredNumber, UnixSeconds};
use seoham_vault::TokenHash;
use serde::{Serialize, Serializer};

use crate::accounts::AccessTokenRecord;
use crate::{Result, StoreError};

/// What an administrator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminKind {
    /// An operator, who may do everything.
    Operator,
    /// An agency, which may do everything with its own institutions.
    Agency,
}

impl StoredNumber for AdminKind {
    fn as_number(self) -> i64 {
        match self {
            Self::Operator => 0,
            Self::Agency => 1,
        }
    }

    fn from_number(number: i64) -> Option<Self> {
        [Self::Operator, Self::Agency].into_iter().find(|kind| kind.as_number() == number)
    }
}

/// An administrator's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminId {
    /// An operator's.
    Operator(OperatorId),
    /// An agency's.
    Agency(AgencyId),
}

impl AdminId {
    /// The id with these bytes.
    pub fn from_bytes(kind: AdminKind, bytes: [u8; 16]) -> Self {
        match kind {
            AdminKind::Operator => Self::Operator(OperatorId::from_bytes(bytes)),
            AdminKind::Agency => Self::Agency(AgencyId::from_bytes(bytes)),
        }
    }

    /// Whose it is.
    pub fn kind(self) -> AdminKind {
        match self {
            Self::Operator(_) => AdminKind::Operator,
            Self::Agency(_) => AdminKind::Agency,
        }
    }

    /// Its bytes.
    pub fn bytes(self) -> [u8; 16] {
        match self {
            Self::Operator(id) => *id.as_bytes(),
            Self::Agency(id) => *id.as_bytes(),
        }
    }
}

impl std::fmt::Display for AdminId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Operator(id) => id.fmt(f),
            Self::Agency(id) => id.fmt(f),
        }
    }
}

impl Serialize for AdminId {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An operator or an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Its id.
    pub id: AdminId,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_at: UnixSeconds,
    /// When it was removed, if it was: its tokens are revoked since.
    pub closed_at: Option<UnixSeconds>,
}

/// Who calls the operator's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminCaller {
    /// The owner of the token.
    pub id: AdminId,
    /// The token's public name.
    pub token: AccessTokenId,
    /// From where the token may be used; from anywhere without them.
    pub allowed_networks: Option<Networks>,
}

impl AdminCaller {
    /// A caller from stored values.
    pub fn stored(
        kind: AdminKind,
        id: [u8; 16],
        token: AccessTokenId,
        allowed_networks: Option<&str>,
    ) -> Result<Self> {
        Ok(Self {
            id: AdminId::from_bytes(kind, id),
            token,
            allowed_networks: allowed_networks.map(stored_networks).transpose()?,
        })
    }
}

/// A call of the operator's API that changed something or looked at a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Its id, by which actions are in the order of their times.
    pub id: ActionId,
    /// When.
    pub at: UnixSeconds,
    /// Who: an operator, an agency, or `operator` for the token of the first start.
    pub by: String,
    /// With which token: its public name, or the first digits of the first token's hash.
    pub token: String,
    /// From which address.
    pub from: Option<String>,
    /// `POST /admin/v1/institutions/{institution}/tokens`
    pub what: String,
    /// The ids of what it was about.
    pub on: Vec<String>,
    /// The institution that it was about, if it was about one.
    pub institution: Option<InstitutionId>,
    /// The HTTP status of the answer.
    pub status: u16,
    /// Why, if the call had to say so.
    pub reason: Option<String>,
}

/// Which actions are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActionPage {
    /// Only those about this institution.
    pub institution: Option<InstitutionId>,
    /// Before this action.
    pub before: Option<ActionId>,
    /// The maximum number.
    pub limit: usize,
}

/// Networks in their stored form.
pub fn stored_networks(stored: &str) -> Result<Networks> {
    Networks::from_stored(stored).ok_or(StoreError::damaged("the networks of a token"))
}

/// Operators and agencies.
#[async_trait]
#[delegatable_trait]
pub trait Admins: Send + Sync {
    /// Adds an operator or an agency.
    async fn create_admin(&self, admin: Admin) -> Result<()>;

    /// Operators or agencies after `after` in creation order, at most `limit`.
    async fn admins(&self, kind: AdminKind, after: Option<AdminId>, limit: usize) -> Result<Vec<Admin>>;

    /// An operator or an agency with its tokens, oldest first.
    async fn admin(&self, id: AdminId) -> Result<Option<(Admin, Vec<AccessTokenRecord>)>>;

    /// Removes an operator or an agency: revokes its tokens. An agency's institutions stay, and operators administer
    /// them. `false` if there is none. Removing it again keeps the first time.
    async fn close_admin(&self, id: AdminId, now: UnixSeconds) -> Result<bool>;

    /// Adds a token, stored only by its hash; `false` if its owner does not exist or was removed.
    async fn create_admin_token(
        &self,
        id: AdminId,
        token: AccessTokenRecord,
        hash: TokenHash,
    ) -> Result<bool>;

    /// Changes a token without changing the token itself; `false` if there is no such token, or it is revoked.
    async fn change_admin_token(
        &self,
        id: AdminId,
        token: AccessTokenId,
        change: TokenChange,
    ) -> Result<bool>;

    /// Revokes a token; `false` if there is no such token.
    async fn revoke_admin_token(&self, id: AdminId, token: AccessTokenId, now: UnixSeconds) -> Result<bool>;

    /// The owner of a token that is valid at `now`. Looked up each time, so that every node rejects a revoked token at
    /// once.
    async fn admin_caller(&self, hash: TokenHash, now: UnixSeconds) -> Result<Option<AdminCaller>>;

    /// Records an action.
    async fn record_action(&self, action: Action) -> Result<()>;

    /// Actions, newest first.
    async fn actions(&self, page: ActionPage) -> Result<Vec<Action>>;

    /// Records that a token was used at `at`; a time before the stored one is ignored.
    async fn admin_token_used(&self, token: AccessTokenId, at: UnixSeconds) -> Result<()>;
}
