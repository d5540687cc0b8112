//! The client and the servlet filter for Java, compiled and run as at an institution.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Answer, Client, Start, document, http, private_file};

/// Where Debian installs the parts of the container.
const JARS: [&str; 7] = [
    "servlet-api",
    "jetty9-server",
    "jetty9-servlet",
    "jetty9-util",
    "jetty9-http",
    "jetty9-io",
    "jetty9-security",
];

/// The compiled programs.
struct Java {
    classes: TempDir,
}

impl Java {
    async fn compiled() -> Self {
        let java = Self { classes: tempfile::tempdir().unwrap() };
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../clients/java");
        let mut javac = Command::new("javac");
        // Java 8 is the oldest version that institutions use.
        javac.args(["--release", "8", "-encoding", "UTF-8", "-Xlint:all,-options", "-Werror", "-d"]);
        javac.arg(java.classes.path()).arg("-cp").arg(java.path()).args(sources(&root));
        let compiled =
            tokio::task::spawn_blocking(move || javac.output().expect("a JDK is installed")).await.unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        java
    }

    fn path(&self) -> String {
        let jars = JARS.map(|jar| format!("/usr/share/java/{jar}.jar"));
        for jar in &jars {
            assert!(Path::new(jar).is_file(), "{jar} is missing");
        }
        format!("{}:{}", self.classes.path().display(), jars.join(":"))
    }

    fn command(&self, class: &str) -> Command {
        let mut java = Command::new("java");
        java.args(["-Dfile.encoding=UTF-8", "-cp", &self.path(), class]);
        java
    }

    /// Runs the client's program. Returns what it printed and logged.
    async fn client(&self, city: &Client, arguments: &[&str]) -> (String, String) {
        let mut java = self.command("CheckClient");
        java.args([&city.api, &city.bulk, &city.token, &city.contract]).args(arguments);
        let ran = tokio::task::spawn_blocking(move || java.output().unwrap()).await.unwrap();
        let (out, err) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
        assert!(ran.status.success(), "{out}\n{err}");
        (out.trim().to_owned(), err)
    }
}

/// All sources below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "java") {
            found.push(path);
        }
    }
    found
}

fn token_of(redirect: &str) -> &str {
    redirect.split_once("token=").unwrap().1.split(['&', '#']).next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_makes_every_call() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let java = Java::compiled().await;
    let (binder, log) = java.client(&city, &["send"]).await;
    let (_, overview) = server.admin("GET", &format!("institutions/{}", city.id), None).await;
    assert_eq!(overview["accepted_today"], 6, "four of five, one, and one by ci: each once");
    assert!(log.contains("POST /v1/documents/bulk 429") && log.contains("503"), "it tries again: {log}");

    let token = city.open_token(&binder).await;
    let (_, log) = java.client(&city, &["read", &binder, &token]).await;
    assert!(log.contains("/tokens/… 200") && !log.contains(&token), "{log}");
    assert_eq!(city.status(&binder).await["doc_box_status"], "READ");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_follows_the_feed_and_verifies_webhooks() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let java = Java::compiled().await;
    let binder = city.accepted(&[document("01000000003", "J-8")]).await.remove(0);
    let (read, log) = java.client(&city, &["follow", &binder]).await;
    assert!(read.parse::<u64>().unwrap() >= 2, "{read}");
    assert!(log.contains("GET /v1/events 200") && log.contains("/withdraw 204"), "{log}");

    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw8mVb1uJ8c5w=";
    let signer = standardwebhooks::Webhook::new(secret).unwrap();
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let events = json!({
        "type": "events", "webhook_id": "WHK-1", "epoch": 1,
        "events": [{ "seq": 7, "type": "document.read", "at": now, "document_binder_uuid": binder, "data": {} }],
    });
    let (events, ping) = (events.to_string(), json!({ "type": "ping", "webhook_id": "WHK-1" }).to_string());
    let signature = |at, body: &str| signer.sign("WHK-1-7-7", at, body.as_bytes()).unwrap();
    let cases = [
        (now, signature(now, &events), &events, "7 document.read"),
        (now, format!("v1,AAAA {}", signature(now, &events)), &events, "7 document.read"),
        (now, signature(now, &ping), &ping, "ping"),
        (now, signature(now, &ping), &events, "unsigned"),
        (now, "v1, v2,x".to_owned(), &events, "unsigned"),
        (now - 900, signature(now - 900, &events), &events, "unsigned"),
        (now, signature(now, "{}"), &"{}".to_owned(), "malformed"),
    ];
    for (at, signatures, body, said) in cases {
        let mut command = java.command("CheckWebhook");
        command.args([secret, "WHK-1-7-7", &at.to_string(), &signatures, body]);
        let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stdout).trim(), said, "{body} {signatures}");
    }
}

/// The institution's page behind the filter.
struct Page {
    java: Child,
    url: String,
    log: PathBuf,
}

impl Page {
    async fn start(java: &Java, city: &Client, directory: &Path) -> Self {
        let token = directory.join("token");
        private_file(&token, &city.token);
        let log = directory.join("log");
        let mut command = java.command("CheckPage");
        command.arg(&city.api).arg(&token).arg(&city.contract);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap());
        let mut java = command.spawn().unwrap();
        let out = java.stdout.take().unwrap();
        let port = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            BufReader::new(out).read_line(&mut line).unwrap();
            line.trim().to_owned()
        });
        let port = port.await.unwrap();
        assert!(port.parse::<u16>().is_ok(), "{}", std::fs::read_to_string(&log).unwrap());
        Self { java, url: format!("http://127.0.0.1:{port}/notice"), log }
    }

    fn logged(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.java.kill();
        let _ = self.java.wait();
    }
}

