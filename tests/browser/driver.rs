//! A test browser, driven over `WebDriver`, and the actions of a person in it.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::harness::http_builder;
use serde_json::{Value, json};
use thirtyfour::common::command::Command as WebDriverCommand;
use thirtyfour::error::WebDriverErrorInner;
use thirtyfour::{By, Capabilities, ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

/// The configuration of a browser.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) javascript: bool,
    pub(crate) english: bool,
}

/// A phone, 360 pixels wide.
pub(crate) const PHONE: Look = Look { width: 360, height: 740, javascript: true, english: false };
/// A desktop.
pub(crate) const DESK: Look = Look { width: 1280, height: 900, javascript: true, english: false };

/// A separate browser without history and cookies. Closed on drop.
pub(crate) struct Driver {
    browser: Option<WebDriver>,
    process: Child,
    shots: AtomicU32,
    name: String,
    // Dropped last, so that it removes the files of the closed browser.
    _scratch: tempfile::TempDir,
}

/// How many ports of the driver's choice may be taken.
const STARTS_MAX: usize = 20;
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait for a page, and how often to check it meanwhile.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(30);
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";

/// Starts the browser's driver; `None` if the port that it chose is taken. It chooses one that is free on the loopback of
/// IPv6, then needs the same on that of IPv4, and ends if something there has it.
fn started(scratch: &Path) -> Option<(Child, u16)> {
    let mut process = Command::new("chromedriver")
        .arg("--port=0")
        .env("TMPDIR", scratch)
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver is installed (apt-get install chromium-driver)");
    let mut said = Vec::new();
    // "ChromeDriver was started successfully on port 12345."
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some((_, port)) = line.split_once("successfully on port ") {
            return Some((process, port.trim_end_matches('.').parse().unwrap()));
        }
        said.push(line);
    }
    process.wait().unwrap();
    assert!(said.iter().any(|line| line.contains("port not available")), "it says its port: {said:?}");
    None
}

