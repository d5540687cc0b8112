//! The gateway in this process, between stubs of a platform and of an application.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests are documented by their names")]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as Segments, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use futures_util::StreamExt;
use reqwest::RequestBuilder;
use seoham_kit::exchange::{VerifyOptions, show, verify};
use seoham_kit::landing::{Landing, LandingOptions, Limits};
use seoham_model::{BinderId, Clock};
use serde_json::json;

#[derive(Clone, Default)]
struct Stub {
    used: Arc<Mutex<HashSet<String>>>,
    reads: Arc<Mutex<Vec<String>>>,
    /// How many more reports to answer with 503.
    failing: Arc<Mutex<u32>>,
    seen: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

impl Stub {
    async fn platform(&self) -> String {
        let verify = async |State(stub): State<Self>, Segments((_, token)): Segments<(String, String)>| {
            if token.starts_with("unknown") {
                StatusCode::NOT_FOUND.into_response()
            } else if stub.used.lock().unwrap().insert(token) {
                let headers = [("x-request-id", "request-1")];
                (headers, json!({ "token_status": "USED", "payload": "금액 1" }).to_string()).into_response()
            } else {
                StatusCode::BAD_REQUEST.into_response()
            }
        };
        let read = async |State(stub): State<Self>, Segments(document): Segments<String>| {
            let mut failing = stub.failing.lock().unwrap();
            if *failing > 0 {
                *failing -= 1;
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            stub.reads.lock().unwrap().push(document);
            StatusCode::NO_CONTENT
        };
        let app = Router::new()
            .route("/v1/documents/{binder}/tokens/{token}", get(verify))
            .route("/v1/documents/{binder}", axum::routing::post(read));
        serve(app.with_state(self.clone())).await
    }

    async fn upstream(&self) -> String {
        let answer =
            async |State(stub): State<Self>, uri: Uri, headers: HeaderMap, body: String| -> Response {
                stub.seen.lock().unwrap().push((uri.to_string(), headers));
                match uri.path() {
                    "/error" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                    "/redirect" => (StatusCode::SEE_OTHER, [("location", "/notice")]).into_response(),
                    "/empty" => ([("content-type", "text/html")], "").into_response(),
                    "/chunked" => {
                        let pieces =
                            ["가", "나", "다"].map(|piece| Ok::<_, std::io::Error>(piece.to_owned()));
                        Body::from_stream(futures_util::stream::iter(pieces)).into_response()
                    }
                    "/slow" => {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                        StatusCode::OK.into_response()
                    }
                    "/large" => {
                        let pieces = (0..2_000).map(|_| Ok::<_, std::io::Error>("0".repeat(64 * 1024)));
                        Body::from_stream(futures_util::stream::iter(pieces)).into_response()
                    }
                    "/broken" => {
                        let pieces = [Ok("가".to_owned()), Err(std::io::Error::other("broken"))];
                        let slowly = futures_util::stream::iter(pieces).then(async |piece| {
                            tokio::time::sleep(Duration::from_millis(50)).await;
                            piece
                        });
                        Body::from_stream(slowly).into_response()
                    }
                    _ => ([("content-type", "text/html")], format!("<p>고지서 {body}")).into_response(),
                }
            };
        serve(Router::new().fallback(any(answer)).with_state(self.clone())).await
    }

    fn seen(&self) -> (String, HeaderMap) {
        self.seen.lock().unwrap().last().unwrap().clone()
    }

    fn reads(&self) -> usize {
        self.reads.lock().unwrap().len()
    }
}

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    format!("http://{address}")
}

fn client() -> reqwest::Client {
    static PROVIDER: LazyLock<()> = LazyLock::new(|| {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    });
    LazyLock::force(&PROVIDER);
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

async fn up(stub: &Stub, upstream: Option<&str>, log: &Path) -> (Landing, String) {
    let limits = Limits { first_byte: Duration::from_secs(5), ..Limits::default() };
    up_within(stub, upstream, log, limits).await
}

async fn up_within(stub: &Stub, upstream: Option<&str>, log: &Path, limits: Limits) -> (Landing, String) {
    client();
    let upstream = match upstream {
        Some(upstream) => upstream.to_owned(),
        None => stub.upstream().await,
    };
    let options = LandingOptions {
        upstream,
        platform: stub.platform().await,
        access_token: "0".repeat(32).into(),
        log: log.to_owned(),
        secure: false,
        behind_proxy: false,
        limits,
    };
    let landing = Landing::start(&options).unwrap();
    let url = serve(landing.router()).await;
    (landing, url)
}

fn binder() -> String {
    BinderId::generate(&Clock::default()).to_string()
}

/// A visit by any program that follows links.
fn fetch(url: &str, path: &str, token: &str, document: &str) -> RequestBuilder {
    client().get(format!(
        "{url}{path}?a=1&token={token}&document_binder_uuid={document}&external_document_uuid=E%201"
    ))
}

/// A visit by a person's browser.
fn visit(url: &str, path: &str, token: &str, document: &str) -> RequestBuilder {
    fetch(url, path, token, document)
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
}

fn cookie(response: &reqwest::Response) -> String {
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"));
    cookie.split(';').next().unwrap().to_owned()
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < patience, "within half a minute: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn kinds(log: &Path, document: &str) -> Vec<String> {
    let story = show(log, document).unwrap();
    assert!(story.damage.is_empty(), "{:?}", story.damage);
    story.records.into_iter().map(|r| format!("{} {}", r.kind, r.outcome)).collect()
}

#[tokio::test]
async fn a_visit_is_let_in_shown_and_reported() {
    let (stub, log) = (Stub::default(), tempfile::tempdir().unwrap());
    let (_landing, url) = up(&stub, None, log.path()).await;
    let document = binder();
    let request = visit(&url, "/notice", "T1", &document)
        .header("seoham-document", "forged")
        .header("seoham_payload", "forged")
        .header("cookie", "mine=1");
    let first = request.send().await.unwrap();
    assert_eq!(first.status(), 200);
    let session = cookie(&first);
    assert_eq!(first.text().await.unwrap(), "<p>고지서 ");
    let (uri, headers) = stub.seen();
    assert_eq!(uri, format!("/notice?a=1&document_binder_uuid={document}&external_document_uuid=E%201"));
    assert_eq!(headers["seoham-document"], document.as_str());
    assert_eq!(headers["seoham-payload"], "%EA%B8%88%EC%95%A1%201");
    assert_eq!(headers["seoham-unverified-external-document"], "E%201");
    assert!(!headers.contains_key("seoham_payload") && !headers.contains_key("seoham-external-document"));
    assert_eq!(headers["cookie"], "mine=1");
    eventually("the read is reported", || stub.reads() == 1).await;
    let story =
        ["platform verified", "entered verified", "shown whole", "platform taken", "read_reported taken"];
    eventually("it is written down", || kinds(log.path(), &document) == story).await;

    let again = visit(&url, "/notice", "T1", &document).header("cookie", &session).send().await.unwrap();
    assert_eq!(again.status(), 200, "a reload");
    assert!(!again.headers().contains_key("set-cookie"));
    let form =
        client().post(format!("{url}/pay")).header("cookie", &session).body("hello").send().await.unwrap();
    assert_eq!(form.text().await.unwrap(), "<p>고지서 hello");
    let elsewhere = visit(&url, "/notice", "T1", &document).header("user-agent", "another");
    let elsewhere = elsewhere.send().await.unwrap();
    assert_eq!(elsewhere.status(), 400, "pasted elsewhere");
    assert!(elsewhere.text().await.unwrap().contains("이미 사용"));
    let stranger =
        visit(&url, "/notice", "unknown", &binder()).header("cookie", &session).send().await.unwrap();
    assert_eq!(stranger.status(), 404);
    let named = client().get(format!("{url}/?document_binder_uuid={}", binder()));
    assert_eq!(named.header("cookie", &session).send().await.unwrap().status(), 403, "another's document");
    assert_eq!(stub.reads(), 1);
    let files = std::fs::read_dir(log.path()).unwrap();
    for file in files {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for personal in ["T1", "금액", "%EA%B8%88", "E 1", "a=1"] {
            assert!(!text.contains(personal), "{personal}");
        }
    }
}

#[tokio::test]
async fn without_a_good_token_there_is_a_page_that_says_what_to_do() {
    let (stub, log) = (Stub::default(), tempfile::tempdir().unwrap());
    let (_landing, url) = up(&stub, None, log.path()).await;
    let document = binder();
    let status = async |request: RequestBuilder| {
        let response = request.header("accept-language", "en").send().await.unwrap();
        let status = response.status().as_u16();
        assert!(
            response.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'")
        );
        let text = response.text().await.unwrap();
        assert!(text.contains(r#"<html lang="en">"#) && text.contains("document box"), "{text}");
        status
    };
    assert_eq!(status(client().get(&url)).await, 403);
    assert_eq!(status(client().get(&url).header("cookie", "seoham_landing=forged")).await, 403);
    assert_eq!(status(client().get(format!("{url}/?token=T"))).await, 400);
    assert_eq!(status(visit(&url, "/", "unknown", &document)).await, 404);
    assert_eq!(status(visit(&url, "/", "T", "BIN-x")).await, 404);
    assert_eq!(status(visit(&url, "/", "T", &document).header("sec-purpose", "prefetch")).await, 403);
    let target = format!("{url}/?token=T&document_binder_uuid={document}");
    assert_eq!(status(client().post(&target)).await, 405);
    assert_eq!(client().head(&target).send().await.unwrap().status(), 405);
    assert!(stub.used.lock().unwrap().is_empty(), "the token is as good as before");
    assert!(stub.seen.lock().unwrap().is_empty() && stub.reads() == 0, "nothing was passed on");
    assert_eq!(client().get(format!("{url}/.seoham/style.css")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_is_not_shown_whole_is_not_reported_until_it_is() {
    let (stub, log) = (Stub::default(), tempfile::tempdir().unwrap());
    let (_landing, url) = up(&stub, None, log.path()).await;
    for (path, status) in [("/error", 502), ("/broken", 200), ("/redirect", 303)] {
        let (document, token) = (binder(), format!("T{}", &path[1..]));
        let first = visit(&url, path, &token, &document).send().await.unwrap();
        assert_eq!(first.status(), status, "{path}");
        let session = cookie(&first);
        assert_eq!(first.text().await.is_err(), path == "/broken");
        if path != "/redirect" {
            eventually("the failure is written down", || kinds(log.path(), &document).len() == 3).await;
            assert!(kinds(log.path(), &document)[2].starts_with("page_failed"));
        }
        let before = stub.reads();
        let next = client().get(format!("{url}/notice")).header("cookie", &session).send().await.unwrap();
        assert_eq!(next.status(), 200);
        next.text().await.unwrap();
        eventually("then it is reported", || stub.reads() == before + 1).await;
    }
    for path in ["/chunked", "/empty"] {
        let before = stub.reads();
        visit(&url, path, &format!("T{}", &path[1..]), &binder()).send().await.unwrap().text().await.unwrap();
        eventually("reported", || stub.reads() == before + 1).await;
    }
    assert!(verify(log.path(), &VerifyOptions::default()).unwrap().damage.is_empty());
}

#[tokio::test]
async fn an_application_that_is_away_is_told_politely() {
    let (stub, log) = (Stub::default(), tempfile::tempdir().unwrap());
    let (_landing, url) = up(&stub, Some("http://127.0.0.1:9"), log.path()).await;
    let document = binder();
    let answer = visit(&url, "/", "T", &document).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    assert!(answer.text().await.unwrap().contains("기관의 시스템"));
    let story = ["platform verified", "entered verified", "page_failed unreachable"];
    eventually("it is written down", || kinds(log.path(), &document) == story).await;
    assert_eq!(stub.reads(), 0);
}

#[tokio::test]
async fn a_report_is_tried_until_it_is_taken_and_across_starts() {
    let (stub, log) = (Stub::default(), tempfile::tempdir().unwrap());
    *stub.failing.lock().unwrap() = 1;
    let document = binder();
    let (landing, url) = up(&stub, None, log.path()).await;
    visit(&url, "/", "T", &document).send().await.unwrap().text().await.unwrap();
    eventually("it is taken in the end", || stub.reads() == 1).await;
    eventually("and written down", || kinds(log.path(), &document).len() == 6).await;
    drop(landing);

    let other = tempfile::tempdir().unwrap();
    *stub.failing.lock().unwrap() = u32::MAX;
    let (landing, url) = up(&stub, None, other.path()).await;
    visit(&url, "/", "T2", &document).send().await.unwrap().text().await.unwrap();
    eventually("it was tried", || *stub.failing.lock().unwrap() < u32::MAX).await;
    landing.stop(Duration::from_secs(10)).await;
    // This process still holds the log, which a killed process would not, so use a copy.
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(other.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    *stub.failing.lock().unwrap() = 0;
    let (landing, _) = up(&stub, None, copy.path()).await;
    assert_eq!(landing.opened().pending.len(), 1);
    eventually("it is reported after the start", || stub.reads() == 2).await;
    eventually("once", || kinds(copy.path(), &document).last().unwrap() == "read_reported taken").await;
}

#[tokio::test]
async fn a_browser_that_leaves_has_not_read() {
    let (stub, log) = (Stub::default(), tempfile::tempdir().unwrap());
    let (_landing, url) = up(&stub, None, log.path()).await;
    for path in ["/large", "/slow"] {
        let document = binder();
        let request = visit(&url, path, &format!("T{}", &path[1..]), &document).send();
        if path == "/large" {
            drop(request.await.unwrap().chunk().await.unwrap());
        } else {
            let passed_on = || stub.seen.lock().unwrap().last().is_some_and(|(uri, _)| uri.starts_with(path));
            tokio::select! {
                _ = request => panic!("it is slow"),
                () = eventually("it is passed on", passed_on) => {}
            }
        }
        let left = || kinds(log.path(), &document).last().is_some_and(|last| last == "page_failed left");
        eventually("that it left is written down", left).await;
    }
    assert_eq!(stub.reads(), 0);
}

#[tokio::test]
async fn what_is_slow_or_too_much_is_told_politely() {
    let (stub, log) = (Stub::default(), tempfile::tempdir().unwrap());
    let limits = Limits { first_byte: Duration::from_secs(2), under_way: 1, ..Limits::default() };
    let (_landing, url) = up_within(&stub, None, log.path(), limits).await;
    let document = binder();
    let slow = tokio::spawn(visit(&url, "/slow", "T1", &document).send());
    eventually("it is passed on", || !stub.seen.lock().unwrap().is_empty()).await;
    let second = visit(&url, "/", "T2", &binder()).send().await.unwrap();
    assert_eq!(second.status(), 503);
    assert!(second.headers().contains_key("retry-after"));
    assert!(!stub.used.lock().unwrap().contains("T2"), "its token is as good as before");
    assert_eq!(slow.await.unwrap().unwrap().status(), 504);
    eventually("written down", || kinds(log.path(), &document).last().unwrap() == "page_failed timeout")
        .await;
    assert_eq!(visit(&url, "/", "T2", &binder()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn whatever_may_be_no_person_is_shown_a_button_and_uses_nothing_up() {
    let (stub, log) = (Stub::default(), tempfile::tempdir().unwrap());
    let (_landing, url) = up(&stub, None, log.path()).await;
    let document = binder();
    for headers in [
        &[][..],
        &[("user-agent", "facebookexternalhit/1.1; kakaotalk-scrap/1.0")],
        &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
        &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
    ] {
        let mut request = fetch(&url, "/notice", "T1", &document);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{headers:?}");
        assert!(!answer.headers().contains_key("set-cookie"));
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        let text = answer.text().await.unwrap();
        assert!(text.contains("문서 열기") && policy.contains("form-action 'self'"), "{text}");
    }
    assert!(stub.used.lock().unwrap().is_empty() && stub.seen.lock().unwrap().is_empty());

    // The button, sent by a browser without fetch metadata.
    let query = format!("a=1&token=T1&document_binder_uuid={document}&external_document_uuid=E%201");
    let text = fetch(&url, "/notice", "T1", &document).send().await.unwrap().text().await.unwrap();
    let action = text.split_once("action=\"").unwrap().1.split('"').next().unwrap().replace("&#38;", "&");
    let action = action.replace("&amp;", "&");
    assert_eq!(action, format!("/notice?{query}&seoham_open=1"));
    let from_elsewhere = client().post(format!("{url}{action}")).header("sec-fetch-site", "cross-site");
    assert_eq!(from_elsewhere.send().await.unwrap().status(), 405, "another site presses no button");
    let pressed = client().post(format!("{url}{action}")).send().await.unwrap();
    assert_eq!(pressed.status(), 303);
    let location = pressed.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(location, format!("/notice?{}", query.replace("token=T1&", "")));
    let session = cookie(&pressed);
    let shown = client().get(format!("{url}{location}")).header("cookie", &session).send().await.unwrap();
    assert_eq!((shown.status().as_u16(), shown.text().await.unwrap().as_str()), (200, "<p>고지서 "));
    eventually("the read is reported", || stub.reads() == 1).await;
    assert!(!stub.seen().0.contains("seoham_open"), "the application sees nothing of it");
}

#[tokio::test]
async fn both_requests_of_a_double_tap_end_on_the_page() {
    let (stub, log) = (Stub::default(), tempfile::tempdir().unwrap());
    let (_landing, url) = up(&stub, None, log.path()).await;
    for round in 0..20 {
        let (document, token) = (binder(), format!("T{round}"));
        let taps = [0, 1].map(|_| visit(&url, "/notice", &token, &document).send());
        for tap in futures_util::future::join_all(taps).await {
            let tap = tap.unwrap();
            assert_eq!(tap.status(), 200);
            assert!(tap.headers().contains_key("set-cookie"));
            assert_eq!(tap.text().await.unwrap(), "<p>고지서 ");
        }
        let stranger = visit(&url, "/notice", &token, &document).header("user-agent", "another");
        assert_eq!(stranger.send().await.unwrap().status(), 400, "another browser's is another's");
    }
    eventually("each read is reported once", || stub.reads() == 20).await;
}

/// Sends a request's first line verbatim. Returns the status.
async fn raw(url: &str, line: &str, session: &str) -> u16 {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!("{line}\r\nHost: a\r\nCookie: {session}\r\nConnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn no_request_leaves_the_path_of_the_upstream() {
    let (stub, log) = (Stub::default(), tempfile::tempdir().unwrap());
    let upstream = format!("{}/tax", stub.upstream().await);
    let (_landing, url) = up(&stub, Some(&upstream), log.path()).await;
    let first = visit(&url, "/notice", "T1", &binder()).send().await.unwrap();
    let session = cookie(&first);
    assert!(stub.seen().0.starts_with("/tax/notice?"), "{}", stub.seen().0);
    let before = stub.seen.lock().unwrap().len();
    for path in [
        "/../admin",
        "/..",
        "/notice/../../admin",
        "/%2e%2e/admin",
        "/%2E%2e/admin",
        "/.%2e/admin",
        "/%2e./admin",
        "/..%2fadmin",
        "/%2e%2e%2fadmin",
        "/..%5cadmin",
        "/..\\admin",
        "/\\..\\admin",
        "/a/..;/admin",
        "/..;a=1/admin",
        "/%252e%252e/admin",
        "/%25252e%25252e/admin",
        "/.%252e/admin",
        "//evil.example/../admin",
        "/a/%2e%2e/%2e%2e/admin",
        "/%5c..%5cadmin",
        "http://evil.example/../admin",
        "/%00/../admin",
    ] {
        let status = raw(&url, &format!("GET {path} HTTP/1.1"), &session).await;
        assert_eq!(status, 400, "{path}");
    }
    assert_eq!(stub.seen.lock().unwrap().len(), before, "nothing of it was passed on");
    assert_eq!(raw(&url, "GET /notice/2 HTTP/1.1", &session).await, 200);
    assert_eq!(stub.seen().0, "/tax/notice/2");
}

#[tokio::test]
async fn one_visitor_does_not_block_the_others() {
    let (stub, log) = (Stub::default(), tempfile::tempdir().unwrap());
    let limits =
        Limits { first_byte: Duration::from_secs(5), under_way: 40, of_visit: 4, ..Limits::default() };
    let (_landing, url) = up_within(&stub, None, log.path(), limits).await;
    let session = cookie(&visit(&url, "/notice", "T1", &binder()).send().await.unwrap());
    let hanging: Vec<_> = (0..200)
        .map(|_| tokio::spawn(client().get(format!("{url}/slow")).header("cookie", &session).send()))
        .collect();
    eventually("some hang", || {
        stub.seen.lock().unwrap().iter().filter(|(uri, _)| uri == "/slow").count() >= 4
    })
    .await;
    // Of two hundred requests, four hang and the others are rejected at once. Everybody else is served.
    let mut refused = 0;
    for n in 0..10 {
        let other = visit(&url, "/notice", &format!("O{n}"), &binder()).send().await.unwrap();
        assert_eq!(other.status(), 200, "{n}");
    }
    for request in hanging {
        refused += usize::from(request.await.unwrap().is_ok_and(|answer| answer.status() == 503));
    }
    assert!(refused >= 190, "{refused}");
}
