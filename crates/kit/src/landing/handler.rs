//! One request: who is it, which document is it about, and what comes of it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::Response;
use seoham_model::token::is_one_time_token;
use seoham_model::{BinderId, Lang};
use tokio::sync::OwnedSemaphorePermit;

use super::State as Landing;
use super::body::Passing;
use super::headers::{Came, for_upstream, strip_hop_by_hop};
use super::language::language;
use super::pages::{Problem, page};
use super::platform::Verdict;
use super::query::{Asked, without_token};
use super::session::{choose, set_cookie};
use super::showing::Showing;
use super::visit::{Fingerprint, Visit};
use crate::exchange::{Entry, Kind, VisitId};

/// A problem, and the visit that it befell.
type Failed = (Problem, Option<VisitId>);

pub(super) async fn handle(
    State(landing): State<Arc<Landing>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let lang = language(request.headers());
    let Ok(permit) = Arc::clone(&landing.under_way).try_acquire_owned() else {
        return page(Problem::Busy, lang, None);
    };
    let visits = landing.sessions.of(request.headers(), landing.secure);
    let asked = Asked::of(request.uri().query().unwrap_or(""));
    let (visit, cookie) = match whose(&request, &asked, &visits) {
        Ok(Whose::Known(visit)) => (visit, None),
        Ok(Whose::New { token, document }) => match enter(&landing, &token, document, asked.external).await {
            Ok(visit) => {
                let secret = landing.sessions.make(visits, Arc::clone(&visit));
                (visit, Some(set_cookie(&secret, landing.secure)))
            }
            Err((problem, visit)) => return page(problem, lang, visit.as_ref()),
        },
        Err(problem) => return page(problem, lang, None),
    };
    let named = asked.document.is_some();
    let mut response = pass(&landing, &visit, request, named, peer, permit, lang).await;
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::try_from(cookie).ok()) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

enum Whose {
    /// Of a visit in the browser's session.
    Known(Arc<Visit>),
    /// A token to be verified.
    New { token: String, document: BinderId },
}

fn whose(request: &Request, asked: &Asked, visits: &[Arc<Visit>]) -> Result<Whose, Problem> {
    if !request.uri().path().starts_with('/') {
        return Err(Problem::BadRequest);
    }
    let known = choose(visits, asked, request.headers()).cloned();
    let (Some(token), Some(document)) = (&asked.token, &asked.document) else {
        let nobody = if asked.token.is_some() && asked.document.is_none() && visits.is_empty() {
            Problem::BadRequest
        } else {
            Problem::NotEntered
        };
        return known.map(Whose::Known).ok_or(nobody);
    };
    // A reload or the back button: the token is used, and by this very browser.
    let same = known.as_ref().is_some_and(|visit| visit.token == Fingerprint::of(token));
    if let Some(visit) = known.filter(|_| same || request.method() != Method::GET) {
        return Ok(Whose::Known(visit));
    }
    if request.method() != Method::GET {
        return Err(Problem::Method);
    }
    if is_speculative(request.headers()) {
        return Err(Problem::NotEntered);
    }
    // What cannot be a token is not worth asking about.
    let document = BinderId::parse(document).filter(|_| is_one_time_token(token)).ok_or(Problem::Unknown)?;
    Ok(Whose::New { token: token.clone(), document })
}

/// A browser that fetches what nobody has asked to see must not use a token up.
fn is_speculative(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-moz"].iter().any(|name| {
        let value = headers.get(*name).and_then(|value| value.to_str().ok());
        value.is_some_and(|value| value.contains("prefetch") || value.contains("prerender"))
    })
}

/// Verifies a token. What came of it is in the log before anything else follows, even when the
/// browser does not wait for it.
async fn enter(
    landing: &Arc<Landing>,
    token: &str,
    document: BinderId,
    external: Option<String>,
) -> Result<Arc<Visit>, Failed> {
    let (there, token) = (Arc::clone(landing), token.to_owned());
    let entering = async move { verify(&there, &token, document, external).await };
    tokio::spawn(entering).await.unwrap_or(Err((Problem::Platform, None)))
}

