//! Prometheus metrics: the process's own, and the queue gauges at the time of the scrape.

use std::time::Duration;

use axum::extract::State;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::state::Operator;

/// The timeout for the store's queue depths.
const PATIENCE: Duration = Duration::from_secs(2);

/// Installs the metrics recorder of this process; call it once.
pub fn install_metrics() -> Result<PrometheusHandle, BuildError> {
    let seconds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let rows = [1.0, 10.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0];
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)?
        .set_buckets_for_metric(Matcher::Full("seoham_commit_rows".to_owned()), &rows)?
        .install_recorder()?;
    describe();
    Ok(handle)
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_counter!("seoham_requests_total", "Requests answered, by listener, method, route and status");
    describe_histogram!("seoham_request_seconds", "Time to answer, by listener and route");
    describe_counter!("seoham_items_total", "Documents by verdict");
    describe_counter!("seoham_refused_total", "Requests refused by admission, by which bound");
    describe_gauge!("seoham_queue_depth", "Documents waiting for delivery, by institution");
    describe_gauge!("seoham_queue_oldest_age_seconds", "Age of the oldest of them");
    describe_histogram!("seoham_commit_rows", "Rows in one transaction of the writer");
    describe_histogram!("seoham_commit_seconds", "Duration of one transaction of the writer");
    describe_histogram!("seoham_commit_sync_seconds", "Of it, the COMMIT alone: writing and syncing the log");
    describe_histogram!("seoham_checkpoint_seconds", "Duration of one checkpoint");
    describe_histogram!("seoham_writer_wait_seconds", "Wait before the writer, by lane");
    describe_histogram!("seoham_people_first_seconds", "Bulk work letting people's go first to the database");
    describe_histogram!("seoham_connection_wait_seconds", "Wait for a connection to the database, by lane");
    describe_counter!("seoham_documents_removed_total", "Documents removed as too old");
    describe_counter!(
        "seoham_volume_alerts_total",
        "Days with more documents than were announced and approved"
    );
    describe_counter!("seoham_deliveries_total", "Deliveries by outcome");
    describe_counter!("seoham_notifications_total", "Notifications by what the messenger did");
    describe_counter!("seoham_receipts_total", "Reports of the messenger taken");
    describe_counter!("seoham_receipts_refused_total", "Reports refused for their signature");
    describe_gauge!("seoham_store_reachable", "1 when the store answered the last scrape in time");
    describe_counter!("seoham_store_failures_total", "Failures of the store that end the process");
    describe_gauge!("seoham_obstacle", "1 while something keeps the process from serving, by kind");
    describe_gauge!("seoham_clock_apart_seconds", "How far the machine's or the database's clock is ahead");
    describe_gauge!("seoham_messenger_unreachable", "1 while the messenger provider takes no messages");
    describe_gauge!(
        "seoham_messenger_held",
        "1 while the messenger provider is misconfigured, and nothing is sent to it"
    );
    describe_gauge!("seoham_messenger_weight", "The weight of the messenger provider now");
    describe_counter!("seoham_reports_total", "Delivery reports by provider and outcome");
    describe_gauge!("seoham_deliveries_held", "1 while deliveries wait for a decision after a restore");
    describe_gauge!("seoham_connections", "Open connections by listener");
    describe_counter!("seoham_connections_refused_total", "Connections refused, by listener and bound");
    describe_counter!(
        "seoham_accept_failures_total",
        "Connections that were not set up, by listener and kind"
    );
    describe_counter!("seoham_token_verifications_total", "Token verifications by verdict");
}

/// Periodically drains the recorder's histograms, so that they do not grow between scrapes.
pub async fn start_upkeep(handle: PrometheusHandle) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tick.tick().await;
        handle.run_upkeep();
    }
}

/// Renders the metrics, even while the store is unavailable: the queue gauges then keep their old values.
pub(crate) async fn metrics(State(operator): State<Operator>) -> String {
    if operator.gauges.is_due() {
        let depths = tokio::time::timeout(PATIENCE, operator.store.queue_depths()).await;
        let is_there = matches!(depths, Ok(Ok(_)));
        metrics::gauge!("seoham_store_reachable").set(f64::from(u8::from(is_there)));
        if let Ok(Ok(depths)) = depths {
            operator.gauges.set(&depths, operator.now());
        }
    }
    operator.metrics.render()
}
