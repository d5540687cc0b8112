//! The visitor: the session of a cookie, and the proof that a form came from one of our pages.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use seoham_http::{Language, client_address};
use seoham_model::{Lang, PersonId, Text, UnixSeconds};
use seoham_pages::Site;
use seoham_vault::{OneTimeToken, TokenHash, sha256};

use crate::Inbox;
use crate::destination::Destination;
use crate::page_exit::{ErrorPage, PageExit};
use crate::pages::link::leads_nowhere;

/// The lifetime of a session from sign-in, in seconds.
const SESSION_SECONDS: i64 = 60 * 60;

/// A visit of a signed-in person.
pub(crate) struct Visit {
    pub(crate) person: PersonId,
    pub(crate) member: bool,
    pub(crate) site: Site,
    /// The page that the visit is about.
    destination: Destination,
    token: SecretString,
}

impl Visit {
    pub(crate) fn lang(&self) -> Lang {
        self.site.lang
    }

    /// The CSRF token of our forms, derived from the session.
    pub(crate) fn csrf(&self) -> String {
        let bytes = [b"seoham form ", self.token.expose_secret().as_bytes()].concat();
        URL_SAFE_NO_PAD.encode(&sha256(&bytes)[..18])
    }

    /// Rejects a form that is not from one of our pages in this session.
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

    /// Continues only for members. A non-member joins first, and then returns to the page that the visit is
    /// about.
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

/// The visit of the request's cookie, if its session is still valid.
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

/// Starts a new session of a person who proved at `proved_at` who they are, never reusing the request's, and redirects
/// to `address`.
pub(crate) async fn begin(
    inbox: &Inbox,
    person: PersonId,
    proved_at: UnixSeconds,
    before: Option<&Visit>,
    address: &str,
) -> Result<Response, PageExit> {
    if let Some(before) = before {
        inbox.store.end_session(before.session()).await?;
    }
    let token = OneTimeToken::generate();
    let expires_at = inbox.now().plus(SESSION_SECONDS);
    if !inbox.store.start_session(person, token.hash(), proved_at, expires_at).await? {
        return Err(leads_nowhere());
    }
    let mut response = Redirect::to(address).into_response();
    inbox.cookie.set(response.headers_mut(), &token.expose().into());
    Ok(response)
}

/// Removes the session cookie, and redirects to `address`.
pub(crate) fn forget(inbox: &Inbox, address: &str) -> Response {
    let mut response = Redirect::to(address).into_response();
    inbox.cookie.forget(response.headers_mut());
    response
}

/// Rejects a cross-site form: nobody must be signed in as somebody else without noticing (login CSRF).
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

/// The client address of a request.
pub(crate) struct Address(pub(crate) IpAddr);

impl FromRequestParts<Inbox> for Address {
    type Rejection = PageExit;

    async fn from_request_parts(parts: &mut Parts, inbox: &Inbox) -> Result<Self, PageExit> {
        Ok(Self(client_address(&parts.extensions, &parts.headers, inbox.behind_proxy)))
    }
}
