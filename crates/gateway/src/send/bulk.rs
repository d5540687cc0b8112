//! `POST /v1/documents/bulk` (SPEC 5).

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use seoham_http::{ApiError, Language};
use seoham_model::document::{CheckContext, Document, check, external_id};
use seoham_model::violation::{Place, Rule, Violation};
use seoham_model::{BinderId, Lang, UnixSeconds, bulk as envelope};
use seoham_store::Lane;
use seoham_store::documents::{Acceptance, IdentifiedDocument};
use serde::Serialize;
use utoipa::ToSchema;

use super::Additions;
use super::verdict::Refusal;
use super::wire::BulkSend;
use crate::admission::take_in;
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
    params(("Contract-Uuid" = String, Header, description = "CON-…")),
    responses((status = 200, body = inline(BulkReply)), (status = "4XX"), (status = "5XX")),
    security(("access_token" = [])),
)]
pub(crate) async fn bulk(
    State(gateway): State<Gateway>,
    Language(lang): Language,
    sender: Sender,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, stream) = request.into_parts();
    let additions = Additions::of(&parts.headers)?;
    let body = take_in(&gateway, sender.institution, &parts.headers, stream).await?;
    let items = check_items(&gateway, &sender, &body.bytes)?;
    let replies = accept(&gateway, &sender, items, additions, lang).await?;
    json(&BulkReply { documents: replies })
}

/// An item and whether it keeps the rules.
struct Item {
    external_document_uuid: String,
    checked: Result<Document, Refusal>,
}

struct Items {
    at: UnixSeconds,
    items: Vec<Item>,
}

fn check_items(gateway: &Gateway, sender: &Sender, bytes: &Bytes) -> Result<Items, ApiError> {
    let at = gateway.now();
    let context = CheckContext { now: at, certified: sender.contract.certified, bulk: true };
    let raw = envelope::documents(bytes)?;
    let mut items: Vec<Item> = raw
        .into_iter()
        .map(|raw| match check(raw, context) {
            Ok(document) => Item {
                external_document_uuid: document.own.external_document_uuid.clone().unwrap_or_default(),
                checked: Ok(document),
            },
            Err(violations) => Item {
                external_document_uuid: external_id(raw).unwrap_or_default(),
                checked: Err(Refusal::Broken(violations)),
            },
        })
        .collect();
    refuse_repeated(&mut items);
    Ok(Items { at, items })
}

/// Refuses every item whose external id stands more than once: no result could be told apart.
fn refuse_repeated(items: &mut [Item]) {
    let ids = items.iter().map(|item| item.external_document_uuid.as_str()).filter(|id| !id.is_empty());
    let repeated: Vec<String> = envelope::repeated(ids).into_iter().map(str::to_owned).collect();
    for item in items.iter_mut().filter(|item| repeated.contains(&item.external_document_uuid)) {
        let violation = Violation::new("property.external_document_uuid", Rule::DuplicateExternalId);
        match &mut item.checked {
            Err(Refusal::Broken(violations)) => violations.push(violation),
            checked => *checked = Err(Refusal::Broken(vec![violation])),
        }
    }
}

async fn accept(
    gateway: &Gateway,
    sender: &Sender,
    Items { at, items }: Items,
    additions: Additions,
    lang: Lang,
) -> Result<Vec<ItemReply>, ApiError> {
    let mut replies = Vec::with_capacity(items.len());
    let (mut receivers, mut checked) = (Vec::new(), Vec::new());
    for (i, item) in items.into_iter().enumerate() {
        let reply = ItemReply {
            external_document_uuid: item.external_document_uuid,
            document_binder_uuid: None,
            error_code: None,
            error_message: None,
        };
        replies.push(match item.checked {
            Ok(Document { content, own, hash, deadline_at, receiver }) => {
                receivers.push(receiver);
                checked.push((i, content, own, hash, deadline_at));
                reply
            }
            Err(refusal) => reply.refuse(&refusal, i, lang),
        });
    }

    let identified = gateway.store.identify(Lane::Bulk, sender.institution, receivers).await?;
    let mut documents = Vec::with_capacity(checked.len());
    for ((i, content, own, hash, deadline_at), identified) in checked.into_iter().zip(identified) {
        match Refusal::of(identified) {
            Ok(recipient) => {
                let id = BinderId::generate(gateway.store.clock());
                replies[i].document_binder_uuid = (!additions.dry_run).then_some(id);
                documents.push(IdentifiedDocument { id, recipient, content, own, hash, deadline_at });
            }
            Err(refusal) => refuse(&mut replies[i], &refusal, i, lang),
        }
    }
    if !documents.is_empty() && !additions.dry_run {
        let contract = sender.contract.uuid;
        let acceptance = Acceptance { institution: sender.institution, contract, accepted_at: at, documents };
        gateway.store.accept(acceptance).await?;
    }
    count_verdicts(&replies, additions);
    Ok(replies)
}

impl ItemReply {
    fn refuse(mut self, refusal: &Refusal, index: usize, lang: Lang) -> Self {
        refuse(&mut self, refusal, index, lang);
        self
    }
}

fn refuse(reply: &mut ItemReply, refusal: &Refusal, index: usize, lang: Lang) {
    reply.error_code = Some(refusal.item_code().as_str());
    reply.error_message = Some(refusal.message(Place::Bulk(index), lang));
}

fn count_verdicts(replies: &[ItemReply], additions: Additions) {
    let mut counts: [(&'static str, u64); 5] =
        [("accepted", 0), ("INVALID_VALUE", 0), ("NOT_FOUND", 0), ("FORBIDDEN", 0), ("INTERNAL_ERROR", 0)];
    for reply in replies {
        let verdict = reply.error_code.unwrap_or("accepted");
        if let Some((_, count)) = counts.iter_mut().find(|(name, _)| *name == verdict) {
            *count += 1;
        }
    }
    let kind = additions.kind("bulk");
    for (verdict, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
        metrics::counter!("seoham_items_total", "send" => kind, "verdict" => verdict).increment(count);
    }
}
