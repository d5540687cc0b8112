//! `cargo xtask bench`: what the platform accepts and delivers over HTTP, beside the bare engine
//! storing the very same rows with the same durability, in one run on one machine.
//!
//! Figures of a shared machine mean little by themselves; the ratios are what to quote.

#![allow(clippy::print_stdout, reason = "a tool for the terminal")]

mod bare;
mod load;
mod report;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;

/// Benchmarks Seoham on the embedded store.
#[derive(Parser)]
struct Arguments {
    /// Seconds of load.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Connections that send at once.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Documents in one request, 1 to 100.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=100))]
    items: u16,
    /// Invented people to send to.
    #[arg(long, default_value_t = 20_000)]
    people: u32,
    /// Also write the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");

    let driven = runtime.block_on(async {
        let server = server::Server::start(&data)?;
        let target = server.prepare(arguments.people).await?;
        let bodies = load::bodies(arguments.people, usize::from(arguments.items));
        let load = load::drive(
            &server,
            &target,
            &bodies,
            arguments.connections,
            Duration::from_secs(arguments.seconds),
        )
        .await?;
        server.stop()?;
        anyhow::Ok(load)
    })?;
    let bare = bare::insert_again(&data, &directory.path().join("bare"), &[100, 1_000])?;
    report::print(&driven, &bare, usize::from(arguments.items), arguments.connections);
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report::json(&driven, &bare))?)?;
    }
    Ok(())
}
