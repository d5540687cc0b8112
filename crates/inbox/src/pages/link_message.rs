//! Sends links, within the rate limit of the recipient's number.

use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use secrecy::SecretString;
use seoham_model::token::link_path;
use seoham_model::{PersonId, Text, UnixSeconds};
use seoham_store::StoreError;
use seoham_store::visits::{LinkPurpose, LoginLink};
use seoham_vault::OneTimeToken;

use super::words;
use crate::destination::Destination;
use crate::page_exit::{ErrorPage, PageExit};
use crate::{Inbox, Message};

/// The lifetime of a requested link, in seconds.
const LINK_SECONDS: i64 = 10 * 60;

/// No link was sent: the time from which one may be requested again.
pub(crate) struct NotBefore {
    pub(crate) until: UnixSeconds,
    now: UnixSeconds,
}

impl NotBefore {
    /// The message for the person.
    pub(crate) fn text(&self) -> Text {
        let ko = words::from_moment(self.until, seoham_model::Lang::Ko);
        let en = words::from_moment(self.until, seoham_model::Lang::En);
        Text::made(
            format!(
                "이 번호로 링크를 여러 번 보냈습니다. {ko}부터 다시 받으실 수 있으니, 먼저 도착한 메시지를 확인해 \
                 주십시오."
            ),
            format!(
                "Several links were sent to this number. You can get another one from {en}; please look at the messages \
                 that have arrived."
            ),
        )
    }

    /// Sets status 429 and `Retry-After` on the page.
    pub(crate) fn mark(&self, mut page: Response) -> Response {
        *page.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        let seconds = self.until.seconds_since(self.now).unsigned_abs();
        page.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        page
    }
}

/// Counts a link for a number, known or unknown, so that the result does not reveal which.
pub(crate) async fn may_send(
    inbox: &Inbox,
    phone_number: &SecretString,
) -> Result<Result<(), NotBefore>, PageExit> {
    let now = inbox.now();
    Ok(inbox.store.ask_link(phone_number, now).await?.map_err(|until| NotBefore { until, now }))
}

/// The purpose of a link that a person requests.
#[derive(Clone, Copy)]
pub(crate) enum LinkKind {
    /// Signs in, and leads to a page of the box.
    SignIn(Destination),
    /// Allows setting a new PIN.
    NewPin,
}

/// Sends a link that was already counted.
pub(crate) async fn send(
    inbox: &Inbox,
    person: PersonId,
    phone_number: SecretString,
    kind: LinkKind,
) -> Result<(), StoreError> {
    let token = OneTimeToken::generate();
    let expires_at = inbox.now().plus(LINK_SECONDS);
    let purpose = match kind {
        LinkKind::SignIn(destination) => LinkPurpose::SignIn { document: destination.document() },
        LinkKind::NewPin => LinkPurpose::NewPin,
    };
    let link =
        LoginLink { person, phone_number: phone_number.clone(), token: token.hash(), purpose, expires_at };
    if !inbox.store.add_login_link(link).await? {
        // The number moved to another person at this moment.
        return Ok(());
    }
    let path = link_path(token.expose());
    let message = match kind {
        // The link itself stores its document, so it needs no query.
        LinkKind::SignIn(destination) if destination.document().is_none() => {
            Message::SignIn { path: destination.after(&path).into() }
        }
        LinkKind::SignIn(_) => Message::SignIn { path: path.into() },
        LinkKind::NewPin => Message::NewPin { path: path.into() },
    };
    inbox.messages.send(phone_number, message);
    Ok(())
}

/// Sends a link to the registered number of a person.
pub(crate) async fn send_to(
    inbox: &Inbox,
    person: PersonId,
    kind: LinkKind,
) -> Result<Result<(), NotBefore>, PageExit> {
    let Some(phone_number) = inbox.store.phone_number(person).await? else {
        return Err(without_number());
    };
    if let Err(not_before) = may_send(inbox, &phone_number).await? {
        return Ok(Err(not_before));
    }
    send(inbox, person, phone_number, kind).await?;
    Ok(Ok(()))
}

/// The person's number passed on to another person, and no other is known.
fn without_number() -> PageExit {
    ErrorPage::new(
        StatusCode::CONFLICT,
        Text::fixed("등록된 휴대전화 번호가 없습니다", "No mobile number is registered"),
        Text::fixed(
            "번호의 주인이 바뀌어 링크를 보내 드릴 수 없습니다. 쓰시는 번호를 새로 등록하시려면 문서를 보낸 기관에 \
             문의해 주십시오.",
            "The number passed on to somebody else, so no link can be sent. To have your number registered, please ask \
             the institution that sent the document.",
        ),
    )
    .into()
}

/// The address has exceeded its rate limit.
pub(crate) fn too_often() -> PageExit {
    ErrorPage::new(
        StatusCode::TOO_MANY_REQUESTS,
        Text::fixed("너무 자주 시도하셨습니다", "Tried too often"),
        Text::fixed("1분 뒤에 다시 시도해 주십시오.", "Please try again in a minute."),
    )
    .retry_after(60)
    .into()
}
