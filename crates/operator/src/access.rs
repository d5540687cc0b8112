//! Who calls the operator's API, and what each may do (SPEC 11): decided for every call beside its route.

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use seoham_http::{ApiError, client_address, headers};
use seoham_model::{AgencyId, BinderId, ContractUuid, InstitutionId, Text};
use seoham_store::admins::{AdminCaller, AdminId, AdminKind};
use seoham_vault::TokenHash;

use crate::actions::OnInstitution;
use crate::admin::{unknown_contract, unknown_document, unknown_institution};
use crate::state::Operator;

/// Where the calls about one institution are.
const OF_INSTITUTION: &str = "/admin/v1/institutions/";

/// Who may make a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Operators.
    Operators,
    /// Operators and agencies; the call itself shows an agency only what is its own.
    Agencies,
    /// Operators, and the agency of the institution that the path names: as `{institution}`, or by its `{binder}` or
    /// `{contract}`. For any other agency it does not exist.
    TheAgency,
}

/// The holder of a valid admin token.
#[derive(Clone, Debug)]
pub(crate) struct Administrator {
    /// `None` for the token of the first start, which is an operator's.
    id: Option<AdminId>,
    /// What identifies the token, and grants nothing.
    token: String,
}

impl Administrator {
    /// The agency, if it is one.
    pub(crate) fn agency(&self) -> Option<AgencyId> {
        match self.id {
            Some(AdminId::Agency(id)) => Some(id),
            Some(AdminId::Operator(_)) | None => None,
        }
    }

    /// What it is.
    pub(crate) fn kind(&self) -> AdminKind {
        self.id.map_or(AdminKind::Operator, AdminId::kind)
    }

    /// Its name in the log of actions.
    pub(crate) fn name(&self) -> String {
        self.id.map_or_else(|| "operator".to_owned(), |id| id.to_string())
    }

    /// The name of its token in the log of actions.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Administrator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or_else(ApiError::internal)
    }
}

/// Authenticates the token, and checks that it may be used from here.
pub(crate) async fn authenticate(
    State(operator): State<Operator>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let token = headers::bearer(request.headers())?.ok_or_else(ApiError::unauthorized)?;
    let administrator = if operator.first_token.is_of(token) {
        Administrator { id: None, token: operator.first_token_name().to_owned() }
    } else {
        let now = operator.now();
        let found = operator.store.admin_caller(TokenHash::of(token), now).await?;
        let AdminCaller { id, token, allowed_networks } = found.ok_or_else(ApiError::unauthorized)?;
        let address = client_address(request.extensions(), request.headers(), operator.behind_proxy);
        if allowed_networks.is_some_and(|networks| !networks.contain(address)) {
            return Err(seoham_http::error::wrong_network());
        }
        operator.token_used(token, now);
        Administrator { id: Some(id), token: token.to_string() }
    };
    request.extensions_mut().insert(administrator);
    Ok(next.run(request).await)
}

/// Lets a call of `who` through, and tells the log which institution it is about.
pub(crate) async fn authorize(
    State((operator, who)): State<(Operator, Who)>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let administrator = Administrator::from_request_parts(&mut parts, &()).await?;
    let agency = administrator.agency();
    if agency.is_some() && who == Who::Operators {
        return Err(for_operators());
    }
    let named = match who {
        Who::Operators if parts.uri.path().starts_with(OF_INSTITUTION) => {
            Some(institution(&operator, &mut parts).await?)
        }
        Who::Operators | Who::Agencies => None,
        Who::TheAgency => Some(institution(&operator, &mut parts).await?),
    };
    if let Some(named) = &named
        && let Some(agency) = agency
        && operator.store.agency_of(named.institution).await? != Some(agency)
    {
        return Err((named.unknown)());
    }
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(named) = named {
        response.extensions_mut().insert(OnInstitution(named.institution));
    }
    Ok(response)
}

/// The institution that a path names, and the error if that does not exist.
struct Named {
    institution: InstitutionId,
    unknown: fn() -> ApiError,
}

async fn institution(operator: &Operator, parts: &mut Parts) -> Result<Named, ApiError> {
    let path = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| ApiError::unknown_path())?;
    let value = |name: &str| path.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
    if let Some(text) = value("institution") {
        let institution = InstitutionId::parse(&text).ok_or_else(unknown_institution)?;
        return Ok(Named { institution, unknown: unknown_institution });
    }
    if let Some(text) = value("binder") {
        let id = BinderId::parse(&text).ok_or_else(unknown_document)?;
        let institution = operator.store.sender_of(id).await?.ok_or_else(unknown_document)?;
        return Ok(Named { institution, unknown: unknown_document });
    }
    if let Some(text) = value("contract") {
        let id = ContractUuid::parse(&text).ok_or_else(unknown_contract)?;
        let institution = operator.store.institution_of(id).await?.ok_or_else(unknown_contract)?;
        return Ok(Named { institution, unknown: unknown_contract });
    }
    Err(ApiError::internal())
}

fn for_operators() -> ApiError {
    ApiError::forbidden(Text::fixed("운영자만 할 수 있는 일입니다", "only an operator may do this"))
}
