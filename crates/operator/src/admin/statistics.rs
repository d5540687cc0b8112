//! `GET /admin/v1/institutions/{id}/statistics`: what happened on each day, by contract (SPEC 11).

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use seoham_http::{ApiError, Path, Query};
use seoham_model::{ContractUuid, InstitutionId, NamedNumber, SeoulDay};
use seoham_store::statistics::{Counted, DayFigures, NO_CONTRACT};
use serde::Serialize;

use super::{institution, json, unknown_institution};
use crate::period::Period;
use crate::state::Operator;

#[derive(Serialize)]
struct Reply {
    institution_id: InstitutionId,
    name: String,
    from: SeoulDay,
    to: SeoulDay,
    /// By day and contract, ascending; a day on which nothing happened is missing.
    days: Vec<Day>,
    total: Figures,
}

#[derive(Serialize)]
struct Day {
    day: SeoulDay,
    /// Absent if the documents were gone when they were counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    contract_uuid: Option<ContractUuid>,
    #[serde(flatten)]
    figures: Figures,
}

/// Numbers of documents.
#[derive(Default, Serialize)]
struct Figures {
    accepted: u64,
    /// By code; a code that did not occur is missing.
    refused: BTreeMap<&'static str, u64>,
    notified: u64,
    read: u64,
    expired: u64,
    withdrawn: u64,
}

impl Figures {
    fn add(&mut self, counted: Counted, documents: u64) {
        let figure = match counted {
            Counted::Accepted => &mut self.accepted,
            Counted::Notified => &mut self.notified,
            Counted::Read => &mut self.read,
            Counted::Expired => &mut self.expired,
            Counted::Withdrawn => &mut self.withdrawn,
            Counted::InvalidValue | Counted::NotFound | Counted::Forbidden | Counted::InternalError => {
                self.refused.entry(counted.name()).or_default()
            }
        };
        *figure += documents;
    }
}

pub(crate) async fn show(
    State(operator): State<Operator>,
    Path(id): Path<String>,
    Query(period): Query<Period>,
) -> Result<Response, ApiError> {
    let institution_id = institution(&id)?;
    let today = SeoulDay::of(operator.now());
    let (from, to) = period.days(today)?;
    let overview =
        operator.store.institution(institution_id, today).await?.ok_or_else(unknown_institution)?;
    let counted = operator.store.statistics(institution_id, from, to).await?;
    let mut total = Figures::default();
    let mut days = Vec::with_capacity(counted.len());
    for DayFigures { day, contract, documents } in counted {
        let mut figures = Figures::default();
        for (counted, documents) in documents {
            figures.add(counted, documents);
            total.add(counted, documents);
        }
        let contract_uuid = Some(contract).filter(|contract| *contract != NO_CONTRACT);
        days.push(Day { day, contract_uuid, figures });
    }
    json(&Reply { institution_id, name: overview.institution.name, from, to, days, total })
}
