//! `/admin/v1/log` and `/admin/v1/institutions/{id}/log`: what operators and agencies did (SPEC 11).

use axum::extract::State;
use axum::response::Response;
use seoham_http::{ApiError, Path, Query};
use seoham_model::{ActionId, AgencyId, InstitutionId, PersonId, Text};
use seoham_store::admins::{Action, ActionPage};
use serde::{Deserialize, Serialize};

use super::{institution, json};
use crate::access::Administrator;
use crate::state::Operator;

/// Actions per page.
const PAGE: usize = 100;

#[derive(Deserialize)]
pub(crate) struct Before {
    before: Option<String>,
}

#[derive(Serialize)]
struct ActionReply {
    action_id: ActionId,
    done_at: i64,
    /// `OPR-…`, `AGC-…`, or `operator` for the token of the first start.
    by: String,
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    what: String,
    on: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    institution_id: Option<InstitutionId>,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<Action> for ActionReply {
    fn from(action: Action) -> Self {
        let Action { id, at, by, token, from, what, on, institution, status, reason } = action;
        Self {
            action_id: id,
            done_at: at.0,
            by,
            token,
            from,
            what,
            on,
            institution_id: institution,
            status,
            reason,
        }
    }
}

#[derive(Serialize)]
struct List {
    /// Newest first.
    actions: Vec<ActionReply>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_before: Option<ActionId>,
}

pub(crate) async fn all(
    State(operator): State<Operator>,
    Query(asked): Query<Before>,
) -> Result<Response, ApiError> {
    list(&operator, None, None, &asked).await
}

pub(crate) async fn of_institution(
    State(operator): State<Operator>,
    administrator: Administrator,
    Path(id): Path<String>,
    Query(asked): Query<Before>,
) -> Result<Response, ApiError> {
    list(&operator, Some(institution(&id)?), administrator.agency(), &asked).await
}

async fn list(
    operator: &Operator,
    institution: Option<InstitutionId>,
    agency: Option<AgencyId>,
    asked: &Before,
) -> Result<Response, ApiError> {
    let before = asked.before.as_deref().map(|text| {
        ActionId::parse(text).ok_or_else(|| {
            ApiError::invalid(Text::fixed(
                "before: 작업 번호(ACT-…)여야 합니다",
                "before: must be an action's id, ACT-…",
            ))
        })
    });
    let page = ActionPage { institution, before: before.transpose()?, limit: PAGE };
    let mut found = operator.store.actions(page).await?;
    if agency.is_some() {
        // A person has one id for all institutions.
        for action in &mut found {
            action.on.retain(|id| !id.starts_with(PersonId::PREFIX));
        }
    }
    let next_before = if found.len() == PAGE { found.last().map(|action| action.id) } else { None };
    json(&List { actions: found.into_iter().map(ActionReply::from).collect(), next_before })
}
