//! Who calls, and under which contract (SPEC 2).

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use seoham_http::ApiError;
use seoham_model::token::is_access_token;
use seoham_model::{ContractUuid, InstitutionId, Text};
use seoham_store::Lane;
use seoham_store::accounts::Contract;
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
        let institution = authenticate(gateway, &parts.headers).await?;
        if parts.headers.contains_key(CONTRACT_UUID) {
            contract(gateway, institution, &parts.headers).await?;
        }
        Ok(Self { institution })
    }
}

impl FromRequestParts<Gateway> for Sender {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, ApiError> {
        let institution = authenticate(gateway, &parts.headers).await?;
        if !parts.headers.contains_key(CONTRACT_UUID) {
            return Err(ApiError::invalid(Text::fixed(
                "Contract-Uuid 헤더가 없습니다",
                "the Contract-Uuid header is missing",
            )));
        }
        let contract = contract(gateway, institution, &parts.headers).await?;
        Ok(Self { institution, contract })
    }
}

async fn authenticate(gateway: &Gateway, headers: &HeaderMap) -> Result<InstitutionId, ApiError> {
    let token = bearer(headers).filter(|token| is_access_token(token)).ok_or_else(ApiError::unauthorized)?;
    let hash = TokenHash::of(token);
    if gateway.lane == Lane::Bulk {
        gateway.admission.refuse_early(&hash, headers)?;
    }
    let institution = gateway.store.authenticate(gateway.lane, hash, gateway.now()).await?;
    if gateway.lane == Lane::Bulk {
        gateway.admission.learn(hash, institution);
    }
    institution.ok_or_else(ApiError::unauthorized)
}

async fn contract(
    gateway: &Gateway,
    institution: InstitutionId,
    headers: &HeaderMap,
) -> Result<Contract, ApiError> {
    let uuid =
        headers.get(CONTRACT_UUID).and_then(|v| v.to_str().ok()).and_then(|v| ContractUuid::parse(v.trim()));
    let found = match uuid {
        Some(uuid) => gateway.store.open_contract(gateway.lane, institution, uuid).await?,
        None => None,
    };
    found.ok_or_else(|| {
        ApiError::not_found(Text::fixed(
            "Contract-Uuid: 이 기관의 유효한 계약이 아닙니다",
            "Contract-Uuid: no open contract of this institution",
        ))
    })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
