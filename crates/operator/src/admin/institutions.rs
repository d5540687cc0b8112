//! `/admin/v1/institutions`: creates institutions, and lists them with cursor pagination (`next_after`).

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use seoham_http::{ApiError, Path, Query, body};
use seoham_model::card::Card;
use seoham_model::forms::NewInstitution;
use seoham_model::{AgencyId, ContractUuid, InstitutionId, SeoulDay, Text, forms};
use seoham_store::accounts::{Authentication, Institution, Notice};
use seoham_store::admins::AdminId;
use serde::{Deserialize, Serialize};

use super::tokens::TokenReply;
use super::{created, institution, json, unknown_institution};
use crate::access::Administrator;
use crate::actions::OnInstitution;
use crate::state::Operator;

/// Institutions per page.
const PAGE: usize = 100;

#[derive(Serialize)]
struct InstitutionReply {
    institution_id: InstitutionId,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    agency_id: Option<AgencyId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<String>,
    /// Since when its sends are refused; absent if they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_at: Option<i64>,
}

impl From<Institution> for InstitutionReply {
    fn from(institution: Institution) -> Self {
        let Institution { id, name, created_at: _, agency, contact, suspended_at } = institution;
        let suspended_at = suspended_at.map(|at| at.0);
        Self { institution_id: id, name, agency_id: agency, contact, suspended_at }
    }
}

pub(crate) async fn create(
    State(operator): State<Operator>,
    administrator: Administrator,
    request: Request,
) -> Result<Response, ApiError> {
    let NewInstitution { name, contact, agency } = forms::institution(&body::json(request).await?)?;
    let own = administrator.agency();
    let agency = match (own, agency) {
        // Another agency is not told apart from one that does not exist.
        (Some(own), Some(named)) if own != named => return Err(unknown_agency()),
        (Some(own), _) => Some(own),
        (None, Some(named)) => {
            let found = operator.store.admin(AdminId::Agency(named)).await?;
            let is_open = found.is_some_and(|(agency, _)| agency.closed_at.is_none());
            Some(named).filter(|_| is_open).ok_or_else(unknown_agency).map(Some)?
        }
        (None, None) => None,
    };
    let same = of_name(&operator, own, &name).await?;
    let id = InstitutionId::generate(operator.store.clock());
    let institution =
        Institution { id, name, created_at: operator.now(), agency, contact, suspended_at: None };
    operator.store.create_institution(institution.clone()).await?;
    tracing::info!(institution = %id, "institution created");
    if let Some(same) = same {
        tracing::warn!(institution = %id, %same, "another institution has the same name");
    }
    let created = created(&Created { shown: InstitutionReply::from(institution), same_name_as: same })?;
    Ok((Extension(OnInstitution(id)), created).into_response())
}

#[derive(Serialize)]
struct Created {
    #[serde(flatten)]
    shown: InstitutionReply,
    /// Another institution with the same name, which recipients could not distinguish from this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    same_name_as: Option<InstitutionId>,
}

fn unknown_agency() -> ApiError {
    ApiError::invalid(Text::fixed("agency_id: 없는 대행사입니다", "agency_id: there is no such agency"))
}

