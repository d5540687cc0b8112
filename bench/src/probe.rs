//! Determines the bottleneck of the machine during a measurement.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::load::Platform;
use crate::node::{cpu_seconds, postgres_cpu_seconds};

/// The CPU time of the whole machine, in cores.
fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64)
}

pub(crate) struct Probe {
    started: Instant,
    server: f64,
    own: f64,
    database: f64,
    counters: BTreeMap<String, f64>,
    waits: Option<JoinHandle<BTreeMap<String, u32>>>,
    stop: tokio::sync::watch::Sender<bool>,
}

/// The samples of a measurement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) seconds: f64,
    pub(crate) server_cpu: f64,
    pub(crate) generator_cpu: f64,
    database_cpu: f64,
    sync_share: f64,
    writer_share: f64,
    rows_a_commit: f64,
    waits: BTreeMap<String, u32>,
}

impl Probe {
    pub(crate) async fn start(platform: &Platform, engine: &Engine) -> Result<Self> {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let waits = engine.database_url().map(|url| tokio::spawn(sample_waits(url.to_owned(), stopped)));
        Ok(Self {
            started: Instant::now(),
            server: platform.cpu_seconds(),
            own: cpu_seconds(std::process::id()),
            database: if engine.database_url().is_some() { postgres_cpu_seconds() } else { 0.0 },
            counters: platform.counters().await?,
            waits,
            stop,
        })
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    pub(crate) async fn end(self, platform: &Platform) -> Result<Seen> {
        let seconds = self.started.elapsed().as_secs_f64();
        let after = platform.counters().await?;
        let grown = |name: &str| {
            after.get(name).copied().unwrap_or(0.0) - self.counters.get(name).copied().unwrap_or(0.0)
        };
        let _ = self.stop.send(true);
        let waits = match self.waits {
            Some(waits) => waits.await.unwrap_or_default(),
            None => BTreeMap::new(),
        };
        let database_cpu = if waits.is_empty() { 0.0 } else { postgres_cpu_seconds() - self.database };
        Ok(Seen {
            seconds,
            server_cpu: platform.cpu_seconds() - self.server,
            generator_cpu: cpu_seconds(std::process::id()) - self.own,
            database_cpu,
            sync_share: grown("seoham_commit_sync_seconds_sum") / seconds,
            writer_share: grown("seoham_commit_seconds_sum") / seconds,
            rows_a_commit: grown("seoham_commit_rows_sum") / grown("seoham_commit_rows_count").max(1.0),
            waits,
        })
    }
}

impl Seen {
    /// A description of the bottleneck: the CPU, the single writer, or the wait events of database sessions.
    pub(crate) fn limit(&self) -> String {
        let busy = (self.server_cpu + self.generator_cpu + self.database_cpu) / self.seconds / cores();
        let mut reported = vec![format!("processor {:.0} %", busy * 100.0)];
        if self.sync_share > 0.0 {
            reported.push(format!(
                "writer {:.0} % busy, {:.0} % of the time in COMMIT (writing and syncing), {:.0} rows each",
                self.writer_share * 100.0,
                self.sync_share * 100.0,
                self.rows_a_commit
            ));
        }
        let sampled: u32 = self.waits.values().sum();
        let mut waits: Vec<_> = self.waits.iter().collect();
        waits.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (wait, count) in waits.into_iter().take(3) {
            reported.push(format!("{wait} {:.0} %", 100.0 * f64::from(*count) / f64::from(sampled.max(1))));
        }
        reported.join("; ")
    }
}

/// Periodically samples the wait events of active database sessions.
async fn sample_waits(url: String, mut stopped: tokio::sync::watch::Receiver<bool>) -> BTreeMap<String, u32> {
    let mut waits = BTreeMap::new();
    let Ok((client, connection)) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await else {
        return waits;
    };
    tokio::spawn(connection);
    let sql = "SELECT coalesce(wait_event_type || '/' || wait_event, 'running') FROM pg_stat_activity
               WHERE state = 'active' AND pid <> pg_backend_pid() AND datname = current_database()";
    loop {
        tokio::select! {
            _ = stopped.changed() => return waits,
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
        }
        for row in client.query(sql, &[]).await.unwrap_or_default() {
            *waits.entry(row.get::<_, String>(0)).or_default() += 1;
        }
    }
}
