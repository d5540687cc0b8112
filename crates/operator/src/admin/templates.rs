//! `/admin/v1/templates/{kind}` and `/admin/v1/institutions/{id}/templates/{kind}`: the texts of the platform's channel,
//! and of an institution's own (SPEC 13 and 14).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::{ApiError, Language, Path, body};
use seoham_model::message::{MessageKind, MessageTemplate};
use seoham_model::{InstitutionId, Lang, Text, forms};
use seoham_store::templates::TemplateOwner;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{institution, json, unknown_institution};
use crate::state::Operator;

/// `PUT` of an institution's.
pub(crate) async fn set(
    State(operator): State<Operator>,
    Path((id, kind)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let owner = TemplateOwner::Institution(institution(&id)?);
    put(&operator, owner, kind_of(owner, &kind)?, request).await
}

/// `PUT` of the platform's.
pub(crate) async fn set_platform(
    State(operator): State<Operator>,
    Path(kind): Path<String>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    put(&operator, TemplateOwner::Platform, kind_of(TemplateOwner::Platform, &kind)?, request).await
}

async fn put(
    operator: &Operator,
    owner: TemplateOwner,
    kind: MessageKind,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let template = forms::template(&body::json(request).await?)?;
    change(operator, owner, kind, Some(template)).await
}

async fn change(
    operator: &Operator,
    owner: TemplateOwner,
    kind: MessageKind,
    template: Option<MessageTemplate>,
) -> Result<StatusCode, ApiError> {
    let is_set = template.is_some();
    if !operator.store.set_template(owner, kind, template).await? {
        return Err(unknown_institution());
    }
    tracing::info!(?owner, kind = kind.name(), is_set, "a template was changed");
    Ok(StatusCode::NO_CONTENT)
}

/// `GET` of an institution's.
pub(crate) async fn show(
    State(operator): State<Operator>,
    Path((id, kind)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    let owner = TemplateOwner::Institution(institution(&id)?);
    get(&operator, owner, kind_of(owner, &kind)?).await
}

/// `GET` of the platform's.
pub(crate) async fn show_platform(
    State(operator): State<Operator>,
    Path(kind): Path<String>,
) -> Result<Response, ApiError> {
    get(&operator, TemplateOwner::Platform, kind_of(TemplateOwner::Platform, &kind)?).await
}

async fn get(operator: &Operator, owner: TemplateOwner, kind: MessageKind) -> Result<Response, ApiError> {
    #[derive(Serialize)]
    struct Reply<'a> {
        kind: &'static str,
        #[serde(flatten)]
        template: std::collections::BTreeMap<&'a str, &'a RawValue>,
    }
    let template = operator.store.template(owner, kind).await?.ok_or_else(|| unknown(owner))?;
    let content = template.to_json();
    let template = serde_json::from_str(&content).map_err(|_| unknown(owner))?;
    json(&Reply { kind: kind.name(), template })
}

/// `DELETE` of an institution's: nothing can be sent under contracts that need it, and what waits is given up.
pub(crate) async fn remove(
    State(operator): State<Operator>,
    Path((id, kind)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let owner = TemplateOwner::Institution(institution(&id)?);
    change(&operator, owner, kind_of(owner, &kind)?, None).await
}

/// `DELETE` of the platform's: the built-in text is sent from now on, by providers that can send it.
pub(crate) async fn remove_platform(
    State(operator): State<Operator>,
    Path(kind): Path<String>,
) -> Result<StatusCode, ApiError> {
    change(&operator, TemplateOwner::Platform, kind_of(TemplateOwner::Platform, &kind)?, None).await
}

#[derive(Serialize)]
struct CheckReply {
    /// Nothing was found that keeps messages from being sent.
    good: bool,
    templates: Vec<CheckedTemplate>,
}

#[derive(Serialize)]
struct CheckedTemplate {
    /// Absent for the platform's.
    #[serde(skip_serializing_if = "Option::is_none")]
    institution_id: Option<InstitutionId>,
    kind: &'static str,
    good: bool,
    findings: Vec<FindingReply>,
}

#[derive(Serialize)]
struct FindingReply {
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    fault: bool,
    text: String,
}

/// `POST /admin/v1/templates/check`: checks every template.
pub(crate) async fn check_all(
    State(operator): State<Operator>,
    Language(lang): Language,
) -> Result<Response, ApiError> {
    check(&operator, None, lang).await
}

/// `POST /admin/v1/institutions/{id}/templates/check`
pub(crate) async fn check_of_institution(
    State(operator): State<Operator>,
    Path(id): Path<String>,
    Language(lang): Language,
) -> Result<Response, ApiError> {
    check(&operator, Some(TemplateOwner::Institution(institution(&id)?)), lang).await
}

async fn check(operator: &Operator, of: Option<TemplateOwner>, lang: Lang) -> Result<Response, ApiError> {
    let mut templates = Vec::new();
    let all = operator.store.templates().await?;
    for owned in all.into_iter().filter(|owned| of.is_none_or(|owner| owner == owned.owner)) {
        let found = operator.messengers.check(&owned.template).await;
        templates.push(CheckedTemplate {
            institution_id: match owned.owner {
                TemplateOwner::Platform => None,
                TemplateOwner::Institution(id) => Some(id),
            },
            kind: owned.kind.name(),
            good: !found.iter().any(|finding| finding.is_fault),
            findings: found
                .into_iter()
                .map(|finding| FindingReply {
                    provider: finding.provider,
                    fault: finding.is_fault,
                    text: finding.text.in_lang(lang).to_owned(),
                })
                .collect(),
        });
    }
    json(&CheckReply { good: templates.iter().all(|template| template.good), templates })
}

/// The kind that a path names. An institution's own channel announces documents only.
fn kind_of(owner: TemplateOwner, name: &str) -> Result<MessageKind, ApiError> {
    let kind = MessageKind::from_name(name).ok_or_else(|| unknown(owner))?;
    let is_its_own = owner == TemplateOwner::Platform || kind == MessageKind::DocumentArrived;
    if is_its_own { Ok(kind) } else { Err(unknown(owner)) }
}

fn unknown(owner: TemplateOwner) -> ApiError {
    ApiError::not_found(match owner {
        TemplateOwner::Institution(_) => Text::fixed(
            "없는 템플릿입니다. 기관의 템플릿은 document_arrived입니다",
            "there is no such template; an institution's is document_arrived",
        ),
        TemplateOwner::Platform => Text::fixed(
            "없는 템플릿입니다. 플랫폼의 템플릿은 document_arrived, login_link, pin_changed입니다",
            "there is no such template; the platform's are document_arrived, login_link and pin_changed",
        ),
    })
}
