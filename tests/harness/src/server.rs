//! Starts, stops and calls the built binary.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::backing::{Backing, new_key};
use super::client::{Client, http};

/// The configuration of a server start.
#[derive(Clone)]
pub struct Start {
    backing: Arc<Backing>,
    data: PathBuf,
    sandbox: bool,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Start {
    /// A sandbox in a new store.
    pub fn sandbox() -> Self {
        Self::on(Backing::chosen())
    }

    /// A sandbox in `backing`.
    pub fn on(backing: Backing) -> Self {
        let data = backing.data();
        let backing = Arc::new(backing);
        Self { backing, data, sandbox: true, environment: Vec::new(), arguments: Vec::new() }
    }

    /// Live people in a new store, with a master key beside it.
    pub fn live() -> Self {
        Self::live_on(Backing::chosen()).argument("--create")
    }

    /// Live people in `backing`; the caller must create the store.
    pub fn live_on(backing: Backing) -> Self {
        let start = Self { sandbox: false, ..Self::on(backing) };
        let key = start.directory().join("live.key");
        new_key(&key);
        start.env("SEOHAM_KEYS__MASTER_FILE", key.to_str().unwrap())
    }

    /// Another node of the same deployment, with its own data directory.
    #[must_use]
    pub fn node(&self, name: &str) -> Self {
        Self { data: self.directory().join(name), ..self.clone() }
    }

    pub fn backing(&self) -> &Backing {
        &self.backing
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub fn directory(&self) -> &Path {
        self.backing.directory()
    }

    /// Starts the server; returns its output if it does not come up.
    pub fn try_up(&self) -> Result<Server, String> {
        let log = self.data.with_extension("log");
        let errors = File::options().create(true).append(true).open(&log).unwrap();
        let mut command = Command::new(binary());
        command.args(["serve", "--ready-json"]);
        self.backing.apply(&mut command, &self.data);
        for listen in ["api", "bulk", "web", "admin"] {
            if !self.arguments.iter().any(|a| a.starts_with(&format!("--{listen}-listen"))) {
                command.arg(format!("--{listen}-listen=127.0.0.1:0"));
            }
        }
        if self.sandbox {
            command.arg("--sandbox");
        }
        command.args(&self.arguments).envs(self.environment.iter().cloned());
        let mut child = command.stdout(Stdio::piped()).stderr(errors).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        if line.is_empty() {
            let status = child.wait().unwrap();
            assert!(!status.success(), "it ended without being ready");
            return Err(std::fs::read_to_string(&log).unwrap());
        }
        let ready: Value = serde_json::from_str(&line).unwrap();
        let (backing, data) = (Arc::clone(&self.backing), self.data.clone());
        Ok(Server { child, ready, output, backing, data })
    }

    pub fn up(&self) -> Server {
        self.try_up().unwrap_or_else(|said| panic!("the server did not come up: {said}"))
    }
}

/// The built binary, beside the directory of the running test.
pub fn binary() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let test = std::env::current_exe().expect("a test has a path");
        let binary = test.ancestors().nth(2).expect("tests are built in a directory below").join("seoham");
        assert!(binary.exists(), "{}: not built", binary.display());
        binary
    });
    &BINARY
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    ready: Value,
    output: BufReader<ChildStdout>,
    // Keeps the files as long as the server exists.
    #[allow(dead_code, reason = "see above")]
    backing: Arc<Backing>,
    data: PathBuf,
}

impl Server {
    /// The address of a listener.
    pub fn url(&self, listener: &str) -> String {
        self.ready[listener].as_str().unwrap().to_owned()
    }

    pub fn ready(&self) -> &Value {
        &self.ready
    }

    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn admin_token(&self) -> String {
        let file = self.ready["admin_token_file"].as_str().unwrap();
        std::fs::read_to_string(file).unwrap().trim().to_owned()
    }

    /// Calls the operator API.
    pub async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/admin/v1/{path}", self.url("admin"));
        let mut request = http().request(method.parse().unwrap(), url).bearer_auth(self.admin_token());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// An institution with a contract and a token.
    pub async fn institution(&self, name: &str) -> Client {
        self.institution_with(name, json!({ "authentication": "pin" })).await
    }

    pub async fn institution_with(&self, name: &str, terms: Value) -> Client {
        let (status, made) = self.admin("POST", "institutions", Some(json!({ "name": name }))).await;
        assert_eq!(status, 201, "{made}");
        let id = made["institution_id"].as_str().unwrap().to_owned();
        let (status, contract) =
            self.admin("POST", &format!("institutions/{id}/contracts"), Some(terms)).await;
        assert_eq!(status, 201, "{contract}");
        let label = json!({ "label": "시험" });
        let (status, token) = self.admin("POST", &format!("institutions/{id}/tokens"), Some(label)).await;
        assert_eq!(status, 201, "{token}");
        Client {
            api: self.url("api"),
            bulk: self.url("bulk"),
            id,
            token: token["access_token"].as_str().unwrap().to_owned(),
            token_id: token["token_id"].as_str().unwrap().to_owned(),
            contract: contract["contract_uuid"].as_str().unwrap().to_owned(),
        }
    }

    /// Imports people from NDJSON.
    pub async fn import(&self, people: String) -> Value {
        let url = format!("{}/admin/v1/people", self.url("admin"));
        let answer = http().post(url).bearer_auth(self.admin_token()).body(people).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    pub async fn metrics(&self) -> String {
        http().get(format!("{}/metrics", self.url("admin"))).send().await.unwrap().text().await.unwrap()
    }

    /// The current memory use of the process, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        self.memory_bytes("VmRSS:")
    }

    /// The peak memory use of the process.
    pub fn peak_bytes(&self) -> u64 {
        self.memory_bytes("VmHWM:")
    }

    fn memory_bytes(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|l| l.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Sends SIGKILL: ends the process without warning.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends the signal of this name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; returns the exit status and the remaining output.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let patience = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < patience, "it ends within a minute");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        (status, rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
