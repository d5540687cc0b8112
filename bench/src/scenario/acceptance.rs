//! Acceptance over HTTP, compared with the bare engine, a server that only parses JSON, and one that only
//! replies.

use std::time::Duration;

use anyhow::Result;

use super::Run;
use crate::bare;
use crate::baseline::{Baseline, BaselineServer};
use crate::figures::Figure;
use crate::load::{Driven, Load, bodies, drive, drive_at};
use crate::probe::{Probe, Seen};

/// The main figure: sixteen connections, a hundred items per request. Returns the rate.
pub(crate) async fn headline(run: &mut Run<'_>, least: f64) -> Result<f64> {
    let before = bare::Mark::of(&run.engine).await?;
    let (driven, seen) = sixteen_by_hundred(run).await?;
    let rate = driven.per_second();
    run.quiet().await?;
    let bare = bare::best(&run.engine, before, driven.accepted).await?;
    let per_document = |seconds: f64| 1e6 * seconds / driven.accepted as f64;
    let what = "accepted a second, 100 items, 16 connections";
    let figure = Figure::new(run.store(), what, rate, "documents/s");
    run.add(figure.beside(bare.what, bare.per_second).ratio_at_least(least).limited_by(seen.limit()));
    for other in bare.others {
        run.add(Figure::new(run.store(), format!("{what} "), rate, "documents/s").beside(other.0, other.1));
    }
    let server = Figure::new(
        run.store(),
        "processor time of the server a document",
        per_document(seen.server_cpu),
        "µs",
    );
    run.add(server);
    for (baseline, name) in
        [(Baseline::Parse, "a server that only parses"), (Baseline::Answer, "a server that only answers")]
    {
        let bodies_a_second = baseline_rate(run, baseline).await?;
        let figure = Figure::new(run.store(), format!("{what}, beside {name}"), rate, "documents/s");
        run.add(figure.beside("the same load generator", bodies_a_second));
    }
    Ok(rate)
}

pub(crate) async fn sixteen_by_hundred(run: &Run<'_>) -> Result<(Driven, Seen)> {
    let probe = Probe::start(&run.platform, &run.engine).await?;
    let load = Load::new(&run.targets[..1], 16, &run.bodies, run.duration());
    let driven = drive(&run.platform, &load).await?;
    Ok((driven, probe.end(&run.platform).await?))
}

/// The rate of the load generator against a baseline server, in documents per second.
async fn baseline_rate(run: &Run<'_>, baseline: Baseline) -> Result<f64> {
    let server = BaselineServer::start(baseline)?;
    let url = format!("{}/v1/documents/bulk", server.url);
    let load = Load::new(&run.targets[..1], 16, &run.bodies, Duration::from_secs(3));
    let driven = drive_at(&[url], &load).await?;
    // It returns one id per request.
    Ok(driven.per_second() * 100.0)
}

/// How the rate depends on connections and items.
pub(crate) async fn matrix(run: &mut Run<'_>) -> Result<()> {
    let each = Duration::from_secs((run.arguments.seconds / 3).max(1));
    let mut first: Option<(String, f64)> = None;
    for items in run.arguments.items.clone() {
        let bodies = bodies(run.arguments.people, items);
        for connections in run.arguments.connections.clone() {
            let probe = Probe::start(&run.platform, &run.engine).await?;
            let driven =
                drive(&run.platform, &Load::new(&run.targets[..1], connections, &bodies, each)).await?;
            let seen = probe.end(&run.platform).await?;
            let rate = driven.per_second();
            let case = format!("{items} items, {connections} connections");
            let what = format!("accepted a second, {case}");
            let (other, of_other) = first.get_or_insert((case, rate)).clone();
            let figure = Figure::new(run.store(), what, rate, "documents/s");
            run.add(figure.beside(other, of_other).limited_by(seen.limit()));
            run.platform.settle().await?;
        }
    }
    Ok(())
}