/// A browser's visit: the reply, and the cookie that it keeps.
async fn visit(url: &str, cookie: Option<&str>) -> (u16, String, Option<String>, Option<String>) {
    let mut request = http().get(url);
    request = request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
    if let Some(cookie) = cookie {
        request = request.header("Cookie", cookie);
    }
    let answer = request.send().await.unwrap();
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(
        (header("cache-control").as_deref(), header("referrer-policy").as_deref()),
        (Some("no-store"), Some("no-referrer"))
    );
    let cookie = header("set-cookie").map(|cookie| cookie.split(';').next().unwrap().to_owned());
    let (status, location) = (answer.status().as_u16(), header("location"));
    (status, answer.text().await.unwrap(), location, cookie)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_lets_in_whoever_brings_a_token_and_reports_the_read() {
    let server = Start::sandbox().up();
    let city = server.institution("가상시청").await;
    let java = Java::compiled().await;
    let directory = tempfile::tempdir().unwrap();
    let page = Page::start(&java, &city, directory.path()).await;
    let mut sent = document("01000000001", "F-1");
    sent["property"]["link"] = json!(format!("{}?year=2026", page.url));
    let failing = {
        let mut failing = document("01000000001", "F-2");
        failing["property"]["link"] = json!(format!("{}?fails=1", page.url));
        failing
    };
    let ids = city.accepted(&[sent, failing]).await;
    for id in &ids {
        city.until(id, "RECEIVED").await;
    }
    let open = async |id: &str| {
        let opened: Answer = city.open(id).await;
        let Value::String(redirect) = &opened.body["redirect_url"] else { panic!("{}", opened.body) };
        redirect.clone()
    };

    // Nobody is let in without a token, or with an invented one.
    let id = &ids[0];
    for (query, said) in [
        (String::new(), "문서함에서 다시"),
        (format!("?document_binder_uuid={id}"), "문서함에서 다시"),
        (format!("?document_binder_uuid={id}&token={}", "A".repeat(43)), "링크를 다시"),
        (format!("?document_binder_uuid={id}&token=%3Cscript%3E"), "링크를 다시"),
    ] {
        let (status, body, ..) = visit(&format!("{}{query}", page.url), None).await;
        assert!(status == 403 && body.contains(said), "{query}: {status} {body}");
    }
    let redirect = open(id).await;
    let preview = http().head(&redirect).send().await.unwrap();
    assert_eq!(preview.status(), 405, "a preview uses nothing up");
    let preview = http().get(&redirect).send().await.unwrap();
    assert!(preview.text().await.unwrap().contains("문서 열기"), "nor does one that gets it all");
    let button = |redirect: &str| format!("{redirect}&seoham_open=1");
    let elsewhere =
        http().post(button(&redirect)).header("sec-fetch-site", "cross-site").send().await.unwrap();
    assert_eq!(elsewhere.status(), 405, "another site presses no button");

    let (status, _, location, cookie) = visit(&redirect, None).await;
    let (location, cookie) = (location.unwrap(), cookie.unwrap());
    assert_eq!(status, 303);
    assert!(
        location.contains("year=2026") && location.contains(id.as_str()) && !location.contains("token="),
        "{location}"
    );
    let shown = format!(
        "{}{}",
        page.url.trim_end_matches("/notice"),
        location.trim_start_matches(page.url.trim_end_matches("/notice"))
    );
    assert_ne!(city.status(id).await["doc_box_status"], "READ", "not before it is shown");
    let (status, body, ..) = visit(&shown, Some(&cookie)).await;
    assert_eq!((status, body), (200, format!("{id} F-1 amount=120000")));
    assert_eq!(city.until(id, "READ").await["doc_box_status"], "READ");
    // Going back works in the same browser. The link is rejected in another one.
    let back = visit(&redirect, Some(&cookie)).await;
    assert_eq!(back.0, 303);
    let cookie = back.3.unwrap_or(cookie);
    let another = http().get(&redirect).header("user-agent", "another");
    let another = another.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
    assert_eq!(another.send().await.unwrap().status(), 403);
    assert_eq!(visit(&shown, None).await.0, 403);
    assert_eq!(visit(&shown.replace(id.as_str(), &ids[1]), Some(&cookie)).await.0, 403, "another document");

    // The button, as an old browser sends it.
    let pressed = http().post(button(&open(id).await)).send().await.unwrap();
    assert_eq!(pressed.status(), 303);
    // A form of the page's own with a field named token is passed to the page.
    let form = http()
        .post(&shown)
        .header("cookie", &cookie)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("token=theirs")
        .send()
        .await
        .unwrap();
    assert_eq!(form.status(), 405, "the page takes no forms, and says so itself");
    // Both requests of a double tap succeed.
    let twice = open(id).await;
    let (one, two) = tokio::join!(visit(&twice, None), visit(&twice, None));
    assert_eq!((one.0, two.0), (303, 303));
    // No path redirects to another host.
    let path = open(id).await.replacen("/notice", "//evil.example/..;/notice", 1);
    let led = http().get(path).header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
    let led = led.send().await.unwrap();
    let location = led.headers().get("location").map(|l| l.to_str().unwrap().to_owned());
    assert!(location.is_none_or(|location| !location.starts_with("//")));

    // A page that fails is not reported as read.
    let (_, _, location, cookie) = visit(&open(&ids[1]).await, Some(&cookie)).await;
    let failing = format!("{}{}", page.url.trim_end_matches("/notice"), location.unwrap());
    assert_eq!(visit(&failing, cookie.as_deref()).await.0, 500);
    assert_ne!(city.status(&ids[1]).await["doc_box_status"], "READ");
    let log = page.logged();
    for expected in ["entered: BIN-", "refused: ", "the page failed: ", "/tokens/… 200"] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    assert!(!log.contains(token_of(&redirect)), "{log}");
}
