//! The event feed: the rate of one reader, the lag of the feed at full load, and the memory of readers that wait.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt};
use serde::Deserialize;

use super::Run;
use crate::figures::Figure;
use crate::latency::Latencies;
use crate::load::{Body, Keys, Load, drive, send};
use crate::node::{Node, Target};
use crate::probe::Probe;

/// Events that one reader gets a second, at least.
const EVENTS_MIN: f64 = 100_000.0;
/// How far the feed may be behind at full load, in milliseconds.
const LAG_MILLIS_MAX: f64 = 1_000.0;
/// Institutions that wait at the same time, and what they may cost.
const WAITING: usize = 1_000;
const WAITING_MIB_MAX: f64 = 50.0;
/// The delay between two documents of the institution whose feed is watched.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Deserialize)]
struct Page {
    events: Vec<Event>,
    through: u64,
    more: bool,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    event_type: String,
    document_binder_uuid: Option<String>,
}

/// A reader of one institution's feed.
struct Reader<'a> {
    http: reqwest::Client,
    url: String,
    target: &'a Target,
    after: u64,
}

impl<'a> Reader<'a> {
    fn new(gateway: &Node, target: &'a Target) -> Self {
        let url = format!("{}/v1/events", gateway.url("api"));
        Self { http: reqwest::Client::new(), url, target, after: 0 }
    }

    async fn page(&mut self, wait_seconds: u64) -> Result<Page> {
        let url = format!("{}?after={}&limit=1000&wait={wait_seconds}", self.url, self.after);
        let request = self.http.get(url).bearer_auth(&self.target.access_token);
        let page: Page = request.send().await?.error_for_status()?.json().await?;
        self.after = page.through;
        Ok(page)
    }
}

pub(crate) async fn measure(run: &mut Run<'_>) -> Result<()> {
    reading(run).await?;
    lag(run).await?;
    waiting(run).await
}

/// One reader reads everything that the loads before left in the feed.
async fn reading(run: &mut Run<'_>) -> Result<()> {
    run.quiet().await?;
    let probe = Probe::start(&run.platform, &run.engine).await?;
    let mut reader = Reader::new(&run.platform.gateways[0], &run.targets[0]);
    let (started, mut read) = (Instant::now(), 0);
    while started.elapsed() < run.duration() {
        let page = reader.page(0).await?;
        read += page.events.len();
        if !page.more {
            break;
        }
    }
    let rate = read as f64 / started.elapsed().as_secs_f64();
    let seen = probe.end(&run.platform).await?;
    ensure!(read > 100_000, "too few events to say anything: {read}");
    let figure =
        Figure::new(run.store(), "events read a second, one reader, pages of 1,000", rate, "events/s");
    run.add(figure.at_least(EVENTS_MIN).limited_by(seen.limit()));
    Ok(())
}

/// How long after its answer a document is in its institution's feed, while another institution sends at full load.
async fn lag(run: &mut Run<'_>) -> Result<()> {
    let watched = run.platform.gateways[0].institution().await?;
    let load = Load::new(&run.targets[..1], 16, &run.bodies, run.duration() * 2);
    let document = {
        let text = std::str::from_utf8(&run.bodies[0].bytes)?;
        let mut body: serde_json::Value = serde_json::from_str(text)?;
        body["documents"].as_array_mut().context("documents")?.truncate(1);
        Body { bytes: body.to_string().into(), items: 1 }
    };
    let watching = async {
        let gateway = &run.platform.gateways[0];
        let (mut reader, http) = (Reader::new(gateway, &watched), reqwest::Client::new());
        let (url, mut lags) = (format!("{}/v1/documents/bulk", gateway.url("bulk")), Latencies::default());
        let started = Instant::now();
        while started.elapsed() < load.duration {
            if let Some(ids) = send(&http, &url, &watched, &document, Keys::None).await? {
                let sent = Instant::now();
                let is_it = |event: &Event| {
                    event.event_type == "document.accepted"
                        && event.document_binder_uuid.as_deref() == ids.first().map(String::as_str)
                };
                while !reader.page(30).await?.events.iter().any(is_it) {}
                lags.add(sent.elapsed());
            }
            tokio::time::sleep(PAUSE).await;
        }
        anyhow::Ok(lags)
    };
    let (driven, mut lags) = futures_util::future::try_join(drive(&run.platform, &load), watching).await?;
    ensure!(lags.len() > 50, "too few documents to say anything: {}", lags.len());
    let what = format!(
        "p99 of the feed's lag at full load ({} documents; half within {:.1} ms; {:.0} accepted a second beside them)",
        lags.len(),
        lags.millis(0.5),
        driven.per_second()
    );
    run.add(Figure::new(run.store(), what, lags.millis(0.99), "ms").at_most(None, LAG_MILLIS_MAX));
    run.quiet().await
}

/// What institutions cost that wait for events, each on a connection of its own.
async fn waiting(run: &mut Run<'_>) -> Result<()> {
    let gateway = &run.platform.gateways[0];
    let made = futures_util::stream::iter(0..WAITING).map(|_| gateway.institution()).buffered(16);
    let institutions: Vec<Target> = made.try_collect().await?;
    let before = gateway.memory_mib();
    let readers = institutions.iter().map(|target| async {
        let mut reader = Reader::new(gateway, target);
        reader.page(30).await.map(|page| page.events.len())
    });
    let begun = Instant::now();
    let measuring = async {
        loop {
            ensure!(begun.elapsed() < Duration::from_secs(25), "not all wait at the same time");
            let waiting = gateway.counters().await?.get("seoham_feed_readers_waiting").copied();
            if waiting.is_some_and(|waiting| waiting >= WAITING as f64) {
                return anyhow::Ok(gateway.memory_mib());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let all = futures_util::future::try_join_all(readers);
    let (_, while_waiting) = futures_util::future::try_join(all, measuring).await?;
    let cost = while_waiting - before;
    let figure = Figure::new(run.store(), "memory of 1,000 institutions that wait", cost, "MiB");
    run.add(figure.beside("without them", before).at_most(None, WAITING_MIB_MAX));
    Ok(())
}
