//! Statements go by a key, even if their plans were made for empty tables. The server believes a queue to be empty that
//! was vacuumed while it was, until it is analyzed again: by then it can have a hundred thousand rows.

use seoham_scratch_postgres::{Cluster, Database, has_plans, whole_scans};
use tokio_postgres::NoTls;

/// Tables that may be read as a whole: they have a row for each node, institution, operator or provider.
const SMALL: [&str; 13] = [
    "admin_tokens",
    "deployment",
    "feeds",
    "institution_templates",
    "institutions",
    "people_changes_forgotten",
    "platform_templates",
    "provider_states",
    "refinery_schema_history",
    "sequencer",
    "volume_alerts",
    "webhook_attempts",
    "webhooks",
];

/// Statements that may read these tables as a whole, by a part of each: those of migrations, of retention, which goes
/// through a month, those that end at the first row, and those that look through what is not in the box index yet, through
/// the ranges of its blocks, or through the calls to providers that are under way.
const FREE: [(&str, &str); 13] = [
    ("", "ALTER TABLE"),
    ("", "CREATE TABLE"),
    ("parcels_", "sum(octet_length(persons) / 16)"),
    ("parcels_", "WITH closed AS MATERIALIZED ("),
    ("outbox", "WITH closed AS MATERIALIZED ("),
    ("outbox", "FROM outbox WHERE parcel_id"),
    ("outbox", "SELECT EXISTS (SELECT FROM outbox)"),
    ("box_pending", "FROM box_pending WHERE position($1"),
    ("box_blocks", "FROM box_blocks WHERE first_tag <= $1"),
    ("box_blocks", "FROM box_blocks GROUP BY run_id"),
    ("box_blocks", "DELETE FROM box_blocks b WHERE NOT EXISTS"),
    ("handovers", "IN handed) > 0"),
    ("handovers", "sum(handed_count)"),
];

/// A database whose plans are looked at when it is dropped.
pub(crate) struct Explained {
    database: Database,
    log_from: u64,
}

impl Explained {
    pub(crate) fn new() -> Self {
        let cluster = Cluster::explaining();
        Self { log_from: cluster.log_bytes(), database: cluster.database() }
    }

    pub(crate) fn url(&self) -> &str {
        self.database.url()
    }

    /// Makes the server believe that each table is empty, as after a vacuum.
    pub(crate) async fn is_thought_empty(&self) {
        let (client, connection) = tokio_postgres::connect(self.url(), NoTls).await.expect("connects");
        tokio::spawn(connection);
        let sql = "UPDATE pg_class SET relpages = 1, reltuples = 0
                   WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')";
        client.batch_execute(sql).await.expect("a superuser may");
    }
}

impl Drop for Explained {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let (log, name) = (Cluster::explaining().log(self.log_from), self.database.name());
        assert!(has_plans(&log, "seoham", name), "plans are logged");
        let mut scans = whole_scans(&log, "seoham", name);
        scans.retain(|scan| {
            let is_free =
                |(table, part): &(&str, &str)| scan.table.starts_with(table) && scan.statement.contains(part);
            !SMALL.contains(&scan.table.as_str()) && !FREE.iter().any(is_free)
        });
        assert!(scans.is_empty(), "read as a whole: {scans:#?}");
    }
}
