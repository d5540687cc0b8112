//! `/admin/v1/notifications`: failed notifications, why they failed, and sending them again (SPEC 11 and 13).

use axum::extract::{Request, State};
use axum::response::Response;
use seoham_http::{ApiError, Path, Query, body};
use seoham_model::{BinderId, InstitutionId, Text};
use seoham_store::undelivered::{Kind, NoticeState, Page, Undelivered};
use serde::{Deserialize, Serialize};

use super::{institution, json, unknown_document};
use crate::state::Operator;

/// Notifications per page; also how many one call sends again.
const PAGE: usize = 100;

#[derive(Deserialize)]
pub(crate) struct NotificationFilter {
    /// Only this institution's.
    institution: Option<String>,
    /// Older than this document.
    before: Option<String>,
}

impl NotificationFilter {
    fn page(&self) -> Result<Page, ApiError> {
        let institution = self.institution.as_deref().map(|text| {
            InstitutionId::parse(text).ok_or_else(|| {
                ApiError::invalid(Text::fixed(
                    "institution: 기관 번호여야 합니다",
                    "institution: must be an institution's id",
                ))
            })
        });
        let before = self.before.as_deref().map(|text| {
            BinderId::parse(text).ok_or_else(|| {
                ApiError::invalid(Text::fixed(
                    "before: 문서 번호여야 합니다",
                    "before: must be a document's id",
                ))
            })
        });
        Ok(Page { institution: institution.transpose()?, before: before.transpose()?, limit: PAGE })
    }
}

/// The kind that a path names.
fn kind(name: &str) -> Result<Kind, ApiError> {
    match name {
        "waiting" => Ok(Kind::Waiting),
        "given-up" => Ok(Kind::GivenUp),
        _ => {
            Err(ApiError::not_found(Text::fixed("waiting 또는 given-up입니다", "it is waiting or given-up")))
        }
    }
}

#[derive(Serialize)]
struct List {
    /// Newest first.
    notifications: Vec<NotificationReply>,
    /// The cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_before: Option<BinderId>,
}

#[derive(Serialize)]
pub(crate) struct NotificationReply {
    document_binder_uuid: BinderId,
    institution_id: InstitutionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    /// The provider's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_said: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_attempt_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_up_at: Option<i64>,
}

impl From<Undelivered> for NotificationReply {
    fn from(notice: Undelivered) -> Self {
        let (next_attempt_at, given_up_at) = match notice.state {
            NoticeState::Waiting { next_attempt_at } => (Some(next_attempt_at.0), None),
            NoticeState::GivenUp { given_up_at } => (None, given_up_at.map(|at| at.0)),
        };
        Self {
            document_binder_uuid: notice.document,
            institution_id: notice.institution,
            attempts: notice.attempts,
            last_error: notice.failure.map(|failure| failure.to_string()),
            provider_said: notice.said,
            first_attempt_at: notice.first_attempt_at.map(|at| at.0),
            next_attempt_at,
            given_up_at,
        }
    }
}

fn next_before(found: &[Undelivered]) -> Option<BinderId> {
    if found.len() == PAGE { found.last().map(|notice| notice.document) } else { None }
}

pub(crate) async fn list(
    State(operator): State<Operator>,
    Path(name): Path<String>,
    Query(asked): Query<NotificationFilter>,
) -> Result<Response, ApiError> {
    show(&operator, &name, asked.page()?).await
}

/// `GET /admin/v1/institutions/{id}/notifications/{list}`
pub(crate) async fn list_of_institution(
    State(operator): State<Operator>,
    Path((id, name)): Path<(String, String)>,
    Query(asked): Query<NotificationFilter>,
) -> Result<Response, ApiError> {
    let page = Page { institution: Some(institution(&id)?), ..asked.page()? };
    show(&operator, &name, page).await
}

async fn show(operator: &Operator, name: &str, page: Page) -> Result<Response, ApiError> {
    let found = operator.store.undelivered(kind(name)?, page).await?;
    let next_before = next_before(&found);
    json(&List { notifications: found.into_iter().map(NotificationReply::from).collect(), next_before })
}

#[derive(Serialize)]
struct SentAgain {
    sent_again: usize,
    /// The cursor for the next call; absent when the list is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_before: Option<BinderId>,
}

/// Sends a page of the list again. To process the whole list, call it until there is no `next_before`.
pub(crate) async fn send_again(
    State(operator): State<Operator>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let asked = filter(request).await?;
    send_page_again(&operator, &name, asked.page()?).await
}

/// `POST /admin/v1/institutions/{id}/notifications/{list}/send-again`
pub(crate) async fn send_again_of_institution(
    State(operator): State<Operator>,
    Path((id, name)): Path<(String, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let page = Page { institution: Some(institution(&id)?), ..filter(request).await?.page()? };
    send_page_again(&operator, &name, page).await
}

async fn filter(request: Request) -> Result<NotificationFilter, ApiError> {
    serde_json::from_slice(&body::json(request).await?).map_err(|_| {
        ApiError::invalid(Text::fixed(
            "본문은 {\"institution\"?, \"before\"?} 형식의 JSON이어야 합니다",
            "the body must be JSON: {\"institution\"?, \"before\"?}",
        ))
    })
}

async fn send_page_again(operator: &Operator, name: &str, page: Page) -> Result<Response, ApiError> {
    let found = operator.store.undelivered(kind(name)?, page).await?;
    let next_before = next_before(&found);
    let documents: Vec<BinderId> = found.into_iter().map(|notice| notice.document).collect();
    let sent_again =
        if documents.is_empty() { 0 } else { operator.store.send_again(documents, operator.now()).await? };
    tracing::info!(sent_again, list = name, "notifications are sent again");
    json(&SentAgain { sent_again, next_before })
}

/// Sends the notification of one document again.
pub(crate) async fn send_one_again(
    State(operator): State<Operator>,
    Path(binder): Path<String>,
) -> Result<Response, ApiError> {
    let document = BinderId::parse(&binder).ok_or_else(unknown_document)?;
    if operator.store.describe(document).await?.is_none() {
        return Err(unknown_document());
    }
    if operator.store.undelivered_one(document).await?.is_none() {
        return Err(ApiError::invalid(Text::fixed(
            "다시 보낼 알림이 없습니다: 메신저가 받았거나 아직 차례가 아닙니다",
            "there is no notification to send again: the messenger took it, or its turn is still to come",
        )));
    }
    let sent_again = operator.store.send_again(vec![document], operator.now()).await?;
    tracing::info!(%document, sent_again, "a notification is sent again");
    json(&SentAgain { sent_again, next_before: None })
}
