//! `POST /v1/documents/bulk/status` (SPEC 6).

use axum::extract::{Request, State};
use axum::response::Response;
use seoham_http::{ApiError, Language};
use seoham_model::status_data::StatusData;
use seoham_model::{BinderId, ErrorCode, Lang, bulk as envelope};
use seoham_store::Lane;
use serde::Serialize;
use utoipa::ToSchema;

use crate::admission::{AdmittedBody, admit_body};
use crate::caller::Sender;
use crate::reply::{UNKNOWN_DOCUMENT, UNREADABLE_DOCUMENT, json, status_data};
use crate::state::Gateway;

#[derive(ToSchema)]
#[schema(as = BulkStatus)]
#[allow(dead_code, reason = "described, never built")]
pub(crate) struct BulkStatusRequest {
    /// 1 to 100 ids.
    #[schema(min_items = 1, max_items = 100)]
    document_binder_uuids: Vec<String>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = BulkStatusResult)]
pub(crate) struct BulkStatusReply {
    /// In the order of the request.
    documents: Vec<ItemStatus>,
}

/// With `status_data`, or with `error_code` and `error_message`.
#[derive(Serialize, ToSchema)]
#[schema(as = BulkStatusItem)]
struct ItemStatus {
    document_binder_uuid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    status_data: Option<StatusData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'static str>,
}

/// The statuses of 1 to 100 documents.
#[utoipa::path(
    post, path = "/v1/documents/bulk/status", tag = "documents", request_body = inline(BulkStatusRequest),
    params(("Contract-Uuid" = String, Header, description = "CON-…")),
    responses((status = 200, body = inline(BulkStatusReply))),
    security(("access_token" = [])),
)]
pub(crate) async fn bulk(
    State(gateway): State<Gateway>,
    Language(lang): Language,
    sender: Sender,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, stream) = request.into_parts();
    let body = admit_body(&gateway.admission, sender.institution, &parts.headers, stream).await?;
    let work = statuses(gateway.clone(), sender, body, lang);
    gateway.bulk_work.of(work).await
}

async fn statuses(
    gateway: Gateway,
    sender: Sender,
    body: AdmittedBody,
    lang: Lang,
) -> Result<Response, ApiError> {
    let asked = envelope::document_binder_uuids(&body.bytes)?;
    let ids: Vec<Option<BinderId>> = asked.iter().map(|id| BinderId::parse(id)).collect();
    let known = ids.iter().copied().flatten().collect();
    let mut found = gateway.store.statuses(Lane::Bulk, sender.institution, known).await?.into_iter();
    let now = gateway.now();
    let documents = asked
        .into_iter()
        .zip(ids)
        .map(|(document_binder_uuid, id)| {
            let found = id.and_then(|_| found.next()).unwrap_or(Ok(None));
            let (status_data, error) = match found {
                Ok(Some(status)) => (Some(status_data(status, now)), None),
                Ok(None) => (None, Some((ErrorCode::NotFound, &UNKNOWN_DOCUMENT))),
                Err(error) => {
                    // One document that cannot be read must not hide the others.
                    tracing::error!(%error, document = %document_binder_uuid, "a document cannot be read");
                    (None, Some((ErrorCode::InternalError, &UNREADABLE_DOCUMENT)))
                }
            };
            ItemStatus {
                document_binder_uuid,
                status_data,
                error_code: error.map(|(code, _)| code.as_str()),
                error_message: error.map(|(_, text)| text.in_lang(lang)),
            }
        })
        .collect();
    let answer = json(&BulkStatusReply { documents })?;
    Ok(body.answered_by(answer))
}
