//! Status queries: a hundred at once, one by one, and the bare engine's lookups.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use super::Run;
use crate::bare;
use crate::figures::Figure;
use crate::node::{Node, Target};
use crate::probe::Probe;

const ASKING: usize = 8;

pub(crate) async fn measure(run: &mut Run<'_>, ids: &[String]) -> Result<f64> {
    let seconds = Duration::from_secs((run.arguments.seconds / 2).max(2));
    let gateway = &run.platform.gateways[0];
    let probe = Probe::start(&run.platform, &run.engine).await?;
    let bulk = ask(gateway, &run.targets[0], ids, 100, seconds).await?;
    let seen = probe.end(&run.platform).await?;
    let probe = Probe::start(&run.platform, &run.engine).await?;
    let single = ask(gateway, &run.targets[0], ids, 1, seconds).await?;
    let seen_single = probe.end(&run.platform).await?;
    let bare = bare::look_ups(&run.engine, seconds).await?;
    let figure = |what: &str| Figure::new(run.store(), what, bulk, "documents/s");
    let (a, b) = (
        figure("statuses a second, 100 at once")
            .beside("one by one", single)
            .ratio_at_least(20.0)
            .limited_by(seen.limit()),
        figure("statuses a second, 100 at once ").beside("bare look-ups", bare).ratio_at_least(0.5),
    );
    let one = Figure::new(run.store(), "statuses a second, one by one", single, "documents/s");
    run.add(a);
    run.add(b);
    run.add(one.limited_by(seen_single.limit()));
    Ok(bulk)
}

async fn ask(
    gateway: &Node,
    target: &Target,
    ids: &[String],
    at_once: usize,
    duration: Duration,
) -> Result<f64> {
    let started = Instant::now();
    let asking = (0..ASKING).map(|n| async move {
        let http = reqwest::Client::new();
        let mut count = 0u64;
        let mut chunks = ids.chunks_exact(at_once).cycle().skip(n * 7);
        while started.elapsed() < duration {
            let Some(ids) = chunks.next() else { break };
            let request = if at_once == 1 {
                http.get(format!("{}/v1/documents/{}/status", gateway.url("api"), ids[0]))
            } else {
                http.post(format!("{}/v1/documents/bulk/status", gateway.url("bulk")))
                    .header("content-type", "application/json")
                    .body(json!({ "document_binder_uuids": ids }).to_string())
            };
            let request =
                request.bearer_auth(&target.access_token).header("contract-uuid", &target.contract_uuid);
            let text = request.send().await?.error_for_status()?.text().await?;
            count += text.matches("doc_box_status").count() as u64;
        }
        anyhow::Ok(count)
    });
    let counts = futures_util::future::try_join_all(asking).await?;
    Ok(counts.into_iter().sum::<u64>() as f64 / started.elapsed().as_secs_f64())
}
