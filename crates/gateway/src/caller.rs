//! Who calls, and under which contract (SPEC 2).

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use seoham_http::error::wrong_network;
use seoham_http::{ApiError, client_address, headers};
use seoham_model::token::is_access_token;
use seoham_model::{ContractUuid, InstitutionId, Text};
use seoham_store::Lane;
use seoham_store::accounts::{self, Contract};
use seoham_vault::TokenHash;

use crate::state::Gateway;

const CONTRACT_UUID: HeaderName = HeaderName::from_static("contract-uuid");

/// An institution with a valid access token. `Contract-Uuid` is optional, but must be valid if it is present.
pub(crate) struct Caller {
    pub(crate) institution: InstitutionId,
}

/// An institution with a valid access token under one of its open contracts.
pub(crate) struct Sender {
    pub(crate) institution: InstitutionId,
    pub(crate) contract: Contract,
    suspended: bool,
}

impl FromRequestParts<Gateway> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, ApiError> {
        let (caller, names_contract) = authenticate(gateway, parts).await?;
        if names_contract && caller.contract.is_none() {
            return Err(no_such_contract());
        }
        Ok(Self { institution: caller.institution })
    }
}

impl FromRequestParts<Gateway> for Sender {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, ApiError> {
        let (caller, names_contract) = authenticate(gateway, parts).await?;
        if !names_contract {
            return Err(ApiError::invalid(Text::fixed(
                "Contract-Uuid 헤더가 없습니다",
                "the Contract-Uuid header is missing",
            )));
        }
        let contract = caller.contract.ok_or_else(no_such_contract)?;
        Ok(Self { institution: caller.institution, contract, suspended: caller.suspended })
    }
}

impl Sender {
    /// Refuses a send under a contract that cannot be sent under now.
    pub(crate) fn may_send(&self) -> Result<(), ApiError> {
        if self.suspended {
            return Err(ApiError::forbidden(Text::fixed(
                "이 기관의 발송이 정지되어 있어 이 요청으로 접수된 문서는 없습니다. 운영자에게 문의해 주십시오",
                "this institution's sends are suspended and this request accepted nothing; please ask the operator",
            )));
        }
        if self.contract.lacks_template {
            return Err(ApiError::invalid(Text::fixed(
                "document_arrived: 이 계약은 기관의 채널로 알리는데 기관의 템플릿이 아직 없습니다",
                "document_arrived: this contract notifies by the institution's own channel, whose template does not \
                 exist yet",
            )));
        }
        Ok(())
    }
}

/// Authenticates the caller. Also returns whether the request names a contract.
async fn authenticate(gateway: &Gateway, parts: &Parts) -> Result<(accounts::Caller, bool), ApiError> {
    let headers = &parts.headers;
    let token = headers::bearer(headers)?
        .filter(|token| is_access_token(token))
        .ok_or_else(ApiError::unauthorized)?;
    let hash = TokenHash::of(token);
    if gateway.lane == Lane::Bulk {
        gateway.admission.refuse_early(&hash, headers)?;
    }
    let contract = headers::single(headers, &CONTRACT_UUID)?;
    let named = contract.and_then(|value| std::str::from_utf8(value).ok()).and_then(ContractUuid::parse);
    let caller = gateway.store.authenticate(gateway.lane, hash, named, gateway.now()).await?;
    if gateway.lane == Lane::Bulk {
        gateway.admission.learn(hash, caller.as_ref().map(|caller| caller.institution));
    }
    let caller = caller.ok_or_else(ApiError::unauthorized)?;
    if let Some(networks) = &caller.allowed_networks
        && !networks.contain(client_address(&parts.extensions, headers, gateway.behind_proxy))
    {
        return Err(wrong_network());
    }
    gateway.token_used(hash);
    Ok((caller, contract.is_some()))
}

fn no_such_contract() -> ApiError {
    ApiError::not_found(Text::fixed(
        "Contract-Uuid: 이 기관의 유효한 계약이 아닙니다",
        "Contract-Uuid: no open contract of this institution",
    ))
}
