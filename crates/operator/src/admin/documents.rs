//! `/admin/v1/documents/{binder}`: all data about a document, with personal values masked.

use axum::extract::State;
use axum::response::Response;
use secrecy::ExposeSecret;
use seoham_http::{ApiError, Path};
use seoham_model::status_data::StatusData;
use seoham_model::{BinderId, ContractUuid, InstitutionId, NamedNumber, mask};
use seoham_store::documents::DocumentRecord;
use seoham_store::events::Event;
use serde::Serialize;

use super::{json, notifications, unknown_document};
use crate::state::Operator;

#[derive(Serialize)]
struct DocumentReply {
    document_binder_uuid: BinderId,
    institution_id: InstitutionId,
    contract_uuid: ContractUuid,
    /// As the institution gets it, without the payload.
    #[serde(flatten)]
    status: StatusData,
    read_expired_at: i64,
    notification: &'static str,
    /// Details of a notification that the messenger did not accept.
    #[serde(skip_serializing_if = "Option::is_none")]
    undelivered: Option<notifications::NotificationReply>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_document_uuid: Option<String>,
    common_categories: Vec<&'static str>,
    link: String,
    cs_number: String,
    cs_name: String,
    /// Titles, messages and payloads can name a person, so an operator sees only their length.
    title_characters: usize,
    message_characters: usize,
    payload_characters: usize,
    receiver: Receiver,
    /// Every step, as the institution's feed has it.
    timeline: Vec<StepReply>,
}

#[derive(Serialize)]
struct StepReply {
    seq: u64,
    #[serde(rename = "type")]
    event_type: &'static str,
    at: i64,
}

#[derive(Serialize)]
struct Receiver {
    /// Absent if the number passed on to another person.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone_number: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    member_since: Option<i64>,
}

pub(crate) async fn show(
    State(operator): State<Operator>,
    Path(binder): Path<String>,
) -> Result<Response, ApiError> {
    let id = BinderId::parse(&binder).ok_or_else(unknown_document)?;
    let record = operator.store.describe(id).await?.ok_or_else(unknown_document)?;
    tracing::info!(document = %id, "document looked at by the operator");
    let undelivered = operator.store.undelivered_one(id).await?.map(notifications::NotificationReply::from);
    let steps = operator.store.timeline(None, id).await?.unwrap_or_default();
    let step =
        |event: Event| StepReply { seq: event.seq, event_type: event.event_type.name(), at: event.at.0 };
    let timeline = steps.into_iter().map(step).collect();
    json(&DocumentReply { undelivered, timeline, ..shown(id, record, &operator) })
}

fn shown(id: BinderId, record: DocumentRecord, operator: &Operator) -> DocumentReply {
    let (times, deadline_at) = (record.status.times, record.status.deadline_at);
    let length = |text: Option<&str>| text.map_or(0, |t| t.chars().count());
    DocumentReply {
        document_binder_uuid: id,
        institution_id: record.institution,
        contract_uuid: record.contract,
        status: StatusData::of(&times, deadline_at, None, operator.now()),
        read_expired_at: deadline_at.0,
        notification: record.notification.name(),
        undelivered: None,
        timeline: Vec::new(),
        hash: record.hash,
        external_document_uuid: record.own.external_document_uuid,
        common_categories: record.content.categories.names(),
        title_characters: length(Some(&record.content.title)),
        message_characters: length(record.content.message.as_deref()),
        payload_characters: length(record.own.payload.as_deref()),
        link: record.content.link,
        cs_number: record.content.cs_number,
        cs_name: record.content.cs_name,
        receiver: Receiver {
            phone_number: record
                .recipient
                .phone_number
                .map(|number| mask::phone_number(number.expose_secret())),
            name: mask::name(record.recipient.name.expose_secret()),
            member_since: record.recipient.member_since.map(|t| t.0),
        },
    }
}
