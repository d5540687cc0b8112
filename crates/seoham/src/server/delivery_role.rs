//! The delivery role: the worker with its messenger.

use std::sync::Arc;
use std::time::Duration;

use seoham_delivery::{Report, Worker, WorkerOptions};
use seoham_store::Store;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::messenger::Messenger;
use crate::config::Config;

/// A running worker.
pub(super) struct DeliveryTask {
    stop: CancellationToken,
    worker: JoinHandle<()>,
    reports: JoinHandle<()>,
}

impl DeliveryTask {
    /// Starts delivering through `messenger` on the runtime `bulk`.
    pub(super) fn start(
        config: &Config,
        store: &Arc<dyn Store>,
        messenger: &Messenger,
        reports: mpsc::Receiver<Report>,
        box_url: &str,
        bulk: &Handle,
    ) -> Self {
        let defaults = WorkerOptions::default();
        // The simulator answers a whole batch at once; a real messenger must not be flooded.
        let at_once = if messenger.simulator.is_some() {
            defaults.batch
        } else {
            config.notifier.concurrent_messages.clamp(1, 1_000)
        };
        // The lease must outlast the slowest messages, so that none is sent twice: a claim contains as many messages
        // as can be sent in half a lease, each at the timeout.
        let slowest_seconds = config.notifier.timeout_seconds.clamp(1, 60);
        let lease_seconds = config.delivery.lease_seconds.max(2 * slowest_seconds);
        let turns = usize::try_from(lease_seconds / 2 / slowest_seconds).unwrap_or(1);
        let batch =
            if messenger.simulator.is_some() { defaults.batch } else { defaults.batch.min(at_once * turns) };
        let options = WorkerOptions {
            box_url: box_url.to_owned(),
            concurrent_messages: at_once,
            lease: Duration::from_secs(lease_seconds),
            slowest_message: Duration::from_secs(slowest_seconds),
            batch,
            retention_days: config.store.retention_days,
            ..defaults
        };
        let stop = CancellationToken::new();
        let worker = Worker::new(store.clone(), Arc::clone(&messenger.notifier), options);
        let worker = bulk.spawn(worker.run(stop.clone()));
        let reports = bulk.spawn(Worker::record_reports(store.clone(), reports));
        Self { stop, worker, reports }
    }

    /// Stops claiming; finishes what is running.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) async fn ended(self) {
        let _ = self.worker.await;
        // No more reports can arrive, and those that did are recorded.
        self.reports.abort();
        let _ = self.reports.await;
    }
}
