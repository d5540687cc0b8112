//! Ten institutions, one of which floods the server.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Run;
use crate::figures::Figure;
use crate::load::{Keys, Load, drive, send};
use crate::node::{Node, Target};

const FLOODING: usize = 64;
/// The number of connections of each of the nine others.
const EACH: usize = 4;
const SHARE_MIN: f64 = 0.8;
const DELIVERY_SECONDS_MAX: f64 = 2.0;

pub(crate) async fn measure(run: &mut Run<'_>) -> Result<()> {
    while run.targets.len() < 11 {
        let target = run.platform.gateways[0].institution().await?;
        run.targets.push(target);
    }
    let mut load = Load::new(&run.targets[..10], FLOODING, &run.bodies, run.duration());
    load.connections.extend((1..10).flat_map(|target| [target; EACH]));
    let probing = async {
        // During the flood, one of them sends a hundred documents.
        tokio::time::sleep(run.duration().div_f64(2.0)).await;
        a_hundred(&run.platform.gateways[0], &run.targets[10], run).await
    };
    let (driven, seconds) = futures_util::future::try_join(drive(&run.platform, &load), probing).await?;
    let share = driven.per_second() / 10.0;
    let least = driven.accepted_of[1..].iter().min().copied().unwrap_or(0) as f64 / driven.seconds;
    let figure = Figure::new(run.store(), "the least of nine beside one that floods", least, "documents/s");
    run.add(figure.beside("a tenth of all", share).ratio_at_least(SHARE_MIN));
    let flood = Figure::new(
        run.store(),
        "the one that floods",
        driven.accepted_of[0] as f64 / driven.seconds,
        "documents/s",
    );
    run.add(flood.beside("a tenth of all", share));
    let waited =
        Figure::new(run.store(), "a hundred of another institution, sent and delivered", seconds, "s");
    run.add(waited.at_most(None, DELIVERY_SECONDS_MAX));
    run.platform.settle().await
}

/// Sends a hundred documents; returns the time until the last recipient was notified.
async fn a_hundred(gateway: &Node, target: &Target, run: &Run<'_>) -> Result<f64> {
    let (http, url) = (reqwest::Client::new(), format!("{}/v1/documents/bulk", gateway.url("bulk")));
    let started = Instant::now();
    let ids = loop {
        if let Some(ids) = send(&http, &url, target, &run.bodies[0], Keys::None).await? {
            break ids;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    while !all_notified(&http, gateway, target, &ids).await? {
        anyhow::ensure!(started.elapsed() < Duration::from_secs(120), "not delivered within two minutes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(started.elapsed().as_secs_f64())
}

async fn all_notified(
    http: &reqwest::Client,
    gateway: &Node,
    target: &Target,
    ids: &[String],
) -> Result<bool> {
    let answer = http
        .post(format!("{}/v1/documents/bulk/status", gateway.url("bulk")))
        .bearer_auth(&target.access_token)
        .header("contract-uuid", &target.contract_uuid)
        .header("content-type", "application/json")
        .body(json!({ "document_binder_uuids": ids }).to_string())
        .send()
        .await?;
    if !answer.status().is_success() {
        return Ok(false);
    }
    let answer: Value = answer.json().await?;
    let documents = answer["documents"].as_array().context("documents")?;
    Ok(documents.iter().all(|d| d["status_data"]["user_notified_at"].is_i64()))
}
