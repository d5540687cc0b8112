//! The landing gateway between a real platform, a stub of the institution's application, and a plain HTTP client as
//! the browser.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Client, Start, binary, eventually, http, member_document, private_file};

/// A page of the institution's application.
pub(crate) const PAGE: &str = "<!doctype html><p>자동차세 120,000원";

/// A gateway's files, and how to start it.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new(token: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        private_file(&directory.path().join("token"), &format!("{token}\n"));
        Self { directory }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    pub(crate) fn up(&self, upstream: &str, platform: &str) -> Gateway {
        let errors = self.directory.path().join("stderr");
        let errors = File::options().create(true).append(true).open(errors).unwrap();
        let mut child = Command::new(binary())
            .args(["landing", "--ready-json", "--listen", "127.0.0.1:0", "--upstream", upstream])
            .args(["--platform", platform, "--token-file"])
            .arg(self.directory.path().join("token"))
            .arg("--log")
            .arg(self.log())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut gateway = Gateway { child, url: String::new() };
        let said = std::fs::read_to_string(self.directory.path().join("stderr")).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("it comes up: {said}"));
        assert_eq!(ready["ready"], true);
        ready["landing"].as_str().unwrap().clone_into(&mut gateway.url);
        gateway
    }

    /// The process's own log.
    fn said(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("stderr")).unwrap()
    }
}

/// A request as a person's browser makes it.
fn as_a_browser(request: RequestBuilder) -> RequestBuilder {
    request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document")
}

/// A running gateway, killed on drop.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) url: String,
}

impl Gateway {
    /// A visit as the platform redirects it.
    pub(crate) fn visit(&self, token: &str, document: &str) -> RequestBuilder {
        let query = format!("token={token}&document_binder_uuid={document}&external_document_uuid=A");
        as_a_browser(http().get(format!("{}/notice?year=2026&{query}", self.url)))
    }

