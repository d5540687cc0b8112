//! Whose visit it is: the session behind a cookie, and the proof that a form came from our page.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use seoham_http::Language;
use seoham_model::peer::client_address;
use seoham_model::{Lang, PersonId, Text};
use seoham_pages::Site;
use seoham_vault::{OneTimeToken, TokenHash, sha256};

use crate::Inbox;
use crate::destination::Destination;
use crate::page_exit::{ErrorPage, PageExit};

/// How long a session lasts from signing in, in seconds.
const SESSION_SECONDS: i64 = 60 * 60;

/// A visit of somebody who is signed in.
pub(crate) struct Visit {
    pub(crate) person: PersonId,
    pub(crate) member: bool,
    pub(crate) site: Site,
    /// What the visit is about.
    destination: Destination,
    token: SecretString,
}

impl Visit {
    pub(crate) fn lang(&self) -> Lang {
        self.site.lang
    }

    /// What our forms carry and nobody else's can.
    pub(crate) fn csrf(&self) -> String {
        let bytes = [b"seoham form ", self.token.expose_secret().as_bytes()].concat();
        URL_SAFE_NO_PAD.encode(&sha256(&bytes)[..18])
    }

    /// Refuses a form that is not from one of our pages of this session.
    pub(crate) fn check(&self, csrf: &str) -> Result<(), PageExit> {
        if TokenHash::of(&self.csrf()).is_of(csrf) {
            return Ok(());
        }
        Err(ErrorPage::new(
            StatusCode::FORBIDDEN,
            Text::fixed("화면이 오래되었습니다", "The page is out of date"),
            Text::fixed("목록에서 다시 시작해 주십시오.", "Please begin again from the list."),
        )
        .then_documents()
        .into())
    }

    /// Goes on only as a member; who is none joins first, and then comes back to what the visit is about.
    pub(crate) fn member_only(self) -> Result<Self, PageExit> {
        if self.member { Ok(self) } else { Err(PageExit::Redirect(self.destination.after("/join"))) }
    }

    pub(crate) fn session(&self) -> TokenHash {
        TokenHash::of(self.token.expose_secret())
    }
}

impl FromRequestParts<Inbox> for Visit {
    type Rejection = PageExit;

    async fn from_request_parts(parts: &mut Parts, inbox: &Inbox) -> Result<Self, PageExit> {
        let Language(lang) = Language::of(&parts.headers);
        let destination = Destination::of_path(parts.uri.path());
        if let Some(visit) = present(inbox, &parts.headers, lang).await? {
            return Ok(Self { destination, ..visit });
        }
        let had_session = inbox.cookie.of(&parts.headers).is_some();
        Err(PageExit::Redirect(destination.after(if had_session { "/?ended=1" } else { "/" })))
    }
}

/// The visit that a request's cookie is for, if it still lasts.
pub(crate) async fn present(
    inbox: &Inbox,
    headers: &HeaderMap,
    lang: Lang,
) -> Result<Option<Visit>, PageExit> {
    let Some(token) = inbox.cookie.of(headers) else { return Ok(None) };
    let session = TokenHash::of(token.expose_secret());
    let visitor = inbox.store.session(session, inbox.now()).await?;
    Ok(visitor.map(|visitor| Visit {
        person: visitor.person,
        member: visitor.member,
        site: inbox.site(lang),
        destination: Destination::List,
        token,
    }))
}

/// Begins a new session, never the one that came, and leads on to `address`.
pub(crate) async fn begin(
    inbox: &Inbox,
    person: PersonId,
    before: Option<&Visit>,
    address: &str,
) -> Result<Response, PageExit> {
    if let Some(before) = before {
        inbox.store.end_session(before.session()).await?;
    }
    let token = OneTimeToken::generate();
    inbox.store.start_session(person, token.hash(), inbox.now().plus(SESSION_SECONDS)).await?;
    let mut response = Redirect::to(address).into_response();
    inbox.cookie.set(response.headers_mut(), &token.expose().into());
    Ok(response)
}

/// Ends what the browser knows of a session, and leads on to `address`.
pub(crate) fn forget(inbox: &Inbox, address: &str) -> Response {
    let mut response = Redirect::to(address).into_response();
    inbox.cookie.forget(response.headers_mut());
    response
}

/// Refuses a form that another site sent: nobody is to be signed in as somebody else unawares.
pub(crate) fn from_our_pages(headers: &HeaderMap) -> Result<(), PageExit> {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if matches!(site, None | Some(b"same-origin" | b"none")) {
        return Ok(());
    }
    Err(ErrorPage::new(
        StatusCode::FORBIDDEN,
        Text::fixed("다른 사이트에서 보낸 요청입니다", "The request came from another site"),
        Text::fixed("이 페이지에서 다시 시작해 주십시오.", "Please begin again from this page."),
    )
    .into())
}

/// The address that a request comes from.
pub(crate) struct Address(pub(crate) IpAddr);

impl FromRequestParts<Inbox> for Address {
    type Rejection = PageExit;

    async fn from_request_parts(parts: &mut Parts, inbox: &Inbox) -> Result<Self, PageExit> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let forwarded_for = parts.headers.get_all("x-forwarded-for").into_iter().map(HeaderValue::as_bytes);
        Ok(Self(client_address(peer, forwarded_for, inbox.behind_proxy)))
    }
}
