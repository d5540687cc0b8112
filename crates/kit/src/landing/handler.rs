//! Handles one request: identifies the visitor and the document, and replies.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use seoham_model::peer::client_address;
use seoham_model::token::is_one_time_token;
use seoham_model::{BinderId, Lang};
use seoham_pages::{Navigation, navigation};

use super::State as Landing;
use super::body::Passing;
use super::headers::{Came, for_upstream, strip_hop_by_hop};
use super::language::language;
use super::page_view::PageView;
use super::pages::{Problem, button, page};
use super::platform::Verdict;
use super::query::{VisitParameters, with_pressed, without_pressed, without_token};
use super::session::{choose, cookie, without_our_cookie};
use super::shares::Place;
use super::single_flight::browser;
use super::visit::{Fingerprint, Visit};
use crate::exchange::{Entry, Kind, VisitId};

/// A problem, and the visit in which it occurred.
pub(super) type Failed = (Problem, Option<VisitId>);

pub(super) async fn handle(
    State(landing): State<Arc<Landing>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let lang = language(request.headers());
    let forwarded_for = request.headers().get_all("x-forwarded-for").into_iter().map(HeaderValue::as_bytes);
    let address = client_address(peer.ip(), forwarded_for, landing.behind_proxy);
    let among_all = Arc::clone(&landing.under_way).try_acquire_owned().ok();
    let place = among_all.and_then(|among_all| landing.shares.place(among_all, address));
    let Some(mut place) = place else {
        return page(Problem::Busy, lang, None);
    };
    // Checked before a token is used up.
    if landing.upstream.target(request.uri().path(), None).is_none() {
        return page(Problem::BadRequest, lang, None);
    }
    let visits = landing.sessions.of(request.headers(), landing.secure);
    let query = request.uri().query().unwrap_or("");
    let asked = VisitParameters::of(query);
    let (visit, secret) = match whose(&request, &asked, &visits) {
        Ok(Whose::Known(visit)) => (visit, None),
        Ok(Whose::Uncertain) => {
            let action = format!("{}?{}", request.uri().path(), with_pressed(query));
            return button(lang, &action);
        }
        Ok(Whose::New { token, document }) => {
            let by = browser(address, request.headers());
            match enter(&landing, by, token, document, asked.external).await {
                Ok(visit) => {
                    let secret = landing.sessions.make(visits, Arc::clone(&visit));
                    (visit, Some(secret))
                }
                Err((problem, visit)) => return page(problem, lang, visit.as_ref()),
            }
        }
        Err(problem) => return page(problem, lang, None),
    };
    let mut response = if asked.pressed && request.method() == Method::POST {
        to_the_page(request.uri())
    } else if place.is_of(&visit.id, &landing.shares) {
        let named = asked.document.is_some();
        pass(&landing, &visit, request, named, address, place, lang).await
    } else {
        page(Problem::Busy, lang, Some(&visit.id))
    };
    if let Some(secret) = secret {
        cookie(landing.secure).set(response.headers_mut(), &secret.into());
    }
    response
}

/// From the button to the page: redirects to the same address without the button's parameter and the token.
fn to_the_page(uri: &Uri) -> Response {
    let query = without_token(without_pressed(uri.query().unwrap_or("")));
    let address = format!("{}?{query}", uri.path());
    (StatusCode::SEE_OTHER, [(LOCATION, address), (CACHE_CONTROL, "no-store".to_owned())]).into_response()
}

enum Whose {
    /// A visit of the browser's session.
    Known(Arc<Visit>),
    /// A token to verify.
    New { token: String, document: BinderId },
    /// A token, possibly sent by a program.
    Uncertain,
}

fn whose(request: &Request, asked: &VisitParameters, visits: &[Arc<Visit>]) -> Result<Whose, Problem> {
    // With two leading slashes, a redirect to this path would lead to another host.
    let path = request.uri().path();
    if !path.starts_with('/') || path.starts_with("//") {
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
    // A reload or the back button: this browser has already used the token.
    let same = known.as_ref().is_some_and(|visit| visit.token == Fingerprint::of(token));
    let is_get = request.method() == Method::GET;
    let is_button = asked.pressed && request.method() == Method::POST;
    if let Some(visit) = known.filter(|_| same || !(is_get || is_button)) {
        return Ok(Whose::Known(visit));
    }
    let is_pressed = is_button && from_our_page(request.headers());
    if !is_get && !is_pressed {
        return Err(Problem::Method);
    }
    // A malformed token needs no request to the platform.
    let document = BinderId::parse(document).filter(|_| is_one_time_token(token)).ok_or(Problem::Unknown)?;
    match navigation(request.headers()) {
        Navigation::Ahead if !is_pressed => Err(Problem::NotEntered),
        Navigation::Uncertain if !is_pressed => Ok(Whose::Uncertain),
        _ => Ok(Whose::New { token: token.clone(), document }),
    }
}

/// Whether the gateway's own page sent the form: another site must not press the button. A browser without
/// this header is an old one.
fn from_our_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    matches!(site, None | Some(b"same-origin" | b"none"))
}

