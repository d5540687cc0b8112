//! Whose visit it is: the session behind a cookie, and the proof that a form came from our page.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use seoham_http::Language;
use seoham_model::peer::client_address;
use seoham_model::{Lang, PersonId, Text};
use seoham_vault::{OneTimeToken, TokenHash, sha256};

use crate::Inbox;
use crate::trouble::{Trouble, Turn};

/// How long a session lasts from signing in, in seconds.
const SESSION_SECONDS: i64 = 60 * 60;
const COOKIE_NAME: &str = "seoham-session";
/// Over TLS browsers hold the name to what it promises: this host alone, secure.
const SECURE_COOKIE_NAME: &str = "__Host-seoham-session";

/// A visit of somebody who is signed in.
pub(crate) struct Visit {
    pub(crate) person: PersonId,
    pub(crate) member: bool,
    pub(crate) lang: Lang,
    token: SecretString,
}

impl Visit {
    pub(crate) fn korean(&self) -> bool {
        self.lang == Lang::Ko
    }

    /// What our forms carry and nobody else's can.
    pub(crate) fn csrf(&self) -> String {
        let bytes = [b"seoham form ", self.token.expose_secret().as_bytes()].concat();
        URL_SAFE_NO_PAD.encode(&sha256(&bytes)[..18])
    }

    /// Refuses a form that is not from one of our pages of this session.
    pub(crate) fn check(&self, csrf: &str) -> Result<(), Turn> {
        if TokenHash::of(&self.csrf()).is_of(csrf) {
            return Ok(());
        }
        Err(Trouble::new(
            StatusCode::FORBIDDEN,
            Text::fixed("화면이 오래되었습니다", "The page is out of date"),
            Text::fixed("목록에서 다시 시작해 주십시오.", "Please begin again from the list."),
        )
        .then_documents()
        .into())
    }

    /// Goes on only as a member.
    pub(crate) fn member_only(self) -> Result<Self, Turn> {
        if self.member { Ok(self) } else { Err(Turn::To("/join")) }
    }

    pub(crate) fn session(&self) -> TokenHash {
        TokenHash::of(self.token.expose_secret())
    }
}

impl FromRequestParts<Inbox> for Visit {
    type Rejection = Turn;

    async fn from_request_parts(parts: &mut Parts, inbox: &Inbox) -> Result<Self, Turn> {
        let Language(lang) = Language::of(&parts.headers);
        present(inbox, &parts.headers, lang).await?.ok_or(Turn::To("/"))
    }
}

/// The visit that a request's cookie is for, if it still lasts.
pub(crate) async fn present(inbox: &Inbox, headers: &HeaderMap, lang: Lang) -> Result<Option<Visit>, Turn> {
    let Some(token) = cookie(headers, inbox.secure) else { return Ok(None) };
    let session = TokenHash::of(token.expose_secret());
    let visitor = inbox.store.session(session, inbox.now()).await?;
    Ok(visitor.map(|visitor| Visit { person: visitor.person, member: visitor.member, lang, token }))
}

fn cookie(headers: &HeaderMap, secure: bool) -> Option<SecretString> {
    let pairs = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let own = pairs.find(|(name, _)| *name == cookie_name(secure));
    own.map(|(_, value)| value.into())
}

fn cookie_name(secure: bool) -> &'static str {
    if secure { SECURE_COOKIE_NAME } else { COOKIE_NAME }
}

/// Begins a new session, never the one that came, and leads on to `address`.
pub(crate) async fn begin(
    inbox: &Inbox,
    person: PersonId,
    before: Option<&Visit>,
    address: &str,
) -> Result<Response, Turn> {
    if let Some(before) = before {
        inbox.store.end_session(before.session()).await?;
    }
    let token = OneTimeToken::generate();
    inbox.store.start_session(person, token.hash(), inbox.now().plus(SESSION_SECONDS)).await?;
    Ok(with_cookie(inbox, token.expose(), Redirect::to(address).into_response()))
}

/// Ends what the browser knows of a session.
pub(crate) fn forget(inbox: &Inbox, response: Response) -> Response {
    with_cookie(inbox, "; Max-Age=0", response)
}

fn with_cookie(inbox: &Inbox, value: &str, mut response: Response) -> Response {
    let secure = if inbox.secure { "; Secure" } else { "" };
    let cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}", cookie_name(inbox.secure));
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// The address that a request comes from.
pub(crate) struct Address(pub(crate) IpAddr);

impl FromRequestParts<Inbox> for Address {
    type Rejection = Turn;

    async fn from_request_parts(parts: &mut Parts, inbox: &Inbox) -> Result<Self, Turn> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let told = parts.headers.get_all("x-forwarded-for").into_iter().map(HeaderValue::as_bytes);
        Ok(Self(client_address(peer, told, inbox.behind_proxy)))
    }
}
