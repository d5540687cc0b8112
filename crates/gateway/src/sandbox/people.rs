//! `POST /sandbox/v1/people`, `/join`, `/refuse`, `/accept`.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use seoham_http::ApiError;
use seoham_model::{PersonId, Text, forms};
use seoham_store::people::{Registered, Registration};
use seoham_store::personas;
use seoham_store::registering::{number_outdated, number_taken};
use seoham_vault::hash_pin_bounded;
use utoipa::ToSchema;

use crate::admission::small;
use crate::caller::Caller;
use crate::state::Gateway;

/// A person of the sandbox.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub(crate) struct Person {
    #[schema(pattern = "^[0-9]{10,11}$")]
    phone_number: String,
    /// The day since which the number is theirs. A later day than that of its present owner moves the number.
    #[schema(pattern = "^[0-9]{8}$")]
    phone_assigned_on: Option<String>,
    #[schema(max_length = 20)]
    name: String,
    #[schema(pattern = "^[0-9]{8}$")]
    birthday: String,
    #[schema(max_length = 88)]
    ci: Option<String>,
    /// Has a document box.
    member: bool,
    /// Six digits.
    #[schema(pattern = "^[0-9]{6}$")]
    pin: Option<String>,
}

/// Whom a call is about.
#[derive(ToSchema)]
#[allow(dead_code, reason = "described, never built")]
pub(crate) struct Whom {
    #[schema(pattern = "^[0-9]{10,11}$")]
    phone_number: String,
}

/// Another person to send to.
#[utoipa::path(
    post, path = "/sandbox/v1/people", tag = "sandbox", request_body = inline(Person),
    responses((status = 201)), security(("access_token" = [])),
)]
pub(super) async fn add(
    State(gateway): State<Gateway>,
    caller: Caller,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let bytes = small(&gateway.small_calls, caller.institution, request).await?;
    let now = gateway.now();
    let mut person = forms::person(&bytes, now)?;
    if personas::is_reserved(&person) {
        return Err(ApiError::invalid(Text::fixed(
            "phone_number, ci: 샌드박스에 늘 있는 사람의 값이어서 등록하거나 바꿀 수 없습니다",
            "phone_number, ci: of a person who is always there in a sandbox and cannot be changed",
        )));
    }
    let pin = match person.pin.take() {
        Some(pin) => Some(hash_pin_bounded(pin).await),
        None => None,
    };
    let registered = gateway.store.register(vec![Registration { person, pin }], now).await?;
    match registered.first() {
        Some(Registered::NumberOutdated { since }) => Err(ApiError::invalid(number_outdated(*since))),
        Some(Registered::NumberTaken { since }) => Err(ApiError::invalid(number_taken(*since))),
        _ => Ok(StatusCode::CREATED),
    }
}

/// The person joins the box.
#[utoipa::path(
    post, path = "/sandbox/v1/people/join", tag = "sandbox", request_body = inline(Whom),
    responses((status = 204)), security(("access_token" = [])),
)]
pub(super) async fn join(
    State(gateway): State<Gateway>,
    caller: Caller,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let person = person(&gateway, &caller, request).await?;
    gateway.store.join(person, gateway.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The person refuses the calling institution.
#[utoipa::path(
    post, path = "/sandbox/v1/people/refuse", tag = "sandbox", request_body = inline(Whom),
    responses((status = 204)), security(("access_token" = [])),
)]
pub(super) async fn refuse(
    State(gateway): State<Gateway>,
    caller: Caller,
    request: Request,
) -> Result<StatusCode, ApiError> {
    set_refusal(&gateway, &caller, request, true).await
}

/// The person takes the calling institution's documents again.
#[utoipa::path(
    post, path = "/sandbox/v1/people/accept", tag = "sandbox", request_body = inline(Whom),
    responses((status = 204)), security(("access_token" = [])),
)]
pub(super) async fn accept(
    State(gateway): State<Gateway>,
    caller: Caller,
    request: Request,
) -> Result<StatusCode, ApiError> {
    set_refusal(&gateway, &caller, request, false).await
}

async fn set_refusal(
    gateway: &Gateway,
    caller: &Caller,
    request: Request,
    refused: bool,
) -> Result<StatusCode, ApiError> {
    let person = person(gateway, caller, request).await?;
    gateway.store.set_refusal(person, caller.institution, refused, gateway.now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn person(gateway: &Gateway, caller: &Caller, request: Request) -> Result<PersonId, ApiError> {
    let phone_number = forms::phone_number(&small(&gateway.small_calls, caller.institution, request).await?)?;
    let found = gateway.store.person_by_phone(&phone_number).await?;
    found.ok_or_else(|| {
        ApiError::not_found(Text::fixed(
            "phone_number: 등록되지 않은 사람입니다",
            "phone_number: no such person",
        ))
    })
}