/// The first institution of this name, if any; for an agency, among its own.
async fn of_name(
    operator: &Operator,
    agency: Option<AgencyId>,
    name: &str,
) -> Result<Option<InstitutionId>, ApiError> {
    let mut after = None;
    loop {
        let page = operator.store.institutions(agency, after, PAGE).await?;
        if let Some(same) = page.iter().find(|institution| institution.name == name) {
            return Ok(Some(same.id));
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.id),
            _ => return Ok(None),
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct After {
    after: Option<String>,
}

#[derive(Serialize)]
struct List {
    institutions: Vec<InstitutionReply>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<InstitutionId>,
}

pub(crate) async fn list(
    State(operator): State<Operator>,
    administrator: Administrator,
    Query(query): Query<After>,
) -> Result<Response, ApiError> {
    let after = query.after.as_deref().map(institution).transpose()?;
    let found = operator.store.institutions(administrator.agency(), after, PAGE).await?;
    let next_after = if found.len() == PAGE { found.last().map(|i| i.id) } else { None };
    json(&List { institutions: found.into_iter().map(InstitutionReply::from).collect(), next_after })
}

#[derive(Serialize)]
struct Overview {
    #[serde(flatten)]
    institution: InstitutionReply,
    created_at: i64,
    /// Documents accepted today, a day in Asia/Seoul.
    accepted_today: u64,
    contracts: Vec<ShownContract>,
    tokens: Vec<TokenReply>,
}

#[derive(Serialize)]
struct ShownContract {
    contract_uuid: ContractUuid,
    authentication: Authentication,
    certified: bool,
    notice: Notice,
    /// Nothing can be sent under it until the institution has a template; absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lacks_template: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<i64>,
    /// The members of a JSON payload that the box shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<Card>,
}

pub(crate) async fn show(
    State(operator): State<Operator>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let today = SeoulDay::of(operator.now());
    let found =
        operator.store.institution(institution(&id)?, today).await?.ok_or_else(unknown_institution)?;
    json(&Overview {
        created_at: found.institution.created_at.0,
        institution: InstitutionReply::from(found.institution),
        accepted_today: found.accepted_on_day,
        contracts: found
            .contracts
            .into_iter()
            .map(|c| ShownContract {
                contract_uuid: c.uuid,
                authentication: c.product.authentication,
                certified: c.product.certified,
                notice: c.product.notice,
                lacks_template: c.lacks_template,
                closed_at: c.closed_at.map(|t| t.0),
                card: c.card,
            })
            .collect(),
        tokens: found.tokens.into_iter().map(TokenReply::from).collect(),
    })
}

/// `PATCH /admin/v1/institutions/{id}`: changes the name or the contact.
pub(crate) async fn change(
    State(operator): State<Operator>,
    Path(id): Path<String>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let id = institution(&id)?;
    let change = forms::institution_change(&body::json(request).await?)?;
    if !operator.store.change_institution(id, change).await? {
        return Err(unknown_institution());
    }
    tracing::info!(institution = %id, "an institution was changed");
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /admin/v1/institutions/{id}/suspend`: its sends are refused; opening, status and everything else goes on.
pub(crate) async fn suspend(
    State(operator): State<Operator>,
    administrator: Administrator,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = institution(&id)?;
    if !operator.store.suspend(id, administrator.kind(), operator.now()).await? {
        return Err(unknown_institution());
    }
    tracing::info!(institution = %id, "an institution was suspended");
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /admin/v1/institutions/{id}/resume`: an agency does not lift an operator's suspension.
pub(crate) async fn resume(
    State(operator): State<Operator>,
    administrator: Administrator,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = institution(&id)?;
    if !operator.store.resume(id, administrator.kind()).await?.ok_or_else(unknown_institution)? {
        return Err(ApiError::forbidden(Text::fixed(
            "운영자가 정지한 기관입니다. 운영자만 풀 수 있습니다",
            "an operator suspended this institution, and only an operator can resume it",
        )));
    }
    tracing::info!(institution = %id, "an institution was resumed");
    Ok(StatusCode::NO_CONTENT)
}

/// The largest picture of an institution.
const MARK_BYTES_MAX: usize = 64 * 1024;
/// The signature of a PNG.
const PNG: [u8; 8] = [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'];

/// `PUT /admin/v1/institutions/{id}/mark`: sets the institution's picture, a PNG.
pub(crate) async fn set_mark(
    State(operator): State<Operator>,
    Path(id): Path<String>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let id = institution(&id)?;
    let picture =
        axum::body::to_bytes(request.into_body(), MARK_BYTES_MAX).await.map_err(|_| no_picture())?;
    if !picture.starts_with(&PNG) {
        return Err(no_picture());
    }
    keep_mark(&operator, id, Some(picture.to_vec())).await
}

/// `DELETE /admin/v1/institutions/{id}/mark`
pub(crate) async fn remove_mark(
    State(operator): State<Operator>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    keep_mark(&operator, institution(&id)?, None).await
}

async fn keep_mark(
    operator: &Operator,
    id: InstitutionId,
    picture: Option<Vec<u8>>,
) -> Result<StatusCode, ApiError> {
    if !operator.store.set_mark(id, picture).await? {
        return Err(unknown_institution());
    }
    tracing::info!(institution = %id, "an institution's picture was set");
    Ok(StatusCode::NO_CONTENT)
}

fn no_picture() -> ApiError {
    ApiError::invalid(Text::fixed(
        "본문은 64KiB 이하의 PNG 그림이어야 합니다",
        "the body must be a PNG of at most 64 KiB",
    ))
}
