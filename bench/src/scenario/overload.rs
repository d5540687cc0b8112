//! Interactive calls on an idle server, and under a bulk load of twice its capacity.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Run;
use crate::figures::Figure;
use crate::latency::Latencies;
use crate::load::{Load, drive};
use crate::node::{Node, Target};
use crate::probe::Probe;

/// The maximum latency of an interactive call, in milliseconds.
const MILLIS_MAX: f64 = 25.0;
/// The maximum ratio to its p99 on an idle server.
const TIMES_MAX: f64 = 3.0;
/// The maximum latency of a rejected bulk request, in milliseconds.
const REFUSAL_MILLIS_MAX: f64 = 50.0;
const MEMORY_MIB_MAX: f64 = 256.0;
/// The number of concurrent visitors.
const VISITORS: usize = 2;
/// How many times longer than other loads this one runs: with fewer calls, one percent is two or three of
/// them, and a single stall of the machine would determine the p99.
const TIMES_AS_LONG: u32 = 4;
/// The delay between two visits of a visitor.
const PAUSE: Duration = Duration::from_millis(15);

#[derive(Default)]
struct Visits {
    status: Latencies,
    open: Latencies,
    verify: Latencies,
}

pub(crate) async fn measure(run: &mut Run<'_>, ids: &[String], peak: f64) -> Result<()> {
    let duration = run.duration() * TIMES_AS_LONG;
    let gateway = &run.platform.gateways[0];
    let mut idle = visit(gateway, &run.targets[0], ids, duration).await?;

    // More senders than admission control allows, each offering its share of twice the peak rate, and
    // retrying immediately after a rejection.
    let mut load = Load::new(&run.targets[..1], 192, &run.bodies, duration + Duration::from_secs(1));
    load.per_second = Some(2.0 * peak);
    load.after_refusal = Duration::from_millis(100);
    let probe = Probe::start(&run.platform, &run.engine).await?;
    let visiting = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        visit(gateway, &run.targets[0], &ids[ids.len() / 2..], duration).await
    };
    let (mut driven, mut busy) =
        futures_util::future::try_join(drive(&run.platform, &load), visiting).await?;
    let seen = probe.end(&run.platform).await?;
    let store = run.store();
    anyhow::ensure!(busy.verify.len() > 100, "too few calls to say anything: {}", busy.verify.len());
    anyhow::ensure!(
        driven.refused_requests > 100,
        "it was not too much: {} refused",
        driven.refused_requests
    );
    let calls = [
        ("one status", &mut idle.status, &mut busy.status),
        ("opening a document", &mut idle.open, &mut busy.open),
        ("verifying a token", &mut idle.verify, &mut busy.verify),
    ];
    let mut figures = Vec::new();
    for (what, idle, busy) in calls {
        let name = format!(
            "p99 of {what} under twice the bulk traffic ({} calls; half of them within {:.1} ms)",
            busy.len(),
            busy.millis(0.5)
        );
        let figure = Figure::new(store, name, busy.millis(0.99), "ms");
        figures.push(figure.beside("idle", idle.millis(0.99)).at_most(Some(TIMES_MAX), MILLIS_MAX));
    }
    let refused = format!(
        "p99 of a refusal ({} of them; half within {:.1} ms)",
        driven.refused_requests,
        driven.refusals.millis(0.5)
    );
    figures.push(
        Figure::new(store, refused, driven.refusals.millis(0.99), "ms").at_most(None, REFUSAL_MILLIS_MAX),
    );
    let accepted =
        Figure::new(store, "accepted a second under twice the traffic", driven.per_second(), "documents/s");
    figures.push(accepted.beside("the peak", peak).limited_by(seen.limit()));
    let memory = run.platform.peak_mib() as f64;
    figures.push(
        Figure::new(store, "memory, the most of one process", memory, "MiB").at_most(None, MEMORY_MIB_MAX),
    );
    for figure in figures {
        run.add(figure);
    }
    run.platform.settle().await
}

/// Visitors have their own threads, as they have their own phones: they share the machine with the load
/// generator, but do not wait in its scheduler.
async fn visit(gateway: &Node, target: &Target, ids: &[String], duration: Duration) -> Result<Visits> {
    let each = ids.len() / VISITORS / 2;
    let visitors: Vec<_> = ids
        .chunks(each.max(1))
        .take(VISITORS)
        .map(|ids| {
            let visitor = Visitor {
                http: reqwest::Client::new(),
                api: gateway.url("api").to_owned(),
                target: target.clone(),
                ids: ids.to_vec(),
            };
            tokio::task::spawn_blocking(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(visitor.visit(duration))
            })
        })
        .collect();
    let mut all = Visits::default();
    for visits in visitors {
        let visits = visits.await??;
        all.status.append(visits.status);
        all.open.append(visits.open);
        all.verify.append(visits.verify);
    }
    Ok(all)
}

struct Visitor {
    http: reqwest::Client,
    api: String,
    target: Target,
    /// The documents to open, in order.
    ids: Vec<String>,
}

impl Visitor {
    async fn visit(&self, duration: Duration) -> Result<Visits> {
        let started = Instant::now();
        let mut visits = Visits::default();
        for id in &self.ids {
            if started.elapsed() >= duration {
                break;
            }
            self.open(id, &mut visits).await?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(visits)
    }

    async fn open(&self, id: &str, visits: &mut Visits) -> Result<()> {
        let api = &self.api;
        self.timed(self.http.get(format!("{api}/v1/documents/{id}/status")), &mut visits.status).await?;
        let open = self.http.post(format!("{api}/sandbox/v1/documents/{id}/open"));
        let opened = self.timed(open, &mut visits.open).await?;
        let link = opened["redirect_url"].as_str().context("a link")?;
        let token = link.split("token=").nth(1).and_then(|rest| rest.split('&').next()).context("a token")?;
        self.timed(self.http.get(format!("{api}/v1/documents/{id}/tokens/{token}")), &mut visits.verify)
            .await?;
        Ok(())
    }

    async fn timed(&self, request: reqwest::RequestBuilder, latencies: &mut Latencies) -> Result<Value> {
        let started = Instant::now();
        let request = request
            .bearer_auth(&self.target.access_token)
            .header("contract-uuid", &self.target.contract_uuid);
        let answer: Value = request.send().await?.error_for_status()?.json().await?;
        latencies.add(started.elapsed());
        Ok(answer)
    }
}
