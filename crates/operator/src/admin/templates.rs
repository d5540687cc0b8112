//! `/admin/v1/institutions/{id}/templates/{kind}`: the texts of an institution's own channel (SPEC 13 and 14).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::{ApiError, Path, body};
use seoham_model::{Text, forms};
use serde::Serialize;

use super::{institution, json, unknown_institution};
use crate::state::Operator;

/// The kind of message that an institution's own channel sends.
const KIND: &str = "document_arrived";

#[derive(Serialize)]
struct TemplateReply<'a> {
    kind: &'static str,
    body: &'a str,
}

/// `PUT`: sets the text.
pub(crate) async fn set(
    State(operator): State<Operator>,
    Path((id, kind)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let id = institution(&id)?;
    check(&kind)?;
    let template = forms::template(&body::json(request).await?)?;
    if !operator.store.set_template(id, Some(template)).await? {
        return Err(unknown_institution());
    }
    tracing::info!(institution = %id, "an institution's template was set");
    Ok(StatusCode::NO_CONTENT)
}

/// `GET`
pub(crate) async fn show(
    State(operator): State<Operator>,
    Path((id, kind)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let id = institution(&id)?;
    check(&kind)?;
    let template = operator.store.template(id).await?.ok_or_else(unknown)?;
    json(&TemplateReply { kind: KIND, body: template.body() })
}

/// `DELETE`: nothing can be sent under contracts that need it, and what waits is given up.
pub(crate) async fn remove(
    State(operator): State<Operator>,
    Path((id, kind)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let id = institution(&id)?;
    check(&kind)?;
    if !operator.store.set_template(id, None).await? {
        return Err(unknown_institution());
    }
    tracing::info!(institution = %id, "an institution's template was removed");
    Ok(StatusCode::NO_CONTENT)
}

fn check(kind: &str) -> Result<(), ApiError> {
    if kind == KIND { Ok(()) } else { Err(unknown()) }
}

fn unknown() -> ApiError {
    ApiError::not_found(Text::fixed(
        "없는 템플릿입니다. 기관의 템플릿은 document_arrived입니다",
        "there is no such template; an institution's is document_arrived",
    ))
}
