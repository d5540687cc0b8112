//! Signing in by a link: from a notification, or asked for by telephone number.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use seoham_http::{Language, Path};
use seoham_model::clock::seoul_minutes;
use seoham_model::identity;
use seoham_model::token::is_one_time_token;
use seoham_model::{BinderId, Lang, PersonId, Text, UnixSeconds};
use seoham_vault::{OneTimeToken, TokenHash};
use serde::Deserialize;

use crate::Inbox;
use crate::page::page;
use crate::trouble::{Trouble, Turn};
use crate::visit::{self, Address};
use secrecy::ExposeSecret;

/// How long a link that was asked for can be used, in seconds.
const LINK_SECONDS: i64 = 10 * 60;

#[derive(Template)]
#[template(path = "front.html")]
struct Front {
    korean: bool,
    sandbox: bool,
}

#[derive(Template)]
#[template(path = "asked.html")]
struct Asked {
    korean: bool,
    sandbox: bool,
}

#[derive(Template)]
#[template(path = "enter.html")]
struct Enter {
    korean: bool,
    token: String,
}

/// `GET /`
pub(crate) async fn front(
    State(inbox): State<Inbox>,
    Language(lang): Language,
    headers: HeaderMap,
) -> Result<Response, Turn> {
    if visit::present(&inbox, &headers, lang).await?.is_some() {
        return Ok(Redirect::to("/documents").into_response());
    }
    Ok(page(StatusCode::OK, &Front { korean: lang == Lang::Ko, sandbox: inbox.phones.is_some() }))
}

#[derive(Deserialize)]
pub(crate) struct Ask {
    phone_number: String,
}

/// `POST /login`: the answer is the same, and as fast, whether the number is known or not.
pub(crate) async fn ask(
    State(inbox): State<Inbox>,
    Language(lang): Language,
    Address(address): Address,
    headers: HeaderMap,
    Form(ask): Form<Ask>,
) -> Result<Response, Turn> {
    from_our_pages(&headers)?;
    if !inbox.limits.address_may(address) {
        return Err(too_often());
    }
    let Ok((digits, _)) = identity::phone_number(&ask.phone_number) else {
        return Err(Trouble::new(
            StatusCode::BAD_REQUEST,
            Text::fixed("휴대전화 번호를 확인해 주십시오", "Please check the telephone number"),
            Text::fixed("숫자 10자리 또는 11자리로 입력해 주십시오.", "It has 10 or 11 digits."),
        )
        .into());
    };
    let phone_number = SecretString::from(digits);
    // Counted by the number, whether it is known or not: so this tells nothing of it.
    if let Err(until) = inbox.store.ask_link(&phone_number, inbox.now()).await? {
        return Err(too_many_links(until, inbox.now()));
    }
    if let Some(leave) = inbox.limits.one_more_link() {
        // Beside the answer, which therefore tells nothing by its time either.
        let sending = send_link(inbox.clone(), phone_number);
        tokio::spawn(async move {
            sending.await;
            drop(leave);
        });
    }
    Ok(page(StatusCode::OK, &Asked { korean: lang == Lang::Ko, sandbox: inbox.phones.is_some() }))
}

async fn send_link(inbox: Inbox, phone_number: SecretString) {
    let sending = async {
        let Some(person) = inbox.store.person_by_phone(&phone_number).await? else { return Ok(()) };
        let token = OneTimeToken::generate();
        inbox.store.add_login_link(person, token.hash(), inbox.now().plus(LINK_SECONDS)).await?;
        inbox.login_links.send(phone_number, token.expose().into());
        Ok(())
    };
    if let Err::<(), seoham_store::StoreError>(error) = sending.await {
        tracing::warn!(%error, "a link to sign in by could not be sent");
    }
}

/// `GET /l/{token}`: a person's browser goes in at once; whatever else follows links, such as a
/// messenger's preview, is shown a page with a button, so that it does not use the link up.
pub(crate) async fn follow(
    State(inbox): State<Inbox>,
    Language(lang): Language,
    Address(address): Address,
    Path(token): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Turn> {
    if !is_one_time_token(&token) {
        return Err(used_up());
    }
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|v| v.as_bytes() == value.as_bytes());
    let tapped = is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document");
    // Another site that leads here is not the person's own tap, and a browser that reads ahead is none.
    let elsewhere = is("sec-fetch-site", "cross-site") || headers.contains_key("sec-purpose");
    if method == Method::GET && tapped && !elsewhere {
        return go_in(&inbox, lang, address, token, &headers).await;
    }
    Ok(page(StatusCode::OK, &Enter { korean: lang == Lang::Ko, token }))
}

