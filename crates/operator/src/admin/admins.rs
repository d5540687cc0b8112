//! `/admin/v1/operators` and `/admin/v1/agencies`: who administers, and their tokens (SPEC 11).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::{ApiError, Path, Query, body};
use seoham_model::forms::NewToken;
use seoham_model::{AccessTokenId, AgencyId, OperatorId, Text, forms};
use seoham_store::accounts::AccessTokenRecord;
use seoham_store::admins::{Admin, AdminId, AdminKind};
use seoham_vault::AccessToken;
use serde::{Deserialize, Serialize};

use super::tokens::{TokenReply, unknown_token};
use super::{created, json};
use crate::state::Operator;

/// Operators or agencies per page.
const PAGE: usize = 100;

#[derive(Serialize)]
struct OperatorCreated<'a> {
    operator_id: AdminId,
    name: &'a str,
    token_id: AccessTokenId,
    /// Shown only once.
    admin_token: &'a str,
}

/// `POST /admin/v1/operators`: a named operator with a first token.
pub(crate) async fn create_operator(
    State(operator): State<Operator>,
    request: Request,
) -> Result<Response, ApiError> {
    let body = body::json(request).await?;
    let name = forms::name(&body)?;
    let admin = add(&operator, AdminId::Operator(OperatorId::generate(operator.store.clock())), name).await?;
    let first = NewToken { label: "first".to_owned(), expires_at: None, allowed_networks: None };
    let (token_id, token) = add_token(&operator, admin.id, first).await?;
    created(&OperatorCreated {
        operator_id: admin.id,
        name: &admin.name,
        token_id,
        admin_token: token.expose(),
    })
}

#[derive(Serialize)]
struct AgencyCreated<'a> {
    agency_id: AdminId,
    name: &'a str,
}

/// `POST /admin/v1/agencies`
pub(crate) async fn create_agency(
    State(operator): State<Operator>,
    request: Request,
) -> Result<Response, ApiError> {
    let name = forms::name(&body::json(request).await?)?;
    let admin = add(&operator, AdminId::Agency(AgencyId::generate(operator.store.clock())), name).await?;
    created(&AgencyCreated { agency_id: admin.id, name: &admin.name })
}

async fn add(operator: &Operator, id: AdminId, name: String) -> Result<Admin, ApiError> {
    let admin = Admin { id, name, created_at: operator.now(), closed_at: None };
    operator.store.create_admin(admin.clone()).await?;
    tracing::info!(%id, "an operator or an agency was created");
    Ok(admin)
}

async fn add_token(
    operator: &Operator,
    id: AdminId,
    new: NewToken,
) -> Result<(AccessTokenId, AccessToken), ApiError> {
    let token = AccessToken::generate();
    let token_id = AccessTokenId::generate(operator.store.clock());
    let record = AccessTokenRecord::new(token_id, new);
    if !operator.store.create_admin_token(id, record, token.hash()).await? {
        return Err(unknown(id.kind()));
    }
    tracing::info!(%id, token = %token_id, "an admin token was created");
    Ok((token_id, token))
}

#[derive(Serialize)]
struct AdminReply {
    #[serde(flatten)]
    id: IdReply,
    name: String,
    created_at: i64,
    /// When it was removed; absent if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<i64>,
    /// Oldest first; absent in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<Vec<TokenReply>>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum IdReply {
    OperatorId(AdminId),
    AgencyId(AdminId),
}

impl AdminReply {
    fn of(admin: Admin, tokens: Option<Vec<AccessTokenRecord>>) -> Self {
        let id = match admin.id.kind() {
            AdminKind::Operator => IdReply::OperatorId(admin.id),
            AdminKind::Agency => IdReply::AgencyId(admin.id),
        };
        Self {
            id,
            name: admin.name,
            created_at: admin.created_at.0,
            closed_at: admin.closed_at.map(|at| at.0),
            tokens: tokens.map(|tokens| tokens.into_iter().map(TokenReply::from).collect()),
        }
    }
}

fn kind(of_agencies: bool) -> AdminKind {
    if of_agencies { AdminKind::Agency } else { AdminKind::Operator }
}

fn id(of_agencies: bool, text: &str) -> Result<AdminId, ApiError> {
    let id = match kind(of_agencies) {
        AdminKind::Operator => OperatorId::parse(text).map(AdminId::Operator),
        AdminKind::Agency => AgencyId::parse(text).map(AdminId::Agency),
    };
    id.ok_or_else(|| unknown(kind(of_agencies)))
}

