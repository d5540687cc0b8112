//! The schema's history, brought up to date by one process at a time.

use tokio_postgres::Client;

use crate::open::OpenError;

refinery::embed_migrations!("migrations");

/// Any number that nothing else in the database locks: "seoham" in ASCII.
pub(crate) const SCHEMA_LOCK: i64 = 0x7365_6f68_616d;

/// Brings the schema up to date; gives how many steps it took. The caller holds the lock.
pub(crate) async fn run(client: &mut Client) -> Result<usize, OpenError> {
    // A newer program may have gone further: its steps only add (expand, then contract).
    let runner = migrations::runner().set_abort_missing(false);
    let report = runner.run_async(client).await.map_err(|e| OpenError::Schema(Box::new(e)))?;
    Ok(report.applied_migrations().len())
}

/// Refuses a schema that lacks steps which this program needs.
pub(crate) async fn check(client: &Client) -> Result<(), OpenError> {
    let wanted = migrations::runner().get_migrations().iter().map(refinery::Migration::version).max();
    let there = client
        .query_opt("SELECT 1 FROM pg_class WHERE oid = to_regclass('refinery_schema_history')", &[])
        .await?;
    let applied: Option<i32> = match there {
        Some(_) => {
            client.query_one("SELECT max(version)::int FROM refinery_schema_history", &[]).await?.get(0)
        }
        None => None,
    };
    if applied.map(i64::from) >= wanted.map(i64::from) { Ok(()) } else { Err(OpenError::SchemaBehind) }
}
