//! The writer's thread: one transaction after the other, and the checkpoints between them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use rusqlite::Connection;
use seoham_store::{Result, StoreError};

use super::checkpoints::Checkpoints;
use super::lanes::Lanes;
use super::pace::Pace;
use super::{Companion, Waiting};
use crate::columns::store_error;

pub(super) fn run(
    connection: &Connection,
    lanes: &Lanes,
    checkpoints: Checkpoints,
    companion: &dyn Companion,
) {
    let mut pace = Pace::default();
    while lanes.wait() {
        let started = Instant::now();
        let rows = transact(connection, lanes, companion, &mut pace);
        metrics::histogram!("seoham_commit_rows").record(f64::from(u32::try_from(rows).unwrap_or(u32::MAX)));
        metrics::histogram!("seoham_commit_seconds").record(started.elapsed().as_secs_f64());
        checkpoints.restart_if_due(connection);
    }
    drop(checkpoints);
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;");
}

/// Takes what waits into one transaction, commits, answers. Gives how many rows it was.
///
/// The more waits, the more one COMMIT is for, unless people are about: then it is soon the next one's turn.
fn transact(connection: &Connection, lanes: &Lanes, companion: &dyn Companion, pace: &mut Pace) -> usize {
    let limits = lanes.limits();
    let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(|e| store_error(&e));
    let mut beat = pace.begin(&limits, Instant::now());
    let mut done: Vec<Waiting> = Vec::new();
    let mut rows = 0;

    let mut whole = true;
    while begun.is_ok() && whole {
        let now = Instant::now();
        let people = beat.takes_people(&limits, now).then(|| lanes.take_interactive()).flatten();
        let (lane, mut waiting) = match people {
            Some(waiting) => {
                pace.somebody_waits(&mut beat, &limits);
                ("interactive", waiting)
            }
            None if rows >= limits.transaction_rows || !beat.goes_on(now) => break,
            None => match (lanes.take_work(), pace.patience(&beat, now)) {
                (Some((lane, waiting)), _) => {
                    beat.works(lane == "bulk");
                    (lane, waiting)
                }
                (None, Some(patience)) if lanes.wait_for_more(patience) => continue,
                (None, _) => break,
            },
        };
        metrics::histogram!("seoham_writer_wait_seconds", "lane" => lane)
            .record(waiting.since.elapsed().as_secs_f64());
        rows += waiting.weight.rows;
        whole = in_savepoint(connection, || waiting.job.run(connection));
        done.push(waiting);
    }
    pace.end(&beat);
    if begun.is_ok() && whole {
        whole = in_savepoint(connection, || accompany(connection, companion, rows));
    }
    if begun.is_err() {
        done.extend(lanes.take_interactive().or_else(|| lanes.take_work().map(|(_, waiting)| waiting)));
    }

    let committed = begun.and_then(|()| if whole { commit(connection) } else { abandon(connection) });
    companion.ended(committed.is_ok());
    for waiting in done {
        waiting.job.answer(committed.clone());
    }
    rows
}

fn accompany(connection: &Connection, companion: &dyn Companion, rows: usize) -> bool {
    let written = companion.write(connection, rows);
    written.inspect_err(|error| tracing::error!(%error, "what goes along was not written")).is_ok()
}

/// Does some work inside a savepoint, so that what fails takes nothing else with it; the work says whether it
/// is to be kept. `false` means that the transaction around it cannot be trusted any more: SQLite ended it by itself, as
/// it does when the disk is full, or the savepoint could not be ended.
fn in_savepoint(connection: &Connection, work: impl FnOnce() -> bool) -> bool {
    if let Err(error) = execute(connection, "SAVEPOINT job") {
        tracing::error!(%error, "a savepoint could not be made");
        return false;
    }
    let kept = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        tracing::error!("a job of the writer panicked; what it wrote is taken back");
        false
    });
    if connection.is_autocommit() {
        return false;
    }
    let taken_back = if kept { Ok(()) } else { execute(connection, "ROLLBACK TO job") };
    if let Err(error) = taken_back.and_then(|()| execute(connection, "RELEASE job")) {
        tracing::error!(%error, "a savepoint could not be ended");
        return false;
    }
    true
}

fn execute(connection: &Connection, sql: &'static str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

fn commit(connection: &Connection) -> Result<()> {
    let started = Instant::now();
    let committed = connection.execute_batch("COMMIT");
    metrics::histogram!("seoham_commit_sync_seconds").record(started.elapsed().as_secs_f64());
    let Err(error) = committed else { return Ok(()) };
    tracing::error!(%error, "a transaction could not be committed");
    // A COMMIT that failed leaves the transaction open, and rolling it back makes sure that
    // nothing of it is there. If even that fails, nobody can say.
    let abandoned = abandon(connection);
    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure) {
        // The commit may stand in the log already, unsynced, and come back at the next start.
        return Err(StoreError::Uncertain("a commit"));
    }
    abandoned
}

/// Takes a transaction back that cannot be trusted: nothing of it is written.
fn abandon(connection: &Connection) -> Result<()> {
    if connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok() {
        Err(StoreError::Unavailable("a transaction was broken off".to_owned()))
    } else {
        Err(StoreError::Uncertain("a transaction"))
    }
}