fn unknown(kind: AdminKind) -> ApiError {
    ApiError::not_found(match kind {
        AdminKind::Operator => Text::fixed("없는 운영자입니다", "there is no such operator"),
        AdminKind::Agency => Text::fixed("없는 대행사입니다", "there is no such agency"),
    })
}

#[derive(Deserialize)]
pub(crate) struct After {
    after: Option<String>,
}

#[derive(Serialize)]
struct List {
    #[serde(flatten)]
    found: Found,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<AdminId>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Found {
    Operators(Vec<AdminReply>),
    Agencies(Vec<AdminReply>),
}

/// `GET /admin/v1/operators` and `/admin/v1/agencies`
pub(crate) async fn list<const OF_AGENCIES: bool>(
    State(operator): State<Operator>,
    Query(asked): Query<After>,
) -> Result<Response, ApiError> {
    let kind = kind(OF_AGENCIES);
    let after = asked.after.as_deref().map(|text| id(OF_AGENCIES, text)).transpose()?;
    let found = operator.store.admins(kind, after, PAGE).await?;
    let next_after = if found.len() == PAGE { found.last().map(|admin| admin.id) } else { None };
    let replies = found.into_iter().map(|admin| AdminReply::of(admin, None)).collect();
    let found = match kind {
        AdminKind::Operator => Found::Operators(replies),
        AdminKind::Agency => Found::Agencies(replies),
    };
    json(&List { found, next_after })
}

/// `GET /admin/v1/operators/{id}` and `/admin/v1/agencies/{id}`
pub(crate) async fn show<const OF_AGENCIES: bool>(
    State(operator): State<Operator>,
    Path(text): Path<String>,
) -> Result<Response, ApiError> {
    let id = id(OF_AGENCIES, &text)?;
    let (admin, tokens) = operator.store.admin(id).await?.ok_or_else(|| unknown(id.kind()))?;
    json(&AdminReply::of(admin, Some(tokens)))
}

/// `DELETE /admin/v1/operators/{id}` and `/admin/v1/agencies/{id}`: revokes all tokens. The institutions of an agency
/// stay.
pub(crate) async fn remove<const OF_AGENCIES: bool>(
    State(operator): State<Operator>,
    Path(text): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = id(OF_AGENCIES, &text)?;
    if !operator.store.close_admin(id, operator.now()).await? {
        return Err(unknown(id.kind()));
    }
    tracing::info!(%id, "an operator or an agency was removed");
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Serialize)]
struct TokenCreated<'a> {
    token_id: AccessTokenId,
    /// Shown only once.
    admin_token: &'a str,
}

/// `POST /admin/v1/operators/{id}/tokens` and `/admin/v1/agencies/{id}/tokens`
pub(crate) async fn create_token<const OF_AGENCIES: bool>(
    State(operator): State<Operator>,
    Path(text): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let id = id(OF_AGENCIES, &text)?;
    let new = forms::token(&body::json(request).await?, operator.now())?;
    let (token_id, token) = add_token(&operator, id, new).await?;
    created(&TokenCreated { token_id, admin_token: token.expose() })
}

/// `PATCH …/tokens/{token}`
pub(crate) async fn change_token<const OF_AGENCIES: bool>(
    State(operator): State<Operator>,
    Path((text, token)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let id = id(OF_AGENCIES, &text)?;
    let token = AccessTokenId::parse(&token).ok_or_else(unknown_token)?;
    let change = forms::token_change(&body::json(request).await?, operator.now())?;
    if !operator.store.change_admin_token(id, token, change).await? {
        return Err(unknown_token());
    }
    tracing::info!(%id, %token, "an admin token was changed");
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE …/tokens/{token}`
pub(crate) async fn revoke_token<const OF_AGENCIES: bool>(
    State(operator): State<Operator>,
    Path((text, token)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = id(OF_AGENCIES, &text)?;
    let token = AccessTokenId::parse(&token).ok_or_else(unknown_token)?;
    if !operator.store.revoke_admin_token(id, token, operator.now()).await? {
        return Err(unknown_token());
    }
    tracing::info!(%id, %token, "an admin token was revoked");
    Ok(StatusCode::NO_CONTENT)
}
