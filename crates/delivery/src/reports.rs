//! Delivery reports: of a messenger in this process, pushed, or asked for.

use std::sync::Arc;

use seoham_store::deliveries::Receipt;
use seoham_store::{StoreError, WorkerStore};
use tokio::sync::{mpsc, oneshot};

use crate::provider::Reported;

/// A delivery report, and the channel that confirms its durable recording.
pub struct Report {
    /// The report.
    pub receipt: Receipt,
    /// Told when it is recorded.
    pub recorded: oneshot::Sender<()>,
}

/// Records reports until their senders are dropped. A report that cannot be recorded is not confirmed, so its message is
/// sent again.
pub async fn record_reports(store: Arc<dyn WorkerStore>, mut reports: mpsc::Receiver<Report>) {
    let mut batch = Vec::new();
    while reports.recv_many(&mut batch, 1_000).await > 0 {
        let receipts = batch.iter().map(|report| report.receipt).collect();
        match store.record_receipts(receipts, store.clock().now()).await {
            Ok(()) => {
                for report in batch.drain(..) {
                    let _ = report.recorded.send(());
                }
            }
            Err(error) => {
                tracing::warn!(%error, "could not record the messenger's reports");
                batch.clear();
            }
        }
    }
}

/// Records delivery reports, pushed or asked for: the one place that handles them.
pub async fn record_reported(
    store: &(impl seoham_store::Receipts + seoham_store::Deployment + ?Sized),
    provider: &str,
    reported: Vec<Reported>,
) -> Result<(), StoreError> {
    if reported.is_empty() {
        return Ok(());
    }
    let (mut arrived, mut failed) = (0, 0);
    for report in &reported {
        if report.arrival.is_delivered() {
            arrived += 1;
        } else {
            failed += 1;
            tracing::info!(document = %report.document, provider, reason = report.said.as_deref().map(crate::redaction::cut),
                "a notification was not delivered");
        }
    }
    let name = || provider.to_owned();
    metrics::counter!("seoham_reports_total", "provider" => name(), "outcome" => "delivered")
        .increment(arrived);
    metrics::counter!("seoham_reports_total", "provider" => name(), "outcome" => "failed").increment(failed);
    let receipt =
        |report: Reported| Receipt { document: report.document, arrival: report.arrival, at: report.at };
    let now = store.clock().now();
    store.record_receipts(reported.into_iter().map(receipt).collect(), now).await
}
