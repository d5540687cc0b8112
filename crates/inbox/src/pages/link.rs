//! Following a link: a person's tap signs in directly, a possible program gets a button first, and a used
//! link offers a fresh one (SPEC 8.9).

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::{ExposeSecret, SecretString};
use seoham_http::{Language, Path, Query};
use seoham_model::token::is_one_time_token;
use seoham_model::token::link_path;
use seoham_model::{BinderId, Lang, PersonId, Text, UnixSeconds};
use seoham_pages::{FormTarget, Navigation, Site, navigation, page};
use seoham_vault::TokenHash;

use super::link_message::{LinkKind, NotBefore, send_to, too_often};
use super::new_pin;
use super::sign_in::link_sent;
use crate::Inbox;
use crate::destination::{Destination, DestinationParameters};
use crate::page_exit::{ErrorPage, PageExit};
use crate::visit::{self, Address, from_our_pages};

#[derive(Template)]
#[template(path = "enter.html")]
struct Enter {
    site: Site,
    action: String,
}

#[derive(Template)]
#[template(path = "again.html")]
struct Again {
    site: Site,
    token: String,
    /// Why no link was sent.
    refused: Option<String>,
}

/// `GET /l/{token}`: a person's browser signs in directly. Any other client that follows links, such as a
/// messenger's preview, gets a page with a button, so that it does not use the link up.
pub(crate) async fn follow(
    State(inbox): State<Inbox>,
    Language(lang): Language,
    Address(address): Address,
    Path(token): Path<String>,
    Query(parameters): Query<DestinationParameters>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, PageExit> {
    if !is_one_time_token(&token) {
        return Err(leads_nowhere());
    }
    // A link on another site, even a sibling of this one, is not the person's own tap.
    let is_own = from_our_pages(&headers).is_ok();
    if method == Method::GET && is_own && navigation(&headers) == Navigation::Person {
        return go_in(&inbox, lang, address, token, parameters.destination(), &headers).await;
    }
    let action = parameters.destination().after(&link_path(&token));
    Ok(page(StatusCode::OK, &Enter { site: inbox.site(lang), action }, FormTarget::Here))
}

/// `POST /l/{token}`
pub(crate) async fn enter(
    State(inbox): State<Inbox>,
    Language(lang): Language,
    Address(address): Address,
    Path(token): Path<String>,
    Query(parameters): Query<DestinationParameters>,
    headers: HeaderMap,
) -> Result<Response, PageExit> {
    from_our_pages(&headers)?;
    go_in(&inbox, lang, address, token, parameters.destination(), &headers).await
}

/// `POST /l/{token}/again`: sends a fresh link to the registered number; it leads to the same document.
pub(crate) async fn again(
    State(inbox): State<Inbox>,
    Language(lang): Language,
    Address(address): Address,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageExit> {
    from_our_pages(&headers)?;
    if !inbox.limits.address_may(address) {
        return Err(too_often());
    }
    let about = inbox.store.notified(&SecretString::from(token.clone()), inbox.now()).await?;
    let (person, document) = about.ok_or_else(leads_nowhere)?;
    let kind = LinkKind::SignIn(Destination::Document(document));
    let site = inbox.site(lang);
    match send_to(&inbox, person, kind).await? {
        Ok(()) => Ok(link_sent(&inbox, site, true)),
        Err(not_before) => Ok(refused(site, token, &not_before)),
    }
}

fn refused(site: Site, token: String, not_before: &NotBefore) -> Response {
    let refused = Some(not_before.text().in_lang(site.lang).to_owned());
    not_before.mark(page(StatusCode::OK, &Again { site, token, refused }, FormTarget::Here))
}

async fn go_in(
    inbox: &Inbox,
    lang: Lang,
    address: std::net::IpAddr,
    token: String,
    destination: Destination,
    headers: &HeaderMap,
) -> Result<Response, PageExit> {
    if !inbox.limits.address_may(address) {
        return Err(too_often());
    }
    let before = visit::present(inbox, headers, lang).await?;
    let secret = SecretString::from(token.clone());
    let now = inbox.now();
    if let Some((person, document)) = use_link(inbox, &secret, now).await? {
        let destination = document.map_or(destination, Destination::Document);
        return visit::begin(inbox, person, now, before.as_ref(), &destination.address()).await;
    }
    if let Some(response) = new_pin::follow(inbox, lang, &secret).await? {
        return Ok(response);
    }
    let about = inbox.store.notified(&secret, inbox.now()).await?;
    match (before, about) {
        // Tapped again while the recipient is already signed in.
        (Some(before), Some((person, document))) if before.person == person => {
            Ok(Redirect::to(&Destination::Document(document).address()).into_response())
        }
        (_, Some(_)) => Ok(page(
            StatusCode::OK,
            &Again { site: inbox.site(lang), token, refused: None },
            FormTarget::Here,
        )),
        (_, None) => Err(leads_nowhere()),
    }
}

/// Neither a sign-in link nor one of a document that can still be opened.
pub(crate) fn leads_nowhere() -> PageExit {
    ErrorPage::new(
        StatusCode::GONE,
        Text::fixed("더는 쓸 수 없는 링크입니다", "This link can no longer be used"),
        Text::fixed(
            "이미 사용했거나 기한이 지났습니다. 휴대전화 번호로 새 링크를 받으시면 문서함에서 문서를 보실 수 있습니다.",
            "It was used, or its time is over. Get a new link by your mobile number to see your documents in the box.",
        ),
    )
    .then("/", Text::fixed("새 링크 받기", "Get a new link"))
    .into()
}

async fn use_link(
    inbox: &Inbox,
    token: &SecretString,
    now: UnixSeconds,
) -> Result<Option<(PersonId, Option<BinderId>)>, PageExit> {
    if let Some((person, document)) = inbox.store.use_notification_link(token, now).await? {
        return Ok(Some((person, Some(document))));
    }
    Ok(inbox.store.use_login_link(TokenHash::of(token.expose_secret()), now).await?)
}
