//! `cargo xtask bench`: what the platform does over HTTP, beside the bare engine storing the very same rows
//! with the same durability, in one run on one machine.
//!
//! Figures of a shared machine mean little by themselves; the ratios are what to quote.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for the terminal")]
#![allow(clippy::cast_precision_loss, reason = "counts far below 2^52")]

mod bare;
mod baseline;
mod chart;
mod engine;
mod figures;
mod latency;
mod load;
mod node;
mod peer;
mod probe;
mod report;
mod scenario;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use crate::baseline::Baseline;
use crate::engine::Engine;
use crate::figures::Figure;
use crate::scenario::{
    Run, acceptance, delivery, document_box, fairness, feed, growth, institution, keys, lost_answers,
    messenger, overload, peers, provider_failover, status,
};

/// As the program under test has it: load and fakes share its machine.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Benchmarks Seoham beside its store's bare engine.
#[derive(Parser)]
struct Arguments {
    /// The stores, one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Store::Sqlite, Store::Postgres])]
    store: Vec<Store>,
    /// What is measured; all of it by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<What>,
    /// Seconds of one load.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Invented people to send to: more than the store remembers.
    #[arg(long, default_value_t = 200_000)]
    people: u32,
    /// Documents that the store is filled with before it is measured once more; 0 leaves that out.
    #[arg(long, default_value_t = 1_000_000)]
    stored: u64,
    /// Rows of a spreadsheet that the institution's own client sends.
    #[arg(long, default_value_t = 100_000)]
    rows: u32,
    /// Items of a request in the matrix.
    #[arg(long, value_delimiter = ',', default_values_t = [100, 10, 1])]
    items: Vec<usize>,
    /// Connections of the matrix.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 16, 4, 1])]
    connections: Vec<usize>,
    /// Also write the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Also draw the ratios, as SVG.
    #[arg(long)]
    chart: Option<PathBuf>,
    #[arg(long, value_enum, hide = true)]
    baseline: Option<Baseline>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    Sqlite,
    Postgres,
}

/// Acceptance is always measured: the others go by its rate. `peers` is measured only when it is named.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Acceptance,
    Matrix,
    Delivery,
    Status,
    Overload,
    Fairness,
    Feed,
    Keys,
    Client,
    Peers,
    Growth,
    /// Also only when it is named.
    Messenger,
    /// The same, with lost answers, at each provider; `stored` is the number of notices.
    LostAnswers,
    /// One of two providers falls silent and comes back; takes 22 minutes.
    ProviderFailover,
}

fn main() -> Result<()> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if let Some(baseline) = arguments.baseline {
        return runtime.block_on(baseline::serve(baseline));
    }
    let mut figures = Vec::new();
    let of_messengers = match arguments.only[..] {
        [What::Messenger] => Some(runtime.block_on(messenger::measure(&arguments))?),
        [What::ProviderFailover] => Some(runtime.block_on(provider_failover::measure(&arguments))?),
        [What::LostAnswers] => Some(runtime.block_on(lost_answers::measure(&arguments))?),
        _ => None,
    };
    if let Some(figures) = of_messengers {
        report::print(&figures);
        return Ok(());
    }
    for store in &arguments.store {
        figures.extend(runtime.block_on(measure(&arguments, *store))?);
    }
    report::print(&figures);
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_vec_pretty(&figures)?)?;
    }
    if let Some(file) = &arguments.chart {
        chart::draw(file, &figures)?;
    }
    Ok(())
}

async fn measure(arguments: &Arguments, store: Store) -> Result<Vec<Figure>> {
    let wanted = |what: What| arguments.only.is_empty() || arguments.only.contains(&what);
    let (engine, least, beside_peers) = match store {
        Store::Sqlite => (Engine::sqlite()?, 1.4, 3.5),
        Store::Postgres => (Engine::postgres()?, 1.0, 3.0),
    };
    let platform = engine.start_gateway()?;
    platform.gateways[0].people(arguments.people).await?;
    let targets = vec![platform.gateways[0].institution().await?];
    let bodies = load::bodies(arguments.people, 100);
    let start_seconds = platform.gateways[0].start_seconds;
    let mut run = Run { arguments, engine, platform, targets, bodies, figures: Vec::new() };
    run.add(Figure::new(run.store(), "start to ready, empty", start_seconds, "s"));

    let empty_bytes = run.engine.bytes().await?;
    let alone = acceptance::headline(&mut run, least).await?;
    // Their runtimes are not everywhere: only when they are asked for.
    if arguments.only.contains(&What::Peers) {
        peers::measure(&mut run, alone, beside_peers).await?;
    }
    // With a shared store, a separate worker shares the machine, so the peak rate is different.
    let apart = run.engine.start_worker(&mut run.platform)?;
    run.platform.settle().await?;
    let peak = if apart {
        let driven = acceptance::sixteen_by_hundred(&run).await?.0;
        let figure = Figure::new(
            run.store(),
            "accepted a second while a worker delivers",
            driven.per_second(),
            "documents/s",
        );
        run.add(figure.beside("without a worker", alone));
        run.platform.settle().await?;
        driven.per_second()
    } else {
        alone
    };
    let (some, _) = acceptance::sixteen_by_hundred(&run).await?;
    run.platform.settle().await?;
    if wanted(What::Delivery) {
        delivery::measure(&mut run, peak).await?;
        delivery::alone(&mut run, peak).await?;
    }
    let mut statuses = 0.0;
    if wanted(What::Status) || wanted(What::Growth) {
        statuses = status::measure(&mut run, &some.ids).await?;
    }
    if wanted(What::Overload) {
        overload::measure(&mut run, &some.ids, peak).await?;
    }
    if wanted(What::Fairness) {
        fairness::measure(&mut run).await?;
    }
    if wanted(What::Feed) {
        feed::measure(&mut run).await?;
    }
    if wanted(What::Matrix) {
        acceptance::matrix(&mut run).await?;
    }
    if wanted(What::Keys) {
        keys::measure(&mut run).await?;
    }
    if wanted(What::Client) {
        institution::measure(&mut run).await?;
    }
    if wanted(What::Growth) && arguments.stored > 0 {
        let boxes = document_box::fill(&run).await?;
        growth::fill(&run, arguments.stored).await?;
        growth::start_again(&mut run)?;
        growth::measure(&mut run, &growth::Before { accepted: peak, statuses, boxes }).await?;
    }
    // After the stop, all data is out of the logs.
    let nobody = load::Platform { gateways: Vec::new(), workers: Vec::new() };
    std::mem::replace(&mut run.platform, nobody).stop()?;
    disk(&mut run, empty_bytes).await?;
    Ok(run.figures)
}

async fn disk(run: &mut Run<'_>, empty_bytes: u64) -> Result<()> {
    let documents = bare::count(&run.engine).await?;
    let each = run.engine.bytes().await?.saturating_sub(empty_bytes) as f64 / documents as f64;
    run.add(Figure::new(run.store(), format!("on disk a document, of {documents}"), each, "bytes"));
    Ok(())
}
