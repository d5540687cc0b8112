//! `POST /v1/documents/bulk` (SPEC 5).

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::response::Response;
use seoham_http::{ApiError, Language};
use seoham_model::SeoulDay;
use seoham_model::document::{CheckContext, ReadItem};
use seoham_model::violation::{Place, Rule, Violation};
use seoham_model::{BinderId, Lang, UnixSeconds, bulk as envelope};
use seoham_store::Lane;
use serde::Serialize;
use utoipa::ToSchema;

use super::run::{Decision, Item, process};
use super::verdict::Refusal;
use super::wire::BulkSend;
use super::{Additions, add_dry_run_headers};
use crate::admission::{AdmittedBody, FairPermit, admit_body};
use crate::caller::Sender;
use crate::reply::json;
use crate::state::Gateway;

#[derive(Serialize, ToSchema)]
#[schema(as = BulkSendResult)]
pub(crate) struct BulkReply {
    /// One per item, in the order of the request.
    documents: Vec<ItemReply>,
}

/// Accepted: with `document_binder_uuid`. Refused: with `error_code` and `error_message`.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkSendItem)]
struct ItemReply {
    external_document_uuid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    document_binder_uuid: Option<BinderId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

/// Sends 1 to 100 documents; every item gets its own answer.
///
/// When the 200 leaves, every accepted item is durable.
#[utoipa::path(
    post, path = "/v1/documents/bulk", tag = "documents", request_body = inline(BulkSend),
    params(
        ("Contract-Uuid" = String, Header, description = "CON-…"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "1 to 64 printable characters: each item gets its first verdict under this key, for 7 days"),
        ("Seoham-Dry-Run" = Option<bool>, Header, description = "check everything, store nothing"),
    ),
    responses((status = 200, body = inline(BulkReply))),
    security(("access_token" = [])),
)]
pub(crate) async fn bulk(
    State(gateway): State<Gateway>,
    Language(lang): Language,
    sender: Sender,
    request: Request,
) -> Result<Response, ApiError> {
    sender.may_send()?;
    let (parts, stream) = request.into_parts();
    let additions = Additions::of(&parts.headers)?;
    let body = admit_body(&gateway.admission, sender.institution, &parts.headers, stream).await?;
    let permit = gateway.admission.permit(sender.institution).await;
    let work = send(gateway.clone(), sender, additions, body, permit, lang);
    gateway.bulk_work.of(work).await
}

/// Processes the rest of the request, under its permit.
async fn send(
    gateway: Gateway,
    sender: Sender,
    additions: Additions,
    body: AdmittedBody,
    permit: FairPermit,
    lang: Lang,
) -> Result<Response, ApiError> {
    let read: Vec<ReadItem<'_>> = envelope::documents(&body.bytes)?.into_iter().map(ReadItem::read).collect();
    let external_ids: Vec<String> =
        read.iter().map(|item| item.external_document_uuid().unwrap_or_default()).collect();
    let repeated = envelope::repeated(external_ids.iter().map(String::as_str).filter(|id| !id.is_empty()));
    let context = |now| CheckContext { now, product: sender.contract.product, bulk: true };
    let trouble = additions.trouble(&gateway, sender.institution, &body.bytes, &read, context(gateway.now()));
    trouble.before()?;
    let check = |now: UnixSeconds| {
        let context = context(now);
        let items = read.iter().zip(&external_ids).enumerate().map(|(i, (read, external_id))| {
            let mut item = Item::check(read, Place::Bulk(i), context);
            if repeated.contains(&external_id.as_str()) {
                refuse_repeated(&mut item);
            } else if additions.remembers() && !external_id.is_empty() {
                item.key_by(read, external_id, &sender);
            }
            item
        });
        items.collect()
    };
    let decisions = process(&gateway, &sender, Lane::Bulk, &additions, Some(permit), check).await?;
    count_verdicts(&decisions, &additions);
    let replies = external_ids.into_iter().zip(decisions).enumerate();
    let documents = replies.map(|(i, (id, decision))| ItemReply::of(id, decision, i, lang)).collect();
    let mut answer = json(&BulkReply { documents })?;
    if additions.dry_run {
        let today = SeoulDay::of(gateway.now());
        if let Some(overview) = gateway.store.institution(sender.institution, today).await? {
            add_dry_run_headers(
                &mut answer,
                &overview.institution.name,
                gateway.store.mode(),
                sender.contract.product,
            );
        }
    }
    drop(read);
    Ok(trouble.after(body.answered_by(additions.answer(answer))).await)
}

/// Refuses an item whose external id occurs more than once: its results would be ambiguous.
fn refuse_repeated(item: &mut Item) {
    let violation = Violation::new("property.external_document_uuid", Rule::DuplicateExternalId);
    match &mut item.checked {
        Err(Refusal::Broken(violations)) => violations.push(violation),
        checked => *checked = Err(Refusal::Broken(vec![violation])),
    }
}

impl ItemReply {
    fn of(external_document_uuid: String, decision: Decision, index: usize, lang: Lang) -> Self {
        let (document_binder_uuid, refusal) = match decision.verdict {
            Ok(id) => (id, None),
            Err(refusal) => (None, Some(refusal)),
        };
        Self {
            external_document_uuid,
            document_binder_uuid,
            error_code: refusal.as_ref().map(|refusal| refusal.item_code().as_str()),
            error_message: refusal.map(|refusal| refusal.message(Place::Bulk(index), lang)),
        }
    }
}

fn count_verdicts(decisions: &[Decision], additions: &Additions) {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for decision in decisions {
        let verdict = decision.verdict.as_ref().err().map_or("accepted", |r| r.item_code().as_str());
        *counts.entry((additions.kind("bulk", decision), verdict)).or_default() += 1;
    }
    for ((kind, verdict), count) in counts {
        metrics::counter!("seoham_items_total", "send" => kind, "verdict" => verdict).increment(count);
    }
}