async fn verify(
    landing: &Landing,
    token: &str,
    document: BinderId,
    external: Option<String>,
) -> Result<Arc<Visit>, Failed> {
    let id = VisitId::generate();
    let failed = |outcome| Entry::new(Kind::PageFailed, outcome).of(document, &id);
    if !landing.log.is_usable() {
        // Before the token is used up. Trying to say so is also what finds out that it works again.
        let _ = landing.log.append(vec![failed("log")]).await;
        return Err((Problem::Busy, Some(id)));
    }
    let (verdict, exchange) = landing.platform.verify(document, token, &id).await;
    let (status, request_id) = (exchange.status, exchange.request_id.clone());
    let (second, result) = match verdict {
        Verdict::Verified(verified) => {
            let entered = Entry::new(Kind::Entered, "verified").of(document, &id);
            (entered, Ok(Arc::new(Visit::new(id.clone(), document, token, external, verified))))
        }
        Verdict::Spent => (failed("spent"), Err((Problem::Spent, Some(id.clone())))),
        Verdict::Unknown => (failed("unknown"), Err((Problem::Unknown, Some(id.clone())))),
        Verdict::Failed => (failed("platform"), Err((Problem::Platform, Some(id.clone())))),
    };
    let second = Entry { request_id, ..second.status(status) };
    match landing.log.append(vec![exchange, second]).await {
        Ok(()) => result,
        Err(_) => Err((Problem::Busy, Some(id))),
    }
}

/// Passes a request on to the application.
async fn pass(
    landing: &Arc<Landing>,
    visit: &Arc<Visit>,
    request: Request,
    named: bool,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
    lang: Lang,
) -> Response {
    let (mut parts, body) = request.into_parts();
    // The first GET of the document that is answered with a page is its showing; while that is
    // owed, a reload or where the application redirects to counts too. Several may be under way,
    // since a browser that reloads does not wait for the first: whichever is whole first counts.
    let owed = parts.method == Method::GET && visit.is_owed();
    let begin = || Showing::begin(Arc::clone(visit), landing.log.clone(), landing.reporter.clone());
    let mut showing = (owed && named).then(begin);
    let query = parts.uri.query().map(without_token).filter(|query| !query.is_empty());
    let path = match query {
        Some(query) => format!("{}?{query}", parts.uri.path()),
        None => parts.uri.path().to_owned(),
    };
    let came =
        Came { uri: &parts.uri, peer: peer.ip(), secure: landing.secure, behind_proxy: landing.behind_proxy };
    for_upstream(&mut parts.headers, visit, &came);
    let answer = landing.upstream.call(parts.method, &path, parts.headers, body).await;

    let (status, outcome) = match &answer {
        Ok(answer) if answer.status().is_server_error() => (Some(answer.status().as_u16()), "error"),
        Ok(answer) if answer.status().is_client_error() => (Some(answer.status().as_u16()), "refused"),
        Ok(_) => (None, ""),
        Err(word) => (None, *word),
    };
    let failed = !outcome.is_empty() && (outcome != "refused" || (showing.is_some() && named));
    if failed {
        let entry = Entry::new(Kind::PageFailed, outcome).of(visit.document, &visit.id).status(status);
        landing.reporter.append(entry);
    }
    let Ok(answer) = answer else {
        give_up(showing);
        let problem = if outcome == "timeout" { Problem::Slow } else { Problem::Upstream };
        return page(problem, lang, Some(&visit.id));
    };
    if answer.status().is_server_error() {
        give_up(showing);
        return page(Problem::Upstream, lang, Some(&visit.id));
    }
    let (mut head, body) = answer.into_parts();
    strip_hop_by_hop(&mut head.headers);
    if !owed || !is_the_page(head.status, &head.headers, named) {
        give_up(showing.take());
    } else if showing.is_none() {
        showing = Some(begin());
    }
    let mut passing = Passing::new(body, showing, permit);
    if passing.note_if_empty().await.is_err() {
        return page(Problem::Busy, lang, Some(&visit.id));
    }
    let mut response = Response::from_parts(head, axum::body::Body::new(passing));
    response.extensions_mut().clear();
    response
}

/// Nothing was shown, and it has been told where that is worth a record.
fn give_up(showing: Option<Showing>) {
    if let Some(mut showing) = showing {
        showing.told();
    }
}

/// Whether an answer is the page that a person came for: what the visited address gives, or the
/// HTML that it redirects to.
fn is_the_page(status: StatusCode, headers: &HeaderMap, named: bool) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    status.is_success() && (named || content_type.starts_with("text/html"))
}
