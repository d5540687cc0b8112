//! The schema's history, brought up to date by one process at a time, beside nodes that go on working.

use std::error::Error;
use std::time::Duration;

use tokio_postgres::Client;

use crate::failure::gave_way;
use crate::open::OpenError;

refinery::embed_migrations!("migrations");

/// Any number that nothing else in the database locks: "seoham" in ASCII.
pub(crate) const SCHEMA_LOCK: i64 = 0x7365_6f68_616d;

/// How long a step waits for a table that somebody else reads or writes. Whoever asks for the same table
/// after it waits behind it, so it is little.
const LOCK_WAIT: &str = "SET lock_timeout = '2s'";
/// How often a step is tried that was in the way of others, or they in its.
const TRIES_MAX: u32 = 20;
/// How long the others have the table to themselves before it is tried again.
const PAUSE: Duration = Duration::from_secs(3);

/// Brings the schema up to date; gives how many steps it took. The caller holds the lock.
pub(crate) async fn run(client: &mut Client) -> Result<usize, OpenError> {
    client.batch_execute(LOCK_WAIT).await?;
    let mut steps = 0;
    for tried in 1.. {
        // A newer program may have gone further: its steps only add (expand, then contract).
        let runner = migrations::runner().set_abort_missing(false);
        match runner.run_async(client).await {
            Ok(report) => {
                steps += report.applied_migrations().len();
                break;
            }
            Err(error) if tried < TRIES_MAX && has_given_way(&error) => {
                steps += error.report().map_or(0, |report| report.applied_migrations().len());
                tracing::info!(
                    tried,
                    "a step of the schema gave way to somebody who uses the table, and is tried again"
                );
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(OpenError::Schema(Box::new(error))),
        }
    }
    client.batch_execute("RESET lock_timeout").await?;
    Ok(steps)
}

fn has_given_way(error: &refinery::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<tokio_postgres::Error>());
    cause.is_some_and(gave_way)
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
