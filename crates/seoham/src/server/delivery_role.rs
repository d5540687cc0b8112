//! The delivery role: the worker with its messenger.

use std::sync::Arc;
use std::time::Duration;

use seoham_delivery::{Report, Worker, WorkerOptions, record_reports};
use seoham_store::Store;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::messenger::{self, Messenger};
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
        let options = WorkerOptions {
            box_url: box_url.to_owned(),
            lease: Duration::from_secs(messenger::lease_seconds(config)),
            retention_days: config.store.retention_days,
            unknown: messenger::policy(config.messenger.unknown_document_arrived),
            ..WorkerOptions::default()
        };
        let stop = CancellationToken::new();
        let worker = Worker::new(store.clone(), messenger.lines.clone(), options);
        let worker = bulk.spawn(worker.run(stop.clone()));
        let reports = bulk.spawn(record_reports(store.clone(), reports));
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
