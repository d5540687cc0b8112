//! `/admin/v1/people/…`: help for a person who is locked out (SPEC 8.8). An operator removes locks and resets
//! the PIN, but never sees or chooses one.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use seoham_http::{ApiError, body};
use seoham_model::{Text, forms};

use crate::actions::OnPerson;
use crate::state::Operator;

/// `POST /admin/v1/people/unlock`: removes every lock.
pub(crate) async fn unlock(State(operator): State<Operator>, request: Request) -> Result<Response, ApiError> {
    change(&operator, request, false).await
}

/// `POST /admin/v1/people/new-pin`: deletes the PIN and ends every session. The person sets a new PIN with a
/// link and the birthday.
pub(crate) async fn force_new_pin(
    State(operator): State<Operator>,
    request: Request,
) -> Result<Response, ApiError> {
    change(&operator, request, true).await
}

async fn change(operator: &Operator, request: Request, forget_pin: bool) -> Result<Response, ApiError> {
    let phone_number = forms::phone_number(&body::json(request).await?)?;
    let person = operator.store.person_by_phone(&phone_number).await?.ok_or_else(|| {
        ApiError::not_found(Text::fixed(
            "이 번호로 등록된 사람이 없습니다",
            "nobody is registered with this number",
        ))
    })?;
    operator.store.unlock(person, forget_pin).await?;
    tracing::info!(%person, forget_pin, "a person was unlocked");
    Ok((Extension(OnPerson(person)), StatusCode::NO_CONTENT).into_response())
}