/// `POST /l/{token}`
pub(crate) async fn enter(
    State(inbox): State<Inbox>,
    Language(lang): Language,
    Address(address): Address,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Turn> {
    from_our_pages(&headers)?;
    go_in(&inbox, lang, address, token, &headers).await
}

async fn go_in(
    inbox: &Inbox,
    lang: Lang,
    address: std::net::IpAddr,
    token: String,
    headers: &HeaderMap,
) -> Result<Response, Turn> {
    if !inbox.limits.address_may(address) {
        return Err(too_often());
    }
    let before = visit::present(inbox, headers, lang).await?;
    let token = SecretString::from(token);
    if let Some((person, document)) = use_link(inbox, &token).await? {
        let address = document.map_or_else(|| "/documents".to_owned(), |id| format!("/documents/{id}"));
        return visit::begin(inbox, person, before.as_ref(), &address).await;
    }
    // Tapped once more where its own person is in already: to the document that it is about.
    if let (Some(before), Some(id)) = (before, inbox.store.document_of_link(&token))
        && inbox.store.box_document(before.person, id).await?.is_some()
    {
        return Ok(Redirect::to(&format!("/documents/{id}")).into_response());
    }
    Err(used_up())
}

fn used_up() -> Turn {
    Trouble::new(
        StatusCode::GONE,
        Text::fixed("이미 사용했거나 기한이 지난 링크입니다", "The link was used, or its time is over"),
        Text::fixed(
            "링크는 한 번만 쓸 수 있습니다. 휴대전화 번호로 새 링크를 받아 주십시오.",
            "A link can be used once. Please ask for a new one by your telephone number.",
        ),
    )
    .then("/", Text::fixed("새 링크 받기", "Get a new link"))
    .into()
}

/// Refuses a form that another site sent: nobody is to be signed in as somebody else unawares.
fn from_our_pages(headers: &HeaderMap) -> Result<(), Turn> {
    let site = headers.get("sec-fetch-site").map(axum::http::HeaderValue::as_bytes);
    if matches!(site, None | Some(b"same-origin" | b"none")) {
        return Ok(());
    }
    Err(Trouble::new(
        StatusCode::FORBIDDEN,
        Text::fixed("다른 사이트에서 보낸 요청입니다", "The request came from another site"),
        Text::fixed("이 페이지에서 다시 시작해 주십시오.", "Please begin again from this page."),
    )
    .into())
}

async fn use_link(inbox: &Inbox, token: &SecretString) -> Result<Option<(PersonId, Option<BinderId>)>, Turn> {
    let now = inbox.now();
    if let Some((person, document)) = inbox.store.use_notification_link(token, now).await? {
        return Ok(Some((person, Some(document))));
    }
    let person = inbox.store.use_login_link(TokenHash::of(token.expose_secret()), now).await?;
    Ok(person.map(|person| (person, None)))
}

/// The number was sent as many links as it may be for now.
fn too_many_links(until: UnixSeconds, now: UnixSeconds) -> Turn {
    let at = seoul_minutes(until.plus(59));
    Trouble::new(
        StatusCode::TOO_MANY_REQUESTS,
        Text::fixed(
            "이 번호로는 지금 링크를 더 보낼 수 없습니다",
            "No more links can be sent to this number now",
        ),
        Text::made(
            format!("{at}부터 다시 받을 수 있습니다. 먼저 도착한 메시지의 링크를 확인해 주십시오."),
            format!(
                "You can ask for one again from {at} (Seoul). Please look at the messages that have arrived."
            ),
        ),
    )
    .retry_after(until.seconds_since(now).unsigned_abs())
    .into()
}

/// The address has tried too often.
pub(super) fn too_often() -> Turn {
    Trouble::new(
        StatusCode::TOO_MANY_REQUESTS,
        Text::fixed("너무 자주 시도했습니다", "Tried too often"),
        Text::fixed("1분 뒤에 다시 시도해 주십시오.", "Please try again in a minute."),
    )
    .retry_after(60)
    .into()
}
