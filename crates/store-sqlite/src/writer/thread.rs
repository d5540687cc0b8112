//! The writer's thread: one transaction after the other, and the checkpoints between them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use rusqlite::Connection;
use seoham_store::{Health, Result, StoreError};

use super::checkpoints::Checkpoints;
use super::commit_window::CommitPolicy;
use super::job::Ran;
use super::lanes::Lanes;
use super::{CommitHook, QueuedJob};
use crate::columns::{is_disk_failure, store_error};

pub(super) fn run(
    connection: &Connection,
    lanes: &Lanes,
    checkpoints: Checkpoints,
    hook: &dyn CommitHook,
    health: &Health,
) {
    let _end = End { lanes, health };
    let mut policy = CommitPolicy::default();
    while lanes.wait() && health.failure().is_none() {
        let started = Instant::now();
        let rows = transact(&Transacting { connection, lanes, hook, health }, &mut policy);
        metrics::histogram!("seoham_commit_rows").record(f64::from(u32::try_from(rows).unwrap_or(u32::MAX)));
        metrics::histogram!("seoham_commit_seconds").record(started.elapsed().as_secs_f64());
        checkpoints.restart_if_due(connection);
    }
    drop(checkpoints);
    // After a disk failure the log is the only good copy: leave it for the next start to read.
    if health.failure().is_none()
        && let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;")
        && is_disk_failure(&error)
    {
        health.fail("the last checkpoint", &error);
    }
}

/// Cleans up when the writer's thread ends for any reason, so that nobody waits forever.
struct End<'a> {
    lanes: &'a Lanes,
    health: &'a Health,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.health.fail("the writer's thread", &"it panicked");
        }
        for waiting in self.lanes.abandon() {
            waiting.job.answer(Err(StoreError::Unavailable("the writer has ended".to_owned())));
        }
    }
}

/// What a transaction needs.
struct Transacting<'a> {
    connection: &'a Connection,
    lanes: &'a Lanes,
    hook: &'a dyn CommitHook,
    health: &'a Health,
}

/// Runs the waiting jobs in one transaction, commits it and replies. Returns the number of rows.
///
/// The more jobs wait, the more share one COMMIT. While people are active, transactions are kept short.
fn transact(with: &Transacting<'_>, policy: &mut CommitPolicy) -> usize {
    let Transacting { connection, lanes, hook, health } = *with;
    let limits = lanes.limits();
    let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| {
        if is_disk_failure(&error) {
            health.fail("the beginning of a transaction", &error);
        }
        store_error(&error)
    });
    let mut window = policy.begin(&limits, Instant::now());
    let mut done: Vec<QueuedJob> = Vec::new();
    let mut rows = 0;

    let mut whole = true;
    while begun.is_ok() && whole {
        let now = Instant::now();
        let people = window.admits_interactive(&limits, now).then(|| lanes.take_interactive()).flatten();
        let (lane, mut waiting) = match people {
            Some(waiting) => {
                policy.add_interactive(&mut window, &limits);
                ("interactive", waiting)
            }
            None if rows >= limits.transaction_rows || !window.is_open(now) => break,
            None => match (lanes.take_work(), policy.gathering_time(&window, now)) {
                (Some((lane, waiting)), _) => {
                    window.add_work(lane == "bulk");
                    (lane, waiting)
                }
                (None, Some(time)) if lanes.wait_for_more(time) => continue,
                (None, _) => break,
            },
        };
        metrics::histogram!("seoham_writer_wait_seconds", "lane" => lane)
            .record(waiting.since.elapsed().as_secs_f64());
        rows += waiting.weight.rows;
        whole = in_savepoint(with, || waiting.job.run(connection));
        done.push(waiting);
    }
    policy.end(&window);
    if begun.is_ok() && whole {
        whole = in_savepoint(with, || run_before_commit(connection, hook));
    }
    if begun.is_err() {
        done.extend(lanes.take_interactive().or_else(|| lanes.take_work().map(|(_, waiting)| waiting)));
    }

    let committed = begun.and_then(|()| if whole { commit(connection, health) } else { abandon(connection) });
    hook.after_commit(committed.is_ok());
    for waiting in done {
        waiting.job.answer(committed.clone());
    }
    rows
}

fn run_before_commit(connection: &Connection, hook: &dyn CommitHook) -> Ran {
    match hook.before_commit(connection) {
        Ok(()) => Ran::Well,
        Err(error) => {
            tracing::error!(%error, "the commit hook failed; its work is rolled back");
            Ran::after(&error)
        }
    }
}

/// Runs a job inside a savepoint, so that a failure does not affect the other jobs. The job decides whether its
/// writes are kept. Returns `false` if the surrounding transaction can no longer be trusted: SQLite ended it by
/// itself, as it does when the disk is full, the savepoint could not be ended, or the disk failed.
fn in_savepoint(with: &Transacting<'_>, work: impl FnOnce() -> Ran) -> bool {
    let Transacting { connection, health, .. } = *with;
    if let Err(error) = execute(connection, "SAVEPOINT job") {
        tracing::error!(%error, "a savepoint could not be made");
        return false;
    }
    let kept = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ran::Well) => true,
        Ok(Ran::Badly) => false,
        Ok(Ran::DiskFailed(error)) => {
            health.fail("a write", &error);
            return false;
        }
        Err(_) => {
            tracing::error!("a job of the writer panicked; what it wrote is taken back");
            false
        }
    };
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

fn commit(connection: &Connection, health: &Health) -> Result<()> {
    let started = Instant::now();
    let committed = connection.execute_batch("COMMIT");
    metrics::histogram!("seoham_commit_sync_seconds").record(started.elapsed().as_secs_f64());
    let Err(error) = committed else { return Ok(()) };
    // A failed COMMIT leaves the transaction open. Rolling it back ensures that nothing of it is stored; if the
    // rollback fails too, the outcome is unknown.
    let abandoned = abandon(connection);
    if is_disk_failure(&error) {
        health.fail("a commit", &error);
        // The commit may already be in the log, unsynced, and reappear at the next start.
        return Err(StoreError::Uncertain("a commit"));
    }
    tracing::error!(%error, "a transaction could not be committed");
    abandoned
}

/// Rolls back a transaction that cannot be trusted. Returns the error for its callers.
fn abandon(connection: &Connection) -> Result<()> {
    if connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok() {
        Err(StoreError::Unavailable("a transaction was broken off".to_owned()))
    } else {
        Err(StoreError::Uncertain("a transaction"))
    }
}
