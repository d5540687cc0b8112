//! A process under test: the release binary beside this one.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

pub(crate) struct Node {
    child: Child,
    /// The time from the start until it was ready.
    pub(crate) start_seconds: f64,
    ready: Value,
    admin_token: String,
    pub(crate) http: reqwest::Client,
}

/// The institution to send as.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) access_token: String,
    pub(crate) contract_uuid: String,
}

/// The program under test.
pub(crate) fn binary() -> Result<PathBuf> {
    Ok(std::env::current_exe()?.parent().context("a directory")?.join("seoham"))
}

impl Node {
    /// Starts it on free ports; returns when it is ready.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        for listen in ["api", "bulk", "web", "admin"] {
            command.arg(format!("--{listen}-listen=127.0.0.1:0"));
        }
        command.env("SEOHAM_LOG__LEVEL", "warn").stdout(Stdio::piped());
        let started = Instant::now();
        let mut child = command.spawn().context("the program")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("its output")?).read_line(&mut line)?;
        let start_seconds = started.elapsed().as_secs_f64();
        let ready: Value = serde_json::from_str(&line).context("the ready line")?;
        let token = ready["admin_token_file"].as_str().context("admin_token_file")?;
        let admin_token = std::fs::read_to_string(token)?.trim().to_owned();
        Ok(Self { child, start_seconds, ready, admin_token, http: reqwest::Client::new() })
    }

    pub(crate) fn url(&self, listener: &str) -> &str {
        self.ready[listener].as_str().unwrap_or_default()
    }

    /// Imports people to send to.
    pub(crate) async fn people(&self, people: u32) -> Result<()> {
        let lines: Vec<String> = (0..people).map(|i| person(i).to_string()).collect();
        let imported = self.admin("people", lines.join("\n")).await?;
        if imported["imported"] != people {
            bail!("people: {imported}");
        }
        Ok(())
    }

    /// Creates an institution with a contract and a token.
    pub(crate) async fn institution(&self) -> Result<Target> {
        let made = self.admin("institutions", json!({ "name": "측정시청" }).to_string()).await?;
        let id = made["institution_id"].as_str().context("institution")?.to_owned();
        let path = |what: &str| format!("institutions/{id}/{what}");
        let contract = self.admin(&path("contracts"), json!({ "authentication": "pin" }).to_string()).await?;
        let token = self.admin(&path("tokens"), json!({ "label": "bench" }).to_string()).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
        Ok(Target {
            access_token: text(&token["access_token"])?,
            contract_uuid: text(&contract["contract_uuid"])?,
        })
    }

    /// Sets the platform's template of arrived documents.
    pub(crate) async fn set_template(&self, template: &Value) -> Result<()> {
        let request = self.http.put(format!("{}/admin/v1/templates/document_arrived", self.url("admin")));
        request.bearer_auth(&self.admin_token).json(template).send().await?.error_for_status()?;
        Ok(())
    }

    async fn admin(&self, path: &str, body: String) -> Result<Value> {
        let request = self.http.post(format!("{}/admin/v1/{path}", self.url("admin")));
        let request = request.bearer_auth(&self.admin_token).header("content-type", "application/json");
        Ok(request.body(body).send().await?.error_for_status()?.json().await?)
    }

    /// What an operator is shown.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let request = self.http.get(format!("{}/admin/v1/{path}", self.url("admin")));
        Ok(request.bearer_auth(&self.admin_token).send().await?.error_for_status()?.json().await?)
    }

    /// The sum of a counter over its labels that contain `label`.
    pub(crate) async fn counter(&self, name: &str, label: &str) -> Result<u64> {
        let text = self.http.get(format!("{}/metrics", self.url("admin"))).send().await?.text().await?;
        let of = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
        Ok(text.lines().filter(|l| l.starts_with(name) && l.contains(label)).filter_map(of).sum())
    }

    /// All its metrics, summed over labels.
    pub(crate) async fn counters(&self) -> Result<BTreeMap<String, f64>> {
        let text = self.http.get(format!("{}/metrics", self.url("admin"))).send().await?.text().await?;
        let mut all = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let value = value.parse::<f64>().unwrap_or(0.0);
            let of_all = name.split('{').next().unwrap_or_default();
            *all.entry(of_all.to_owned()).or_insert(0.0) += value;
            if of_all != name {
                all.insert(name.to_owned(), value);
            }
        }
        Ok(all)
    }

    /// The server's CPU time in seconds.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.child.id())
    }

    /// The server's peak memory, in MiB.
    pub(crate) fn resident_mib(&self) -> u64 {
        self.kib("VmHWM:") / 1024
    }

    /// The server's memory now, in MiB.
    pub(crate) fn memory_mib(&self) -> f64 {
        self.kib("VmRSS:") as f64 / 1024.0
    }

    fn kib(&self, of: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(of)).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn stop(mut self) -> Result<()> {
        Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        if !self.child.wait()?.success() {
            bail!("the server did not end well");
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The CPU time of a process in seconds, at the kernel's 100 ticks per second.
pub(crate) fn cpu_seconds(pid: u32) -> f64 {
    seconds_of(pid, 11..=12)
}

/// The sum of some CPU time fields of a process: 11 and 12 are its own, 13 and 14 those of its terminated
/// children.
fn seconds_of(pid: u32, fields: RangeInclusive<usize>) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |field: usize| after_name.split_whitespace().nth(field).and_then(|n| n.parse::<f64>().ok());
    fields.filter_map(ticks).sum::<f64>() / 100.0
}

/// The CPU time in seconds of all PostgreSQL processes on this machine, including terminated sessions.
pub(crate) fn postgres_cpu_seconds() -> f64 {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_postgres = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("postgres"))
    };
    pids.filter(is_postgres).map(|pid| seconds_of(pid, 11..=14)).sum()
}

/// A fictitious person.
pub(crate) fn person(i: u32) -> Value {
    json!({ "phone_number": format!("0101{i:07}"), "name": "김측정", "birthday": "19800101", "member": true })
}
