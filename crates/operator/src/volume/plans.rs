//! `/admin/v1/institutions/{id}/volume-plans` and `/admin/v1/volume-plans`.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::response::Response;
use seoham_http::{ApiError, Path, Query, body};
use seoham_model::{InstitutionId, NamedNumber, PlanId, SeoulDay, Text, forms};
use seoham_store::volumes::{PlanState, VolumePlan};
use serde::Serialize;

use super::forecast::at_the_end;
use crate::admin::{created, institution, json, unknown_institution};
use crate::period::{DAYS_MAX, Period};
use crate::state::Operator;

/// Plans per response.
const PLANS_MAX: usize = 1_000;

#[derive(Serialize)]
struct VolumePlanReply {
    volume_plan_id: PlanId,
    institution_id: InstitutionId,
    name: String,
    from: SeoulDay,
    to: SeoulDay,
    documents_per_day: u64,
    expected_tps: u32,
    purpose: String,
    state: &'static str,
    announced_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_at: Option<i64>,
}

impl From<VolumePlan> for VolumePlanReply {
    fn from(plan: VolumePlan) -> Self {
        Self {
            volume_plan_id: plan.id,
            institution_id: plan.institution,
            name: plan.volume.name,
            from: plan.volume.from,
            to: plan.volume.to,
            documents_per_day: plan.volume.documents_per_day,
            expected_tps: plan.volume.expected_tps,
            purpose: plan.volume.purpose,
            state: plan.state.name(),
            announced_at: plan.announced_at.0,
            decided_at: plan.decided_at.map(|at| at.0),
        }
    }
}

/// Announces a plan.
pub(crate) async fn announce(
    State(operator): State<Operator>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let institution = institution(&id)?;
    let volume = forms::volume_plan(&body::json(request).await?, operator.now())?;
    let documents_per_day = volume.documents_per_day;
    let plan = VolumePlan {
        id: PlanId::generate(operator.store.clock()),
        institution,
        volume,
        announced_at: operator.now(),
        state: PlanState::Announced,
        decided_at: None,
    };
    if !operator.store.announce_plan(plan.clone()).await? {
        return Err(unknown_institution());
    }
    tracing::info!(%institution, plan = %plan.id, documents_per_day, "volume announced");
    created(&VolumePlanReply::from(plan))
}

pub(crate) async fn approve(
    State(operator): State<Operator>,
    Path((id, plan)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    decide(&operator, &id, &plan, PlanState::Approved).await
}

pub(crate) async fn decline(
    State(operator): State<Operator>,
    Path((id, plan)): Path<(String, String)>,
) -> Result<Response, ApiError> {
    decide(&operator, &id, &plan, PlanState::Declined).await
}

async fn decide(operator: &Operator, id: &str, plan: &str, state: PlanState) -> Result<Response, ApiError> {
    let unknown = || ApiError::not_found(Text::fixed("없는 발송 계획입니다", "there is no such volume plan"));
    let institution = institution(id)?;
    let plan = PlanId::parse(plan).ok_or_else(unknown)?;
    let decided = operator.store.decide_plan(institution, plan, state, operator.now()).await?;
    let decided = decided.ok_or_else(unknown)?;
    tracing::info!(%institution, %plan, state = state.name(), "volume plan decided");
    json(&VolumePlanReply::from(decided))
}

#[derive(Serialize)]
struct WaitingPlans {
    volume_plans: Vec<VolumePlanReply>,
}

/// Plans of all institutions that wait for the operator's decision.
pub(crate) async fn waiting(State(operator): State<Operator>) -> Result<Response, ApiError> {
    let plans = operator.store.waiting_plans(PLANS_MAX).await?;
    json(&WaitingPlans { volume_plans: plans.into_iter().map(VolumePlanReply::from).collect() })
}

#[derive(Serialize)]
struct Volumes {
    /// Newest first.
    volume_plans: Vec<VolumePlanReply>,
    /// Days with actual or planned documents.
    days: Vec<Day>,
    today: Today,
}

#[derive(Default, Serialize)]
struct Day {
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<SeoulDay>,
    /// The sum of the approved plans.
    planned: u64,
    accepted: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    alerted_at: Option<i64>,
}

#[derive(Serialize)]
struct Today {
    day: SeoulDay,
    planned: u64,
    accepted: u64,
    /// The forecast total of the day, at its rate so far.
    forecast: u64,
}

/// Plans beside the actual volumes, by day.
pub(crate) async fn list(
    State(operator): State<Operator>,
    Path(id): Path<String>,
    Query(period): Query<Period>,
) -> Result<Response, ApiError> {
    let institution = institution(&id)?;
    let today = SeoulDay::of(operator.now());
    let (from, to) = period.days(today)?;
    operator.store.institution(institution, today).await?.ok_or_else(unknown_institution)?;
    let plans = operator.store.plans(institution, PLANS_MAX).await?;
    let came = operator.store.volumes(institution, from, to).await?;
    let of_today = if (from..=to).contains(&today) {
        came.iter().find(|volume| volume.day == today).copied()
    } else {
        operator.store.volumes(institution, today, today).await?.first().copied()
    };

    let mut days: BTreeMap<SeoulDay, Day> = BTreeMap::new();
    for volume in came {
        let alerted_at = volume.alerted_at.map(|at| at.0);
        let day = Day { accepted: volume.accepted, alerted_at, ..Day::default() };
        days.insert(volume.day, day);
    }
    for plan in plans.iter().filter(|plan| plan.state == PlanState::Approved) {
        let first = plan.volume.from.max(from);
        for n in 0..=plan.volume.to.min(to).days_since(first).min(DAYS_MAX) {
            days.entry(first.plus_days(n)).or_default().planned += plan.volume.documents_per_day;
        }
    }
    let days = days.into_iter().map(|(day, shown)| Day { day: Some(day), ..shown }).collect();
    let accepted = of_today.map_or(0, |volume| volume.accepted);
    let planned = plans
        .iter()
        .filter(|plan| {
            plan.state == PlanState::Approved && (plan.volume.from..=plan.volume.to).contains(&today)
        })
        .map(|plan| plan.volume.documents_per_day)
        .sum();
    let forecast = at_the_end(today, accepted, operator.now());
    json(&Volumes {
        volume_plans: plans.into_iter().map(VolumePlanReply::from).collect(),
        days,
        today: Today { day: today, planned, accepted, forecast },
    })
}
