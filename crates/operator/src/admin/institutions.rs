//! `/admin/v1/institutions`: creates institutions, and lists them with cursor pagination (`next_after`).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::{ApiError, Path, Query, body};
use seoham_model::card::Card;
use seoham_model::{AccessTokenId, ContractUuid, InstitutionId, SeoulDay, Text, forms};
use seoham_store::accounts::{Authentication, Institution};
use serde::{Deserialize, Serialize};

use super::{created, institution, json, unknown_institution};
use crate::state::Operator;

/// Institutions per page.
const PAGE: usize = 100;

#[derive(Serialize)]
struct InstitutionReply {
    institution_id: InstitutionId,
    name: String,
}

impl From<Institution> for InstitutionReply {
    fn from(institution: Institution) -> Self {
        Self { institution_id: institution.id, name: institution.name }
    }
}

pub(crate) async fn create(State(operator): State<Operator>, request: Request) -> Result<Response, ApiError> {
    let name = forms::institution_name(&body::json(request).await?)?;
    let same = of_name(&operator, &name).await?;
    let id = InstitutionId::generate(operator.store.clock());
    let institution = Institution { id, name, created_at: operator.now() };
    operator.store.create_institution(institution.clone()).await?;
    tracing::info!(institution = %id, "institution created");
    if let Some(same) = same {
        tracing::warn!(institution = %id, %same, "another institution has the same name");
    }
    created(&Created { shown: InstitutionReply::from(institution), same_name_as: same })
}

#[derive(Serialize)]
struct Created {
    #[serde(flatten)]
    shown: InstitutionReply,
    /// Another institution with the same name, which recipients could not distinguish from this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    same_name_as: Option<InstitutionId>,
}

/// The first institution of this name, if any.
async fn of_name(operator: &Operator, name: &str) -> Result<Option<InstitutionId>, ApiError> {
    let mut after = None;
    loop {
        let page = operator.store.institutions(after, PAGE).await?;
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
    Query(query): Query<After>,
) -> Result<Response, ApiError> {
    let after = query.after.as_deref().map(institution).transpose()?;
    let found = operator.store.institutions(after, PAGE).await?;
    let next_after = if found.len() == PAGE { found.last().map(|i| i.id) } else { None };
    json(&List { institutions: found.into_iter().map(InstitutionReply::from).collect(), next_after })
}

#[derive(Serialize)]
struct Overview {
    institution_id: InstitutionId,
    name: String,
    created_at: i64,
    /// Documents accepted today, a day in Asia/Seoul.
    accepted_today: u64,
    contracts: Vec<ShownContract>,
    tokens: Vec<ShownToken>,
}

#[derive(Serialize)]
struct ShownContract {
    contract_uuid: ContractUuid,
    authentication: Authentication,
    certified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<i64>,
    /// The members of a JSON payload that the box shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    card: Option<Card>,
}

#[derive(Serialize)]
struct ShownToken {
    token_id: AccessTokenId,
    label: String,
    /// When it was created.
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_at: Option<i64>,
    /// When it was last used, to the minute; absent if never.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<i64>,
}

pub(crate) async fn show(
    State(operator): State<Operator>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let today = SeoulDay::of(operator.now());
    let found =
        operator.store.institution(institution(&id)?, today).await?.ok_or_else(unknown_institution)?;
    json(&Overview {
        institution_id: found.institution.id,
        name: found.institution.name,
        created_at: found.institution.created_at.0,
        accepted_today: found.accepted_on_day,
        contracts: found
            .contracts
            .into_iter()
            .map(|c| ShownContract {
                contract_uuid: c.uuid,
                authentication: c.authentication,
                certified: c.certified,
                closed_at: c.closed_at.map(|t| t.0),
                card: c.card,
            })
            .collect(),
        tokens: found
            .tokens
            .into_iter()
            .map(|t| ShownToken {
                token_id: t.id,
                // The id contains the creation time.
                created_at: i64::try_from(t.id.unix_millis() / 1000).unwrap_or(0),
                label: t.label,
                expires_at: t.expires_at.map(|t| t.0),
                revoked_at: t.revoked_at.map(|t| t.0),
                last_used_at: t.last_used_at.map(|t| t.0),
            })
            .collect(),
    })
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
