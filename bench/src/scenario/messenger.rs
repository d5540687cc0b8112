//! Notifications through a real adapter: a queue of notices, and a fake provider on the same machine that takes its time.

use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use seoham_messenger_fakes::{Fakes, SECRET, SENDER_KEY, TEMPLATE, TEMPLATE_CODE, settings};
use serde_json::{Value, json};

use crate::Arguments;
use crate::figures::Figure;
use crate::load::{Load, Platform, bodies, drive};
use crate::node::{Node, binary};

/// How long a call takes.
const CALL: Duration = Duration::from_millis(50);
/// While the queue is filled, calls take so long that hardly anything is delivered.
const CALL_WHILE_FILLING: Duration = Duration::from_secs(30);
/// Calls at the same time, and messages of each.
const CALLS: usize = 4;
const BATCH: usize = 1_000;
const STORE: &str = "SQLite";

/// Fills the embedded store's queue, and measures how it is delivered.
pub(crate) async fn measure(arguments: &Arguments) -> Result<Vec<Figure>> {
    let fakes = Fakes::start().await?;
    let directory = tempfile::tempdir()?;
    let more =
        format!("timeout_seconds = 60\nconcurrent_calls = {CALLS}\npush_secret_file = \"{SECRET_FILE}\"");
    let mut node = start(&[("nhn", &fakes)], &more, "at_least_once", directory.path()).await?;
    node.people(arguments.people).await?;
    let target = node.institution().await?;
    fakes.push_to(&format!("{}/provider/v1/nhn/reports", node.url("api")));
    fakes.faults().set_latency(CALL_WHILE_FILLING);
    let platform = Platform { gateways: vec![node], workers: Vec::new() };
    let (targets, bodies) = ([target], bodies(arguments.people, 100));
    let mut accepted = 0;
    while accepted < arguments.stored {
        let load = Load::new(&targets, 16, &bodies, Duration::from_secs(2));
        accepted += drive(&platform, &load).await?.accepted;
        eprintln!("{STORE}: {accepted} of {} notices in the queue", arguments.stored);
    }
    // Started again, so that it has none of the memory that acceptance needs.
    fakes.faults().set_latency(CALL);
    platform.stop()?;
    node = start(&[("nhn", &fakes)], &more, "at_least_once", directory.path()).await?;
    fakes.push_to(&format!("{}/provider/v1/nhn/reports", node.url("api")));
    let platform = Platform { gateways: vec![node], workers: Vec::new() };
    wait_for(&fakes, fakes.count() + BATCH).await;
    let (began, before) = (Instant::now(), fakes.count());
    let all = usize::try_from(accepted)?;
    wait_for(&fakes, all).await;
    let rate = (all - before) as f64 / began.elapsed().as_secs_f64();
    let calls_allowed = accepted as f64 / BATCH as f64 * 1.1;
    let figures = vec![
        Figure::new(
            STORE,
            "notices a second to a fake provider that takes 50 ms a call".to_owned(),
            rate,
            "notices/s",
        ),
        Figure::new(STORE, format!("calls for {accepted} notices"), fakes.faults().calls() as f64, "calls")
            .at_most(None, calls_allowed),
        Figure::new(STORE, "memory while delivering".to_owned(), platform.peak_mib() as f64, "MiB")
            .at_most(None, 150.0),
    ];
    for figure in &figures {
        eprintln!("{}: {} {:.2} {}", figure.store, figure.what, figure.value, figure.unit);
    }
    platform.stop()?;
    Ok(figures)
}

/// In place of the file with the provider's secret.
const SECRET_FILE: &str = "{secret}";

/// A server on the embedded store that delivers through fakes of these providers.
pub(crate) async fn start(
    providers: &[(&str, &Fakes)],
    more: &str,
    unknown: &str,
    directory: &Path,
) -> Result<Node> {
    let secret = directory.join("secret");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&secret)?;
    file.write_all(SECRET.as_bytes())?;
    let sections: String = providers.iter().map(|(kind, fakes)| section(kind, &fakes.url(), more)).collect();
    let config = directory.join("config.toml");
    std::fs::write(&config, sections.replace(SECRET_FILE, &secret.display().to_string()))?;
    let mut command = Command::new(binary()?);
    command.env("SEOHAM_MESSENGER__UNKNOWN_DOCUMENT_ARRIVED", unknown);
    command.args(["serve", "--sandbox", "--ready-json", "--data"]).arg(directory.join("data"));
    command.arg("--config").arg(&config);
    let node = Node::start(command)?;
    let codes: HashMap<&str, Value> =
        providers.iter().map(|(kind, _)| (*kind, json!({ "template_code": TEMPLATE_CODE }))).collect();
    let template = json!({
        "body": TEMPLATE,
        "buttons": [{ "name": "문서확인", "url": "#{링크}" }],
        "providers": codes,
    });
    node.set_template(&template).await?;
    Ok(node)
}

/// The configuration of a provider.
fn section(kind: &str, url: &str, more: &str) -> String {
    let own = settings(kind);
    format!(
        "[[messenger.providers]]\nname = \"{kind}\"\nkind = \"{kind}\"\nurl = \"{url}\"\nsecret_file = \"{SECRET_FILE}\"\n\
         sender_key = \"{SENDER_KEY}\"\n{own}\n{more}\n"
    )
}

async fn wait_for(fakes: &Fakes, count: usize) {
    while fakes.count() < count {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