    /// Sends SIGTERM and waits for the end.
    fn terminate(mut self) {
        let sent = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `seoham log …`: whether it succeeded, and its output.
pub(crate) fn log_command(command: &str, log: &Path, arguments: &[&str]) -> (bool, String) {
    let done =
        Command::new(binary()).args(["log", command, "--log"]).arg(log).args(arguments).output().unwrap();
    let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (done.status.success(), said.concat())
}

/// The institution's application.
#[derive(Clone, Default)]
pub(crate) struct Application {
    seen: Arc<Mutex<Vec<(String, HeaderMap)>>>,
    failing: Arc<AtomicBool>,
}

impl Application {
    pub(crate) async fn start(&self) -> String {
        let answer = async |State(this): State<Self>, uri: Uri, headers: HeaderMap| -> Response {
            this.seen.lock().unwrap().push((uri.to_string(), headers));
            if this.failing.load(Ordering::SeqCst) {
                return StatusCode::INTERNAL_SERVER_ERROR.into_response();
            }
            ([("content-type", "text/html; charset=utf-8")], PAGE).into_response()
        };
        serve(Router::new().fallback(answer).with_state(self.clone())).await
    }

    fn seen(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

/// The cookie that a browser would send next.
fn session(response: &reqwest::Response) -> String {
    let cookie = response.headers()["set-cookie"].to_str().unwrap();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    cookie.split(';').next().unwrap().to_owned()
}

async fn opened(city: &Client, external: &str) -> (String, String) {
    let id = city.accepted(&[member_document(external)]).await.remove(0);
    city.until(&id, "RECEIVED").await;
    let token = city.open_token(&id).await;
    (id, token)
}

#[tokio::test]
async fn from_the_token_to_read() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let application = Application::default();
    let place = Place::new(&city.token);
    let gateway = place.up(&application.start().await, &city.api);
    let (id, token) = opened(&city, "A").await;

    let forged = gateway.visit(&token, &id).header("Seoham-Document", "BIN-x").header("Seoham_Payload", "x");
    let first = forged.header("Seoham-Anything", "x").send().await.unwrap();
    assert_eq!(first.status(), 200);
    let cookie = session(&first);
    assert_eq!(first.text().await.unwrap(), PAGE);
    let data = city.until(&id, "READ").await;
    assert!(data["token_used_at"].is_i64() && data["doc_box_read_at"].is_i64());

    let (uri, headers) = application.seen.lock().unwrap()[0].clone();
    assert!(uri.starts_with("/notice?year=2026&document_binder_uuid=") && !uri.contains(&token), "{uri}");
    assert_eq!(headers["seoham-document"], id.as_str());
    assert_eq!(headers["seoham-payload"], "amount%3D120000");
    assert_eq!(headers["seoham-authenticated-at"], data["authenticated_at"].to_string().as_str());
    assert!(!headers.contains_key("seoham_payload") && !headers.contains_key("seoham-anything"));

    let again = gateway.visit(&token, &id).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(again.status(), 200, "the same address in the same browser");
    let asset =
        http().get(format!("{}/style.css", gateway.url)).header("cookie", &cookie).send().await.unwrap();
    assert_eq!(asset.status(), 200);
    assert_eq!(application.seen.lock().unwrap().last().unwrap().1["seoham-document"], id.as_str());
    let elsewhere = gateway.visit(&token, &id).header("user-agent", "another").send().await.unwrap();
    assert_eq!(elsewhere.status(), 400, "the same address in another");

    gateway.terminate();
    let (sound, story) = log_command("show", &place.log(), &["--document", &id]);
    assert!(sound, "{story}");
    let mut from = 0;
    for step in
        ["platform: verified", "entered: verified", "shown: whole", "platform: taken", "read_reported"]
    {
        from += story[from..].find(step).unwrap_or_else(|| panic!("{step} in its place: {story}"));
    }
    for secret in [token.as_str(), city.token.as_str(), "amount", "year=2026"] {
        assert!(!place.said().contains(secret) && !story.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn nobody_gets_in_without_a_good_token() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let application = Application::default();
    let place = Place::new(&city.token);
    let gateway = place.up(&application.start().await, &city.api);
    let (id, token) = opened(&city, "A").await;
    let (other, other_token) = opened(&city, "B").await;

    let refused = async |request: RequestBuilder, status: u16, word: &str| {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(!answer.headers().contains_key("set-cookie"));
        let text = answer.text().await.unwrap();
        assert!(text.contains(word) && text.contains("문서함"), "{text}");
    };
    refused(http().get(&gateway.url), 403, "문서함에서 열어").await;
    refused(gateway.visit("forged", &id), 404, "올바르지 않은").await;
    refused(gateway.visit(&other_token, &id), 404, "올바르지 않은").await;
    let target = format!("{}/?token={token}&document_binder_uuid={id}", gateway.url);
    refused(http().post(&target), 405, "요청").await;
    assert_eq!(http().head(&target).send().await.unwrap().status(), 405);
    let cookie = "seoham_landing=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    refused(http().get(&gateway.url).header("cookie", cookie), 403, "문서함에서 열어").await;
    assert_eq!(application.seen(), 0, "nothing was passed on");
    assert_eq!(gateway.visit(&token, &id).send().await.unwrap().status(), 200, "the token was not used up");
    city.advance(301).await;
    refused(gateway.visit(&other_token, &other), 400, "만료된").await;
    assert_eq!(city.status(&other).await["doc_box_status"], "RECEIVED");
    let english = gateway.visit(&other_token, &other).header("accept-language", "en").send().await.unwrap();
    assert!(english.text().await.unwrap().contains("used before or has expired"));
}

#[tokio::test]
async fn what_was_not_shown_is_not_read() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let application = Application::default();
    let place = Place::new(&city.token);
    let gateway = place.up(&application.start().await, &city.api);
    application.failing.store(true, Ordering::SeqCst);
    let (id, token) = opened(&city, "A").await;
    let first = gateway.visit(&token, &id).send().await.unwrap();
    assert_eq!(first.status(), 502);
    let cookie = session(&first);
    eventually("the failed call is in the log", async || {
        log_command("show", &place.log(), &["--document", &id]).1.contains("page_failed: error").then_some(())
    })
    .await;
    assert_eq!(city.status(&id).await["doc_box_status"], "RECEIVED");
    application.failing.store(false, Ordering::SeqCst);
    let reload = gateway.visit(&token, &id).header("cookie", cookie).send().await.unwrap();
    assert_eq!(reload.text().await.unwrap(), PAGE);
    city.until(&id, "READ").await;

    drop(gateway);
    let away = place.up("http://127.0.0.1:9", &city.api);
    let (id, token) = opened(&city, "B").await;
    let answer = away.visit(&token, &id).send().await.unwrap();
    assert_eq!(answer.status(), 502);
    assert!(answer.text().await.unwrap().contains("기관의 시스템"));
    assert_eq!(city.status(&id).await["doc_box_status"], "RECEIVED");
}

#[tokio::test]
async fn a_read_is_reported_once_after_a_kill() {
    #[derive(Clone, Default)]
    struct Platform {
        tried: Arc<AtomicUsize>,
        taken: Arc<AtomicUsize>,
        well: Arc<AtomicBool>,
    }
    let platform = Platform::default();
    let read = async |State(this): State<Platform>| {
        this.tried.fetch_add(1, Ordering::SeqCst);
        if !this.well.load(Ordering::SeqCst) {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        this.taken.fetch_add(1, Ordering::SeqCst);
        StatusCode::NO_CONTENT
    };
    let routes = Router::new()
        .route(
            "/v1/documents/{binder}/tokens/{token}",
            get(async || json!({ "token_status": "USED" }).to_string()),
        )
        .route("/v1/documents/{binder}", post(read));
    let url = serve(routes.with_state(platform.clone())).await;
    let place = Place::new(&"0".repeat(32));
    let application = Application::default().start().await;
    let gateway = place.up(&application, &url);
    let id = format!("BIN-{}", "1".repeat(32));
    let page = gateway.visit("T", &id).send().await.unwrap();
    assert_eq!(page.text().await.unwrap(), PAGE);
    eventually("it was tried", async || (platform.tried.load(Ordering::SeqCst) > 0).then_some(())).await;
    drop(gateway);
    platform.well.store(true, Ordering::SeqCst);
    let gateway = place.up(&application, &url);
    eventually("it is reported and written down", async || {
        log_command("show", &place.log(), &["--document", &id]).1.contains("read_reported").then_some(())
    })
    .await;
    gateway.terminate();
    place.up(&application, &url).terminate();
    assert_eq!(platform.taken.load(Ordering::SeqCst), 1);
    assert!(log_command("verify", &place.log(), &[]).0);
}

#[tokio::test]
async fn plain_http_off_loopback_is_refused() {
    let place = Place::new(&"0".repeat(32));
    let refused = Command::new(binary())
        .args(["landing", "--listen", "0.0.0.0:0", "--upstream", "http://127.0.0.1:9"])
        .args(["--platform", "http://127.0.0.1:9", "--token-file"])
        .arg(place.directory.path().join("token"))
        .arg("--log")
        .arg(place.log())
        .output()
        .unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("without TLS"));
}
