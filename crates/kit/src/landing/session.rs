//! Sessions: which browser may see which documents, short-lived and in memory.
//!
//! A browser can have several documents open, so a session holds several visits. A request belongs to the
//! document that its address names, otherwise to the one that its referring page names, otherwise to the
//! latest.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use axum::http::header::{COOKIE, REFERER, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use seoham_pages::SessionCookie;

use super::Limits;
use super::query::VisitParameters;
use super::visit::{Fingerprint, Visit};

/// Documents in one session; beyond that, the oldest is evicted.
const VISITS_MAX: usize = 8;

pub(super) struct Sessions {
    inner: Mutex<Inner>,
    max: usize,
    idle: Duration,
    total: Duration,
}

#[derive(Default)]
struct Inner {
    sessions: HashMap<Fingerprint, Session>,
    /// In creation order.
    order: VecDeque<Fingerprint>,
}

struct Session {
    /// Latest last.
    visits: Vec<Arc<Visit>>,
    made: Instant,
    used: Instant,
}

impl Sessions {
    pub(super) fn new(limits: Limits) -> Self {
        let Limits { session_idle: idle, session_total: total, sessions, .. } = limits;
        Self { inner: Mutex::default(), max: sessions.max(1), idle, total }
    }

    /// Creates a session of `visit` and the `earlier` ones of the same browser; returns its secret.
    ///
    /// The secret is always new, which prevents session fixation. The old session stays valid for requests in
    /// progress.
    pub(super) fn make(&self, mut earlier: Vec<Arc<Visit>>, visit: Arc<Visit>) -> String {
        let mut secret = [0; 32];
        rand::fill(&mut secret).expect("the system's random source answers");
        let secret = URL_SAFE_NO_PAD.encode(secret);
        earlier.retain(|other| other.document != visit.document);
        earlier.drain(..earlier.len().saturating_sub(VISITS_MAX - 1));
        earlier.push(visit);
        let now = Instant::now();
        let mut inner = self.lock();
        while let Some(oldest) = inner.order.front().copied() {
            let over = inner.sessions.get(&oldest).is_none_or(|s| now - s.made >= self.total);
            if !over && inner.sessions.len() < self.max {
                break;
            }
            inner.order.pop_front();
            inner.sessions.remove(&oldest);
        }
        let key = Fingerprint::of(&secret);
        inner.order.push_back(key);
        inner.sessions.insert(key, Session { visits: earlier, made: now, used: now });
        secret
    }

    /// The visits of the session whose cookie is in `headers`; empty without one.
    pub(super) fn of(&self, headers: &HeaderMap, secure: bool) -> Vec<Arc<Visit>> {
        let Some(secret) = cookie(secure).of(headers) else { return Vec::new() };
        let key = Fingerprint::of(secret.expose_secret());
        let now = Instant::now();
        let mut inner = self.lock();
        let Some(session) = inner.sessions.get_mut(&key) else { return Vec::new() };
        if now - session.used >= self.idle {
            inner.sessions.remove(&key);
            return Vec::new();
        }
        session.used = now;
        session.visits.retain(|visit| now - visit.since < self.total);
        session.visits.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Selects the visit among `visits` that a request is about; none if the request names a document without a
/// visit.
pub(super) fn choose<'a>(
    visits: &'a [Arc<Visit>],
    asked: &VisitParameters,
    headers: &HeaderMap,
) -> Option<&'a Arc<Visit>> {
    let named = |document: &str| visits.iter().rev().find(|visit| visit.is_of(document));
    if let Some(document) = &asked.document {
        return named(document);
    }
    let referer = headers.get(REFERER).and_then(|r| r.to_str().ok()).and_then(|r| r.split_once('?'));
    let came_from = referer.and_then(|(_, query)| VisitParameters::of(query).document);
    came_from.and_then(|document| named(&document)).or(visits.last())
}

/// The cookie of a browser's session.
pub(super) const fn cookie(secure: bool) -> SessionCookie {
    SessionCookie::new("seoham_landing", "__Host-seoham_landing", secure)
}

/// The cookies of a request, as bytes: an application may set non-ASCII ones.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    values.flat_map(|value| value.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii)
}

/// The cookies that the application may see: all except the gateway's.
pub(super) fn other_cookies(headers: &HeaderMap) -> Vec<u8> {
    let ours = |pair: &[u8]| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii();
        cookie(false).names().iter().any(|ours| ours.as_bytes() == name)
    };
    let others: Vec<&[u8]> = cookies(headers).filter(|cookie| !cookie.is_empty() && !ours(cookie)).collect();
    others.join(&b"; "[..])
}

