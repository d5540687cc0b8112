//! `POST /v1/documents` (SPEC 5).

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use seoham_http::ApiError;
use seoham_model::document::{CheckContext, Document, check};
use seoham_model::violation::Place;
use seoham_model::{BinderId, ErrorCode, bulk as envelope};
use seoham_store::Lane;
use seoham_store::documents::{Acceptance, IdentifiedDocument};
use serde::Serialize;
use utoipa::ToSchema;

use super::Additions;
use super::verdict::Refusal;
use super::wire::SingleSend;
use crate::admission::take_in;
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
    params(("Contract-Uuid" = String, Header, description = "CON-…")),
    responses((status = 200, body = inline(SingleReply)), (status = "4XX"), (status = "5XX")),
    security(("access_token" = [])),
)]
pub(crate) async fn single(
    State(gateway): State<Gateway>,
    sender: Sender,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, stream) = request.into_parts();
    let additions = Additions::of(&parts.headers)?;
    let body = take_in(&gateway, sender.institution, &parts.headers, stream).await?;

    let at = gateway.now();
    let context = CheckContext { now: at, certified: sender.contract.certified, bulk: false };
    let kind = additions.kind("single");
    let checked = check(envelope::document(&body.bytes)?, context)
        .map_err(Refusal::Broken)
        .map_err(|refusal| refuse(&refusal, kind))?;
    let Document { content, own, hash, deadline_at, receiver } = checked;
    let identified = gateway.store.identify(Lane::Interactive, sender.institution, vec![receiver]).await?;
    let recipient = identified
        .into_iter()
        .next()
        .map_or(Err(Refusal::NotFound), Refusal::of)
        .map_err(|refusal| refuse(&refusal, kind))?;

    let id = BinderId::generate(gateway.store.clock());
    if additions.dry_run {
        count(kind, "accepted");
        return json(&SingleReply { document_binder_uuid: None });
    }
    let documents = vec![IdentifiedDocument { id, recipient, content, own, hash, deadline_at }];
    let contract = sender.contract.uuid;
    let acceptance = Acceptance { institution: sender.institution, contract, accepted_at: at, documents };
    gateway.store.accept(acceptance).await?;
    count(kind, "accepted");
    json(&SingleReply { document_binder_uuid: Some(id) })
}

fn refuse(refusal: &Refusal, kind: &'static str) -> ApiError {
    let text = refusal.text(Place::Single);
    count(kind, refusal.item_code().as_str());
    match refusal {
        Refusal::Broken(_) => ApiError::invalid(text),
        Refusal::NotFound => ApiError::new(StatusCode::BAD_REQUEST, ErrorCode::UnidentifiedUser, text),
        Refusal::Refused => ApiError::forbidden(text),
        Refusal::Internal => ApiError::internal(),
    }
}

fn count(kind: &'static str, verdict: &'static str) {
    metrics::counter!("seoham_items_total", "send" => kind, "verdict" => verdict).increment(1);
}
