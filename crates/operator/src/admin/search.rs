//! `POST /admin/v1/institutions/{id}/documents/search`: finds an institution's documents by their receiver, or by their
//! external id within some days (SPEC 11). The call says why, which is logged.

use std::ops::Range;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use seoham_http::{ApiError, Path, body};
use seoham_model::forms::{self, Searched, SearchedReceiver};
use seoham_model::{BinderId, InstitutionId, ParcelId, PersonId, SeoulDay};
use seoham_store::{Lane, StoreError};
use serde::Serialize;

use super::{institution, json};
use crate::actions::{OnPerson, Reason};
use crate::state::Operator;

/// Documents per answer.
const DOCUMENTS: usize = 100;
/// Parcels looked at for an external id in one call: every own part in them is opened.
const PARCELS: usize = 500;

#[derive(Default, Serialize)]
struct Found {
    /// Newest first if a receiver was asked for, else oldest first.
    documents: Vec<BinderId>,
    /// The cursor of the next call: older documents of the receiver. Absent when there are no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_before: Option<BinderId>,
    /// The cursor of the next call: later documents. Absent when the days are over.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<BinderId>,
}

pub(crate) async fn search(
    State(operator): State<Operator>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let institution = institution(&id)?;
    let search = forms::document_search(&body::json(request).await?)?;
    let reason = Extension(Reason(search.reason));
    match search.searched {
        Searched::Receiver { receiver, before } => {
            let Some(person) = person(&operator, &receiver).await? else {
                return Ok((reason, json(&Found::default())?).into_response());
            };
            let documents = operator.store.documents_for(institution, person, before, DOCUMENTS).await?;
            let next_before = documents.last().copied().filter(|_| documents.len() == DOCUMENTS);
            // Whether somebody is registered whom the institution never wrote to is not its agency's business.
            let is_theirs = !documents.is_empty();
            let found = json(&Found { documents, next_before, next_after: None })?;
            Ok(if is_theirs {
                (reason, Extension(OnPerson(person)), found).into_response()
            } else {
                (reason, found).into_response()
            })
        }
        Searched::ExternalId { external_document_uuid, from, to, after } => {
            let within = range(from, to, after);
            let found = by_external_id(&operator, institution, &external_document_uuid, within).await?;
            Ok((reason, json(&found)?).into_response())
        }
    }
}

/// The person with a number or a ci, whether or not they refuse the institution.
async fn person(operator: &Operator, receiver: &SearchedReceiver) -> Result<Option<PersonId>, StoreError> {
    match receiver {
        SearchedReceiver::PhoneNumber(number) => operator.store.person_by_phone(number).await,
        SearchedReceiver::Ci(ci) => operator.store.person_by_ci(ci).await,
    }
}

/// The parcels accepted on these days, from the one behind `after` on.
fn range(from: SeoulDay, to: SeoulDay, after: Option<BinderId>) -> Range<ParcelId> {
    let at = |day: SeoulDay| ParcelId::first_at(u64::try_from(day.begins_at().0 * 1000).unwrap_or(0));
    let begin = at(from);
    let start = after.map_or(begin, |after| begin.max(after.parcel()));
    start..at(to.next())
}

/// The cursor behind `last`, from `start` on. It is a time and not an id: the parcel may be another institution's.
fn cursor(start: ParcelId, last: ParcelId) -> BinderId {
    let time = ParcelId::first_at(last.unix_millis());
    // More than one page within a millisecond.
    let cursor = if time > start { time } else { last.next() };
    cursor.document(0)
}

async fn by_external_id(
    operator: &Operator,
    institution: InstitutionId,
    external_id: &str,
    within: Range<ParcelId>,
) -> Result<Found, StoreError> {
    let start = within.start;
    let parcels = operator.store.parcels_within(institution, within, PARCELS).await?;
    let mut documents = Vec::new();
    for (parcel, count) in parcels.of_institution {
        let ids: Vec<BinderId> = (0..count).map(|position| parcel.document(position)).collect();
        let statuses = operator.store.statuses(Lane::Bulk, institution, ids.clone()).await?;
        for (id, status) in ids.into_iter().zip(statuses) {
            match status {
                Ok(Some(status)) if status.external_document_uuid.as_deref() == Some(external_id) => {
                    documents.push(id);
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, document = %id, "a document cannot be read"),
            }
        }
    }
    Ok(Found { documents, next_before: None, next_after: parcels.last.map(|last| cursor(start, last)) })
}
