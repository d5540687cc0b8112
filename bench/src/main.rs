//! `cargo xtask bench`: what the platform accepts and delivers over HTTP, beside the bare engine
//! storing the very same rows with the same durability, in one run on one machine.
//!
//! Figures of a shared machine mean little by themselves; the ratios are what to quote.

#![allow(clippy::print_stdout, reason = "a tool for the terminal")]

mod bare;
mod engine;
mod fairness;
mod institution;
mod keys;
mod load;
mod node;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use crate::engine::Engine;
use crate::load::Platform;
use crate::report::Figures;

/// Benchmarks Seoham beside its store's bare engine.
#[derive(Parser)]
struct Arguments {
    /// The store.
    #[arg(long, value_enum, default_value_t = Store::Sqlite)]
    store: Store,
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
    /// Documents that wait while another institution sends a request of a hundred.
    #[arg(long, default_value_t = 200_000)]
    backlog: u64,
    /// Rows of a spreadsheet that the institution's own client sends, beside the load generator.
    #[arg(long, default_value_t = 100_000)]
    rows: u32,
    /// Also write the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    Sqlite,
    Postgres,
}

fn main() -> Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let figures = runtime.block_on(run(&arguments))?;
    report::print(&figures, usize::from(arguments.items), arguments.connections);
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_vec_pretty(&report::json(&figures))?)?;
    }
    Ok(())
}

async fn run(arguments: &Arguments) -> Result<Figures> {
    let (items, duration) = (usize::from(arguments.items), Duration::from_secs(arguments.seconds));
    let engine = match arguments.store {
        Store::Sqlite => Engine::sqlite()?,
        Store::Postgres => Engine::postgres()?,
    };
    let mut platform = match &engine {
        Engine::Sqlite { .. } => {
            Platform { gateways: vec![engine.start("all", "all")?], workers: Vec::new() }
        }
        Engine::Postgres { .. } => {
            Platform { gateways: vec![engine.start("gateway-0", "gateway")?], workers: Vec::new() }
        }
    };
    let first = &platform.gateways[0];
    first.people(arguments.people).await?;
    let (target, small) = (first.institution().await?, first.institution().await?);
    let bodies = load::bodies(arguments.people, items);

    let mut driven = load::drive(&platform, &target, &bodies, arguments.connections, duration).await?;
    let mut accepted = driven.accepted;
    if matches!(engine, Engine::Postgres { .. }) {
        platform.workers.push(engine.start("worker-0", "delivery")?);
    }
    driven.drain(&platform, accepted).await?;

    let keyed = keys::measure(&platform, &target, &bodies, arguments.connections, arguments.seconds).await?;
    accepted += keyed.accepted;
    let client = institution::measure(&platform, &target, &bodies, arguments).await?;
    accepted += client.accepted;

    let (mut with_worker, mut with_three) = (None, None);
    if matches!(engine, Engine::Postgres { .. }) {
        let both = load::drive(&platform, &target, &bodies, arguments.connections, duration).await?;
        accepted += both.accepted;
        with_worker = Some(both);
        for n in 1..3 {
            platform.gateways.push(engine.start(&format!("gateway-{n}"), "gateway")?);
        }
        let three = load::drive(&platform, &target, &bodies, arguments.connections, duration).await?;
        accepted += three.accepted;
        with_three = Some(three);
    }

    // What waits, topped up until there is enough of it.
    for _ in 0..60 {
        if accepted - platform.delivered().await? >= arguments.backlog {
            break;
        }
        let more =
            load::drive(&platform, &target, &bodies, arguments.connections, Duration::from_secs(1)).await?;
        accepted += more.accepted;
    }
    let hundred = load::bodies(arguments.people, 100);
    let fairness = fairness::measure(&platform, &small, &hundred[0], accepted).await?;
    platform.stop()?;

    let bare = match &engine {
        Engine::Sqlite { directory } => {
            bare::sqlite::insert_again(&engine.data("all"), &directory.path().join("bare"), &[100, 1_000])?
        }
        Engine::Postgres { cluster, database, .. } => {
            bare::postgres::insert_again(cluster, database.url(), &[100, 1_000]).await?
        }
    };
    Ok(Figures { driven, keyed, client, with_worker, with_three, fairness, bare })
}