impl Driver {
    pub(crate) async fn start(name: &str, look: Look) -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        let (process, port) = (0..STARTS_MAX).find_map(|_| started(scratch.path())).expect("a free port");
        let browser = WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities(look))
            // The library's own client has no TLS provider, and keeps connections alive, which would belong to the
            // runtime of a test that has ended when the session is deleted.
            .client(http_builder().timeout(CALL_TIMEOUT).build().unwrap())
            .await
            .unwrap();
        let (browser, name) = (Some(browser), name.to_owned());
        Self { browser, process, shots: AtomicU32::new(0), name, _scratch: scratch }
    }

    fn browser(&self) -> &WebDriver {
        self.browser.as_ref().expect("it is there until it is dropped")
    }

    /// Goes to an address.
    pub(crate) async fn go(&self, address: &str) {
        self.browser().goto(address).await.unwrap();
    }

    pub(crate) async fn back(&self) {
        self.browser().back().await.unwrap();
    }

    pub(crate) async fn reload(&self) {
        self.browser().refresh().await.unwrap();
    }

    pub(crate) async fn address(&self) -> String {
        self.browser().current_url().await.unwrap().into()
    }

    /// The visible text of the page; empty between two pages.
    pub(crate) async fn text(&self) -> String {
        match self.browser().find(By::Tag("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Waits until the page shows `text`.
    pub(crate) async fn shows(&self, text: &str) {
        self.until(text, async || self.text().await.contains(text)).await;
    }

    /// Waits until the page has a matching element.
    pub(crate) async fn has(&self, selector: &str) {
        self.until(selector, async || self.browser().find(By::Css(selector)).await.is_ok()).await;
    }

    async fn until(&self, what: &str, is: impl AsyncFn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is().await {
            assert!(Instant::now() < end, "{what} in: {}\nat {}", self.text().await, self.address().await);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Runs an action that leads to another page, and waits until the old page is gone. The contents cannot tell them
    /// apart, because the next page may have the same elements and text.
    async fn leaving(&self, action: impl Future<Output = ()>) {
        let page = self.browser().find(By::Tag("html")).await.unwrap();
        action.await;
        // Other errors can occur between two pages and mean nothing.
        self.until("the next page, still", async || match page.is_present().await {
            Ok(is_present) => !is_present,
            Err(error) => matches!(*error, WebDriverErrorInner::NoSuchElement(_)),
        })
        .await;
    }

    /// Clicks a link or a button by its text, and waits for the next page.
    pub(crate) async fn tap(&self, words: &str) {
        let words = format!("//a[contains(., '{words}')] | //button[contains(., '{words}')]");
        self.leaving(self.click_on(By::XPath(words))).await;
    }

    /// Clicks an element that stays on the page, such as a checkbox.
    pub(crate) async fn click(&self, selector: &str) {
        self.click_on(By::Css(selector)).await;
    }

    async fn click_on(&self, element: By) {
        self.browser().find(element).await.unwrap().click().await.unwrap();
    }

    /// Types into a field.
    pub(crate) async fn type_into(&self, selector: &str, text: &str) {
        self.browser().find(By::Css(selector)).await.unwrap().send_keys(text).await.unwrap();
    }

    /// Types text or presses keys, wherever the focus is. The library's action chain also moves a pointer, which
    /// fails on a page that a key press has just left.
    pub(crate) async fn type_keys(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
            })
            .collect();
        let keyboard = json!([{ "type": "key", "id": "keyboard", "actions": strokes }]);
        self.browser().cmd(WebDriverCommand::PerformActions(keyboard.into())).await.unwrap();
    }

    /// Presses Enter, which submits the form or follows the focused link, and waits for the next page.
    pub(crate) async fn enter(&self) {
        self.leaving(self.type_keys(ENTER)).await;
    }

    /// Presses Tab until a matching element has the focus.
    pub(crate) async fn tab_to(&self, selector: &str) {
        // Every page has fewer focusable elements than this.
        for _ in 0..80 {
            let is_focused = "return document.activeElement.matches(arguments[0])";
            if self.script(is_focused, &[json!(selector)]).await == true {
                return;
            }
            self.type_keys(TAB).await;
        }
        panic!("{selector} is not reached with the keyboard at {}", self.address().await);
    }

    /// Sets the browser's preferred colour scheme.
    pub(crate) async fn in_scheme(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let command = "Emulation.setEmulatedMedia";
        self.browser().cdp().send_raw(command, json!({ "features": features })).await.unwrap();
    }

    /// Runs a script of the test.
    pub(crate) async fn script(&self, script: &str, arguments: &[Value]) -> Value {
        self.browser().execute(script, arguments.to_vec()).await.unwrap().json().clone()
    }

    /// Runs a script that calls its last argument when it is finished.
    pub(crate) async fn script_async(&self, script: &str) -> Value {
        self.browser().execute_async(script, Vec::new()).await.unwrap().json().clone()
    }

    /// Takes a screenshot of the page.
    pub(crate) async fn keep(&self, page: &str) {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots");
        std::fs::create_dir_all(&directory).unwrap();
        let number = self.shots.fetch_add(1, Ordering::Relaxed);
        let file = directory.join(format!("{}-{number:02}-{page}.png", self.name));
        self.browser().screenshot(&file).await.unwrap();
    }
}

fn capabilities(look: Look) -> Capabilities {
    let arguments = [
        "--headless=new".to_owned(),
        "--no-sandbox".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        format!("--window-size={},{}", look.width, look.height),
    ];
    // A window cannot be as narrow as a phone, so emulate one.
    let screen = json!({ "width": look.width, "height": look.height, "pixelRatio": 1.0, "mobile": false });
    let preferences = json!({
        "intl.accept_languages": if look.english { "en-US,en" } else { "ko-KR,ko" },
        "profile.managed_default_content_settings.javascript": if look.javascript { 1 } else { 2 },
    });
    let mut capabilities = DesiredCapabilities::chrome();
    capabilities.add_experimental_option("args", arguments).unwrap();
    capabilities.add_experimental_option("mobileEmulation", json!({ "deviceMetrics": screen })).unwrap();
    capabilities.add_experimental_option("prefs", preferences).unwrap();
    capabilities.into()
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Dropping this ends the session, which closes the browser.
        drop(self.browser.take());
        // Kill whatever is left in the process group.
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.process.wait();
    }
}
