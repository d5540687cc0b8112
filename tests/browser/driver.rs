//! A browser, driven by the `WebDriver` protocol: as much of it as these tests need.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

/// How a browser is set up.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) javascript: bool,
    pub(crate) english: bool,
}

/// A phone of 360 pixels.
pub(crate) const PHONE: Look = Look { width: 360, height: 740, javascript: true, english: false };
/// A desk.
pub(crate) const DESK: Look = Look { width: 1280, height: 900, javascript: true, english: false };

/// A browser of its own, with no history and no cookies; gone when dropped.
pub(crate) struct Driver {
    process: Child,
    session: String,
    http: reqwest::Client,
    shots: AtomicU32,
    name: String,
    // Dropped last: what a browser that is ended leaves behind goes with it.
    _scratch: tempfile::TempDir,
}

const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";

impl Driver {
    pub(crate) async fn start(name: &str, look: Look) -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .env("TMPDIR", scratch.path())
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is installed (apt-get install chromium-driver)");
        // "ChromeDriver was started successfully on port 12345."
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port: u16 = loop {
            let line = lines.next().expect("it says its port").unwrap();
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break port.trim_end_matches('.').parse().unwrap();
            }
        };
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            format!("--window-size={},{}", look.width, look.height),
        ];
        let mut options = json!({ "args": arguments });
        // Windows cannot be as narrow as a phone; an emulated one is.
        options["mobileEmulation"] = json!({ "deviceMetrics": { "width": look.width, "height": look.height, "pixelRatio": 1.0, "mobile": false } });
        let javascript = if look.javascript { 1 } else { 2 };
        options["prefs"] = json!({
            "intl.accept_languages": if look.english { "en-US,en" } else { "ko-KR,ko" },
            "profile.managed_default_content_settings.javascript": javascript,
        });
        let asked = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": options } } });
        let http = crate::harness::http();
        let base = format!("http://127.0.0.1:{port}/session");
        let answer: Value = http.post(&base).json(&asked).send().await.unwrap().json().await.unwrap();
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let session = format!("{base}/{id}");
        Self { process, session, http, shots: AtomicU32::new(0), name: name.to_owned(), _scratch: scratch }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value, Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.session));
        request = request.timeout(Duration::from_secs(60));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        if answer["value"]["error"].is_string() {
            Err(answer["value"].clone())
        } else {
            Ok(answer["value"].clone())
        }
    }

    async fn must(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        self.call(method, path, body).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Goes to an address.
    pub(crate) async fn go(&self, address: &str) {
        self.must(Method::POST, "/url", Some(json!({ "url": address }))).await;
    }

    pub(crate) async fn back(&self) {
        self.must(Method::POST, "/back", Some(json!({}))).await;
    }

    pub(crate) async fn reload(&self) {
        self.must(Method::POST, "/refresh", Some(json!({}))).await;
    }

    pub(crate) async fn address(&self) -> String {
        self.must(Method::GET, "/url", None).await.as_str().unwrap().to_owned()
    }

    /// What is to be read on the page.
    pub(crate) async fn text(&self) -> String {
        let body = self.find("body").await;
        match body {
            Ok(body) => self
                .call(Method::GET, &format!("/element/{body}/text"), None)
                .await
                .map_or_else(|_| String::new(), |text| text.as_str().unwrap_or_default().to_owned()),
            Err(_) => String::new(),
        }
    }

    async fn find(&self, selector: &str) -> Result<String, Value> {
        let (using, value) =
            if selector.starts_with('/') { ("xpath", selector) } else { ("css selector", selector) };
        let found =
            self.call(Method::POST, "/element", Some(json!({ "using": using, "value": value }))).await?;
        Ok(found[ELEMENT].as_str().unwrap().to_owned())
    }

    /// Waits until the page shows `text`.
    pub(crate) async fn shows(&self, text: &str) {
        let patience = Instant::now() + Duration::from_secs(30);
        loop {
            let shown = self.text().await;
            if shown.contains(text) {
                return;
            }
            assert!(Instant::now() < patience, "{text} in: {shown}\nat {}", self.address().await);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits until the page has an element.
    pub(crate) async fn has(&self, selector: &str) {
        let patience = Instant::now() + Duration::from_secs(30);
        while self.find(selector).await.is_err() {
            assert!(
                Instant::now() < patience,
                "{selector} in: {}\nat {}",
                self.text().await,
                self.address().await
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Does what leads to another page, and waits until the page it is done on is gone: the next page may have the
    /// same elements and the same words, so that nothing on it tells the two apart.
    async fn leaving(&self, action: impl Future<Output = ()>) {
        let page = self.find("html").await.unwrap_or_else(|e| panic!("html: {e}"));
        action.await;
        let patience = Instant::now() + Duration::from_secs(30);
        while self.call(Method::GET, &format!("/element/{page}/name"), None).await.is_ok() {
            assert!(Instant::now() < patience, "still at {}: {}", self.address().await, self.text().await);
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Clicks what a person would tap, a link or a button by its words, and waits for the page it leads to.
    pub(crate) async fn tap(&self, words: &str) {
        self.leaving(self.click(&format!("//a[contains(., '{words}')] | //button[contains(., '{words}')]")))
            .await;
    }

    /// Clicks what leaves the page as it is: a box to tick.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.find(selector).await.unwrap_or_else(|e| panic!("{selector}: {e}"));
        self.must(Method::POST, &format!("/element/{element}/click"), Some(json!({}))).await;
    }

    /// Types into a field.
    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        let element = self.find(selector).await.unwrap_or_else(|e| panic!("{selector}: {e}"));
        let keys = Some(json!({ "text": text }));
        self.must(Method::POST, &format!("/element/{element}/value"), keys).await;
    }

    /// Types a text, wherever the focus is.
    pub(crate) async fn type_keys(&self, text: &str) {
        let keys: Vec<String> = text.chars().map(String::from).collect();
        self.press(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }

    /// Presses Enter, which sends the form or follows the link that has the focus, and waits for the page that comes.
    pub(crate) async fn enter(&self) {
        self.leaving(self.press(&[ENTER])).await;
    }

    /// Presses keys, wherever the focus is.
    pub(crate) async fn press(&self, keys: &[&str]) {
        let strokes: Vec<Value> = keys
            .iter()
            .flat_map(|key| {
                [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
            })
            .collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] });
        self.must(Method::POST, "/actions", Some(actions)).await;
    }

    /// Goes from field to field with the keyboard until an element has the focus.
    pub(crate) async fn tab_to(&self, selector: &str) {
        // Once around every page is less.
        for _ in 0..80 {
            let is_focused = "return document.activeElement.matches(arguments[0])";
            if self.script(is_focused, json!([selector])).await == true {
                return;
            }
            self.press(&[TAB]).await;
        }
        panic!("{selector} is not reached with the keyboard at {}", self.address().await);
    }

    /// Has the browser prefer light or dark pages from now on.
    pub(crate) async fn in_scheme(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "features": features } });
        self.must(Method::POST, "/goog/cdp/execute", Some(command)).await;
    }

    /// Runs a script of the test's own.
    pub(crate) async fn script(&self, script: &str, arguments: Value) -> Value {
        self.must(Method::POST, "/execute/sync", Some(json!({ "script": script, "args": arguments }))).await
    }

    /// Runs a script that calls its last argument when it is done.
    pub(crate) async fn script_async(&self, script: &str) -> Value {
        self.must(Method::POST, "/execute/async", Some(json!({ "script": script, "args": [] }))).await
    }

    /// Keeps a picture of the page.
    pub(crate) async fn keep(&self, page: &str) {
        use base64::Engine;
        let picture = self.must(Method::GET, "/screenshot", None).await;
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap()).unwrap();
        let directory =
            std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
        std::fs::create_dir_all(&directory).unwrap();
        let number = self.shots.fetch_add(1, Ordering::Relaxed);
        std::fs::write(directory.join(format!("{}-{number:02}-{page}.png", self.name)), bytes).unwrap();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The driver ends its browser when it is asked to. Said by hand: nothing may be awaited here.
        let (host, path) = self.session["http://".len()..].split_once('/').unwrap_or_default();
        if let Ok(mut socket) = std::net::TcpStream::connect(host) {
            let _ = socket.set_read_timeout(Some(Duration::from_secs(5)));
            let _ = write!(socket, "DELETE /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let _ = socket.read(&mut [0; 256]);
        }
        // Whatever is left of it goes with its group.
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.process.wait();
    }
}
