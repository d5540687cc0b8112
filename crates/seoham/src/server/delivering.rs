//! The delivery role: the worker with its messenger.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use seoham_delivery::{Report, Simulator, Worker, WorkerOptions};
use seoham_store::{Mode, Store};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::messenger::Messenger;
use crate::config::Config;

/// A worker that runs.
pub(super) struct Delivering {
    stop: CancellationToken,
    worker: JoinHandle<()>,
    reports: JoinHandle<()>,
    /// The simulated messenger, if it is that.
    pub(super) simulator: Option<Arc<Simulator>>,
}

impl Delivering {
    /// Starts delivering on the runtime `bulk`; `web` is the web listener of this process.
    pub(super) fn start(
        config: &Config,
        store: &Arc<dyn Store>,
        web: Option<&str>,
        bulk: &Handle,
    ) -> Result<Self> {
        let (reports_in, reports_out) = mpsc::channel::<Report>(10_000);
        let messenger = Messenger::start(config, store, reports_in)?;
        let defaults = WorkerOptions::default();
        // The simulator answers a whole batch at once; a real messenger is not to be flooded.
        let at_once = if messenger.simulator.is_some() {
            defaults.batch
        } else {
            config.notifier.concurrent_messages.clamp(1, 1_000)
        };
        // What is claimed is held longer than its slowest messages can take, so that none is sent
        // twice: as many messages are claimed as can be sent, each at its slowest, in half a lease.
        let slowest_seconds = config.notifier.timeout_seconds.clamp(1, 60);
        let lease_seconds = config.delivery.lease_seconds.max(2 * slowest_seconds);
        let turns = usize::try_from(lease_seconds / 2 / slowest_seconds).unwrap_or(1);
        let batch =
            if messenger.simulator.is_some() { defaults.batch } else { defaults.batch.min(at_once * turns) };
        let options = WorkerOptions {
            box_url: box_url(config, web, store.mode()),
            concurrent_messages: at_once,
            lease: Duration::from_secs(lease_seconds),
            slowest_message: Duration::from_secs(slowest_seconds),
            batch,
            retention_days: config.store.retention_days,
            ..defaults
        };
        let stop = CancellationToken::new();
        let worker = Worker::new(Arc::clone(store), messenger.notifier, options);
        let worker = bulk.spawn(worker.run(stop.clone()));
        let reports = bulk.spawn(Worker::record_reports(Arc::clone(store), reports_out));
        Ok(Self { stop, worker, reports, simulator: messenger.simulator })
    }

    /// Claims no more; what is under way is finished.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) async fn ended(self) {
        drop(self.simulator);
        let _ = self.worker.await;
        let _ = self.reports.await;
    }
}

/// The document box as the messages name it.
fn box_url(config: &Config, web: Option<&str>, mode: Mode) -> String {
    if let Some(url) = &config.web.public_url {
        return url.clone();
    }
    if mode == Mode::Live {
        tracing::warn!("web.public_url is not set: the links in notifications lead to this machine alone");
    }
    web.map_or_else(|| format!("http://{}", config.listen.web), str::to_owned)
}
