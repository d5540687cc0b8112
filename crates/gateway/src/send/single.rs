//! `POST /v1/documents` (SPEC 5).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::ApiError;
use seoham_model::document::{CheckContext, ReadItem};
use seoham_model::violation::Place;
use seoham_model::{BinderId, ErrorCode, UnixSeconds, bulk as envelope};
use seoham_store::Lane;
use serde::Serialize;
use utoipa::ToSchema;

use super::Additions;
use super::run::{Item, process};
use super::verdict::Refusal;
use super::wire::SingleSend;
use crate::admission::admit_body;
use crate::caller::Sender;
use crate::reply::json;
use crate::state::Gateway;

#[derive(Serialize, ToSchema)]
#[schema(as = SingleSendResult)]
pub(crate) struct SingleReply {
    /// Absent after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "BIN-019ab2c3d4e57f8090a1b2c3d4e5f607")]
    document_binder_uuid: Option<BinderId>,
}

/// Sends one document.
#[utoipa::path(
    post, path = "/v1/documents", tag = "documents", request_body = inline(SingleSend),
    params(
        ("Contract-Uuid" = String, Header, description = "CON-…"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "1 to 64 printable characters: the document gets its first verdict under this key, for 7 days"),
        ("Seoham-Dry-Run" = Option<bool>, Header, description = "check everything, store nothing"),
    ),
    responses((status = 200, body = inline(SingleReply))),
    security(("access_token" = [])),
)]
pub(crate) async fn single(
    State(gateway): State<Gateway>,
    sender: Sender,
    request: Request,
) -> Result<Response, ApiError> {
    sender.may_send()?;
    let (parts, stream) = request.into_parts();
    let additions = Additions::of(&parts.headers)?;
    let body = admit_body(&gateway.admission, sender.institution, &parts.headers, stream).await?;
    let read = ReadItem::read(envelope::document(&body.bytes)?);
    let context = |now| CheckContext { now, product: sender.contract.product, bulk: false };
    let trouble = additions.trouble(
        &gateway,
        sender.institution,
        &body.bytes,
        std::slice::from_ref(&read),
        context(gateway.now()),
    );
    trouble.before()?;
    let check = |now: UnixSeconds| {
        let mut item = Item::check(&read, Place::Single, context(now));
        if additions.remembers() {
            item.key_by(&read, &read.external_document_uuid().unwrap_or_default(), &sender);
        }
        vec![item]
    };
    // A single document needs no fair queueing, and must not wait behind the institution's own bulk sends.
    let decided = process(&gateway, &sender, Lane::Interactive, &additions, None, check).await?;
    let Some(decision) = decided.into_iter().next() else { return Err(ApiError::internal()) };
    let kind = additions.kind("single", &decision);
    let id = decision.verdict.map_err(|refusal| refuse(&refusal, kind))?;
    count(kind, "accepted");
    let answer = additions.answer(json(&SingleReply { document_binder_uuid: id })?);
    Ok(trouble.after(answer).await)
}

fn refuse(refusal: &Refusal, kind: &'static str) -> ApiError {
    let (code, text) = (refusal.item_code(), refusal.text(Place::Single));
    count(kind, code.as_str());
    match code {
        ErrorCode::NotFound => ApiError::new(StatusCode::BAD_REQUEST, ErrorCode::UnidentifiedUser, text),
        ErrorCode::Forbidden => ApiError::forbidden(text),
        ErrorCode::InternalError => ApiError::internal(),
        _ => ApiError::invalid(text),
    }
}

fn count(kind: &'static str, verdict: &'static str) {
    metrics::counter!("seoham_items_total", "send" => kind, "verdict" => verdict).increment(1);
}