/// Verifies a token, once for all requests of the same tap. The result is logged before anything depends on
/// it, even if the browser disconnects.
async fn enter(
    landing: &Arc<Landing>,
    by: Fingerprint,
    token: String,
    document: BinderId,
    external: Option<String>,
) -> Result<Arc<Visit>, Failed> {
    let there = Arc::clone(landing);
    let key = Fingerprint::of(&format!("{document}\n{token}"));
    let entering = landing.single_flight.of(key, by, || {
        let verifying = tokio::spawn(async move { verify(&there, &token, document, external).await });
        Box::pin(async move { verifying.await.unwrap_or(Err((Problem::Platform, None))) })
    });
    entering.await
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
        // Checked before the token is used up. This append also detects that the log works again.
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

/// Forwards a request to the application.
async fn pass(
    landing: &Arc<Landing>,
    visit: &Arc<Visit>,
    request: Request,
    named: bool,
    address: IpAddr,
    place: Place,
    lang: Lang,
) -> Response {
    let (mut parts, body) = request.into_parts();
    // The first GET of the document that gets a page as its response is the view. Until then, a reload and
    // the target of the application's redirect count too. Several may be in progress, because a reloading
    // browser does not wait for the first; the first complete one counts.
    let owed = parts.method == Method::GET && visit.is_owed();
    let begin = || PageView::begin(Arc::clone(visit), landing.log.clone(), landing.reporter.clone());
    let mut view = (owed && named).then(begin);
    let query = parts.uri.query().map(without_token).filter(|query| !query.is_empty());
    let Some(target) = landing.upstream.target(parts.uri.path(), query.as_deref()) else {
        give_up(view);
        return page(Problem::BadRequest, lang, Some(&visit.id));
    };
    let came = Came { uri: &parts.uri, address, secure: landing.secure };
    for_upstream(&mut parts.headers, visit, &came);
    let answer = landing.upstream.call(parts.method, target, parts.headers, body).await;

    let (status, outcome) = match &answer {
        Ok(answer) if answer.status().is_server_error() => (Some(answer.status().as_u16()), "error"),
        Ok(answer) if answer.status().is_client_error() => (Some(answer.status().as_u16()), "refused"),
        Ok(_) => (None, ""),
        Err(cause) => (None, *cause),
    };
    let failed = !outcome.is_empty() && (outcome != "refused" || (view.is_some() && named));
    if failed {
        let entry = Entry::new(Kind::PageFailed, outcome).of(visit.document, &visit.id).status(status);
        landing.reporter.append(entry);
    }
    let Ok(answer) = answer else {
        give_up(view);
        let problem = if outcome == "timeout" { Problem::Slow } else { Problem::Upstream };
        return page(problem, lang, Some(&visit.id));
    };
    if answer.status().is_server_error() {
        give_up(view);
        return page(Problem::Upstream, lang, Some(&visit.id));
    }
    let (mut head, body) = answer.into_parts();
    strip_hop_by_hop(&mut head.headers);
    without_our_cookie(&mut head.headers);
    if !owed || !is_the_page(head.status, &head.headers, named) {
        give_up(view.take());
    } else if view.is_none() {
        view = Some(begin());
    }
    let mut passing = Passing::new(body, view, place);
    if passing.note_if_empty().await.is_err() {
        return page(Problem::Busy, lang, Some(&visit.id));
    }
    let mut response = Response::from_parts(head, axum::body::Body::new(passing));
    response.extensions_mut().clear();
    response
}

/// Nothing was shown; the caller has recorded the failure, if any.
fn give_up(view: Option<PageView>) {
    if let Some(mut view) = view {
        view.reported_by_caller();
    }
}

/// Whether a response is the page that the visitor came for: the response at the visited address, or the HTML
/// that it redirects to.
fn is_the_page(status: StatusCode, headers: &HeaderMap, named: bool) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    status.is_success() && (named || content_type.starts_with("text/html"))
}
