//! Minimal servers for the same bodies: they measure the cost of the load generator, the sockets and JSON
//! parsing alone. They run in a separate process, like the server under test.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use clap::ValueEnum;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What it does with a body.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Baseline {
    /// Takes it in and answers.
    Answer,
    /// Also reads it as JSON, as far as every item's members.
    Parse,
}

/// Runs as this server until its standard input ends.
pub(crate) async fn serve(baseline: Baseline) -> Result<()> {
    let handler = move |body: Bytes| async move {
        if baseline == Baseline::Parse && !parse(&body) {
            return "{}";
        }
        // For an accepted item, the generator counts an id.
        "{\"documents\":[{\"document_binder_uuid\":\"BIN-00000000000000000000000000000000\"}]}"
    };
    let app = Router::new().route("/v1/documents/bulk", post(handler)).layer(DefaultBodyLimit::disable());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let ended = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    tokio::select! {
        served = axum::serve(listener, app) => served?,
        _ = ended => {}
    }
    Ok(())
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    documents: Vec<std::collections::BTreeMap<&'a str, &'a RawValue>>,
}

fn parse(body: &[u8]) -> bool {
    let read = |envelope: Envelope<'_>| {
        envelope.documents.iter().all(|document| {
            ["receiver", "property"].iter().all(|part| {
                document
                    .get(part)
                    .is_some_and(|raw| serde_json::from_str::<serde_json::Value>(raw.get()).is_ok())
            })
        })
    };
    serde_json::from_slice(body).is_ok_and(read)
}

/// A baseline server in its own process; dropping it ends the process.
pub(crate) struct BaselineServer {
    child: Child,
    pub(crate) url: String,
}

impl BaselineServer {
    pub(crate) fn start(baseline: Baseline) -> Result<Self> {
        let name = baseline.to_possible_value().context("a name")?.get_name().to_owned();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["--baseline", &name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        let output = child.stdout.take().context("its output")?;
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut url)?;
        Ok(Self { child, url: url.trim().to_owned() })
    }
}

impl Drop for BaselineServer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