/// Removes `Set-Cookie` headers of the application that use the gateway's cookie name.
pub(super) fn without_our_cookie(headers: &mut HeaderMap) {
    let ours = |value: &HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes());
        let name = text.split(['=', ';']).next().unwrap_or_default().trim().to_owned();
        cookie(false).names().iter().any(|ours| ours.eq_ignore_ascii_case(&name))
    };
    let kept: Vec<HeaderValue> =
        headers.get_all(SET_COOKIE).iter().filter(|value| !ours(value)).cloned().collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use seoham_model::{BinderId, Clock};

    use super::super::platform::Verified;
    use super::*;
    use crate::exchange::VisitId;

    fn visit() -> Arc<Visit> {
        let document = BinderId::generate(&Clock::default());
        Arc::new(Visit::new(VisitId::generate(), document, "T", None, Verified::default()))
    }

    fn with(secret: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let name = cookie(false).name();
        headers.insert(COOKIE, format!("a=1; {name}={secret}; b=2").parse().unwrap());
        headers
    }

    #[test]
    fn a_request_belongs_to_the_document_that_it_names() {
        let sessions = Sessions::new(Limits::default());
        let (one, two) = (visit(), visit());
        let first = sessions.make(Vec::new(), Arc::clone(&one));
        let earlier = sessions.of(&with(&first), false);
        let second = sessions.make(earlier, Arc::clone(&two));
        assert_ne!(first, second);
        let mut headers = with(&second);
        assert_eq!(other_cookies(&headers), b"a=1; b=2");
        let mut korean = headers.clone();
        let cookie = [headers[COOKIE].as_bytes(), "; user=홍길동".as_bytes()].concat();
        korean.insert(COOKIE, HeaderValue::from_bytes(&cookie).unwrap());
        assert_eq!(sessions.of(&korean, false).len(), 2, "whatever else the browser sends");
        assert_eq!(other_cookies(&korean), "a=1; b=2; user=홍길동".as_bytes());
        let visits = sessions.of(&headers, false);
        let chosen = |document: Option<String>, headers: &HeaderMap| {
            let asked = VisitParameters { document, ..VisitParameters::default() };
            choose(&visits, &asked, headers).map(|v| v.document)
        };
        assert_eq!(chosen(None, &headers), Some(two.document), "the latest");
        assert_eq!(chosen(Some(one.document.to_string()), &headers), Some(one.document));
        assert_eq!(chosen(Some(visit().document.to_string()), &headers), None, "a stranger's");
        assert_eq!(chosen(Some("x".to_owned()), &headers), None);
        let referer = format!("https://a.kr/?document_binder_uuid={}", one.document);
        headers.insert(REFERER, referer.parse().unwrap());
        assert_eq!(chosen(None, &headers), Some(one.document));
        assert!(sessions.of(&with("forged"), false).is_empty());
        assert!(sessions.of(&with(&second), true).is_empty(), "not the cookie of TLS");
    }

    #[test]
    fn the_application_cannot_set_our_cookie() {
        let mut headers = HeaderMap::new();
        for cookie in [
            "app=1; Path=/",
            "seoham_landing=forged; Path=/",
            "__Host-seoham_landing=forged; Secure; Path=/",
            " SEOHAM_LANDING =forged",
            "seoham_landing",
            "seoham_landing_of_theirs=1",
        ] {
            headers.append(SET_COOKIE, cookie.parse().unwrap());
        }
        without_our_cookie(&mut headers);
        let kept: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(kept, ["app=1; Path=/", "seoham_landing_of_theirs=1"]);
    }

    #[test]
    fn sessions_end_and_are_bounded() {
        let limits = Limits { sessions: 3, ..Limits::default() };
        let sessions = Sessions::new(limits);
        let secrets: Vec<_> = (0..5).map(|_| sessions.make(Vec::new(), visit())).collect();
        let there: Vec<_> = secrets.iter().map(|s| sessions.of(&with(s), false).len()).collect();
        assert_eq!(there, [0, 0, 1, 1, 1]);
        let ended = Sessions::new(Limits { session_idle: Duration::ZERO, ..limits });
        let secret = ended.make(Vec::new(), visit());
        assert!(ended.of(&with(&secret), false).is_empty());
        let ended = Sessions::new(Limits { session_total: Duration::ZERO, ..limits });
        let secret = ended.make(Vec::new(), visit());
        assert!(ended.of(&with(&secret), false).is_empty());
    }
}
