//! `/admin/v1/institutions/{id}/contracts`.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::{ApiError, Path, body};
use seoham_model::card::Card;
use seoham_model::{ContractUuid, forms};
use seoham_store::accounts::Contract;
use serde::Serialize;

use super::{created, institution, unknown_contract, unknown_institution};
use crate::state::Operator;

#[derive(Serialize)]
struct Created {
    contract_uuid: ContractUuid,
}

pub(crate) async fn create(
    State(operator): State<Operator>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let institution = institution(&id)?;
    let product = forms::product(&body::json(request).await?)?;
    let uuid = ContractUuid::generate(operator.store.clock());
    if !operator.store.create_contract(institution, Contract::new(uuid, product)).await? {
        return Err(unknown_institution());
    }
    tracing::info!(%institution, contract = %uuid, "contract created");
    created(&Created { contract_uuid: uuid })
}

/// Sets the members of a JSON payload that the box shows on a document's card; without members the card is
/// removed.
pub(crate) async fn set_card(
    State(operator): State<Operator>,
    Path(contract): Path<String>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let uuid = ContractUuid::parse(&contract).ok_or_else(unknown_contract)?;
    let card = forms::card(&body::json(request).await?)?;
    let card = Some(card).filter(|card| *card != Card::default());
    if !operator.store.set_card(uuid, card).await? {
        return Err(unknown_contract());
    }
    tracing::info!(contract = %uuid, "a contract's card was set");
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn close(
    State(operator): State<Operator>,
    Path((id, contract)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let institution = institution(&id)?;
    let uuid = ContractUuid::parse(&contract).ok_or_else(unknown_contract)?;
    if !operator.store.close_contract(institution, uuid, operator.now()).await? {
        return Err(unknown_contract());
    }
    tracing::info!(%institution, contract = %uuid, "contract closed");
    Ok(StatusCode::NO_CONTENT)
}
