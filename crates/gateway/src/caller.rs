//! Who calls, and under which contract (SPEC 2).

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use seoham_http::ApiError;
use seoham_model::token::is_access_token;
use seoham_model::{ContractUuid, InstitutionId, Text};
use seoham_store::Lane;
use seoham_store::accounts::{self, Contract};
use seoham_vault::TokenHash;

use crate::state::Gateway;

const CONTRACT_UUID: &str = "contract-uuid";

/// An institution with a valid access token. A `Contract-Uuid` is optional, but if it is sent it
/// must be right.
pub(crate) struct Caller {
    pub(crate) institution: InstitutionId,
}

/// An institution with a valid access token under one of its open contracts.
pub(crate) struct Sender {
    pub(crate) institution: InstitutionId,
    pub(crate) contract: Contract,
}

impl FromRequestParts<Gateway> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, ApiError> {
        let caller = authenticate(gateway, &parts.headers).await?;
        if parts.headers.contains_key(CONTRACT_UUID) && caller.contract.is_none() {
            return Err(no_such_contract());
        }
        Ok(Self { institution: caller.institution })
    }
}

impl FromRequestParts<Gateway> for Sender {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, ApiError> {
        let caller = authenticate(gateway, &parts.headers).await?;
        if !parts.headers.contains_key(CONTRACT_UUID) {
            return Err(ApiError::invalid(Text::fixed(
                "Contract-Uuid 헤더가 없습니다",
                "the Contract-Uuid header is missing",
            )));
        }
        let contract = caller.contract.ok_or_else(no_such_contract)?;
        Ok(Self { institution: caller.institution, contract })
    }
}

async fn authenticate(gateway: &Gateway, headers: &HeaderMap) -> Result<accounts::Caller, ApiError> {
    let token = bearer(headers).filter(|token| is_access_token(token)).ok_or_else(ApiError::unauthorized)?;
    let hash = TokenHash::of(token);
    if gateway.lane == Lane::Bulk {
        gateway.admission.refuse_early(&hash, headers)?;
    }
    let named = headers.get(CONTRACT_UUID).and_then(|value| value.to_str().ok());
    let named = named.and_then(|value| ContractUuid::parse(value.trim()));
    let caller = gateway.store.authenticate(gateway.lane, hash, named, gateway.now()).await?;
    if gateway.lane == Lane::Bulk {
        gateway.admission.learn(hash, caller.as_ref().map(|caller| caller.institution));
    }
    caller.ok_or_else(ApiError::unauthorized)
}

fn no_such_contract() -> ApiError {
    ApiError::not_found(Text::fixed(
        "Contract-Uuid: 이 기관의 유효한 계약이 아닙니다",
        "Contract-Uuid: no open contract of this institution",
    ))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
