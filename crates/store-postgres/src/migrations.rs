//! The schema migrations, run by one process at a time while other nodes keep working.

use std::error::Error;
use std::time::Duration;

use tokio_postgres::Client;

use crate::failure::gave_way;
use crate::open::OpenError;

refinery::embed_migrations!("migrations");

/// How long a migration waits for a table that others are using. Later users of the table queue behind it, so the
/// wait is short.
const LOCK_WAIT: &str = "SET lock_timeout = '2s'";
/// How often to try a migration that conflicts with other transactions.
const TRIES_MAX: u32 = 20;
/// How long to leave the table to the others before trying again.
const PAUSE: Duration = Duration::from_secs(3);

/// Migrates the schema and returns the number of migrations applied. The caller holds the lock.
pub(crate) async fn run(client: &mut Client) -> Result<usize, OpenError> {
    client.batch_execute(LOCK_WAIT).await?;
    let mut steps = 0;
    for tried in 1.. {
        match migrations::runner().run_async(client).await {
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

/// The state of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No schema.
    Empty,
    /// Migrations that this program knows, all or the first of them.
    Known,
    /// The schema of a program before the parcels, with one row per document.
    Older,
    /// Foreign tables, or migrations that differ from those with the same number here.
    Foreign,
    /// A newer program migrated it.
    Newer {
        /// The last applied migration.
        version: i64,
        /// The last migration known here.
        known: i64,
    },
}

/// Determines the state of the schema. Changes nothing.
pub(crate) async fn state(client: &Client) -> Result<State, OpenError> {
    if !has_history(client).await? {
        let tables = "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace
                      AND relkind IN ('r', 'p'))";
        let has_tables: bool = client.query_one(tables, &[]).await?.get(0);
        return Ok(if has_tables { State::Foreign } else { State::Empty });
    }
    let older = "SELECT to_regclass('documents') IS NOT NULL AND to_regclass('contents') IS NOT NULL";
    if client.query_one(older, &[]).await?.get(0) {
        return Ok(State::Older);
    }
    let runner = migrations::runner();
    let known = runner.get_migrations();
    let newest = known.iter().map(|step| i64::from(step.version())).max().unwrap_or(0);
    let steps = "SELECT version::bigint, checksum FROM refinery_schema_history ORDER BY version";
    let mut is_known = true;
    for row in client.query(steps, &[]).await? {
        let (version, checksum): (i64, String) = (row.get(0), row.get(1));
        if version > newest {
            return Ok(State::Newer { version, known: newest });
        }
        let same = |step: &refinery::Migration| {
            i64::from(step.version()) == version && step.checksum().to_string() == checksum
        };
        is_known &= known.iter().any(same);
    }
    Ok(if is_known { State::Known } else { State::Foreign })
}

async fn has_history(client: &Client) -> Result<bool, OpenError> {
    let sql = "SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass('refinery_schema_history'))";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// Rejects a schema that lacks migrations this program needs.
pub(crate) async fn check(client: &Client) -> Result<(), OpenError> {
    let wanted = migrations::runner().get_migrations().iter().map(refinery::Migration::version).max();
    let applied: Option<i32> = if has_history(client).await? {
        client.query_one("SELECT max(version)::int FROM refinery_schema_history", &[]).await?.get(0)
    } else {
        None
    };
    if applied.map(i64::from) >= wanted.map(i64::from) { Ok(()) } else { Err(OpenError::SchemaBehind) }
}
