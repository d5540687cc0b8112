//! Checkpoints: copying the write-ahead log into the database file, on a thread beside the writer. The writer itself
//! only restarts the log, once little is left to copy.

use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use seoham_store::Health;

use crate::columns::is_disk_failure;

/// Log growth between two passes, in pages: 2 MiB. A COMMIT during the sync of a pass waits until the disk has
/// written the pass, so it must be small. Pages are written in order, so hardly any page is copied twice.
const PASS_PAGES: u32 = 512;
/// The same once the log is about to restart, so that less and less remains.
const LAST_PASS_PAGES: u32 = 256;
/// Log size in pages at which the log restarts: 128 MiB. Overwriting it then costs less than letting it grow.
const RESTART_PAGES: u32 = 32_768;
/// Pages that the writer may copy itself: about 3 ms, every few seconds under peak load.
const LEFT_PAGES: u32 = 512;
/// Log size in pages at which the log restarts regardless of what remains: because of readers that never end, or a
/// disk that does not keep up.
const AT_MOST_PAGES: u32 = 3 * RESTART_PAGES / 2;
/// How long the writer waits for readers of the old log.
const PATIENCE: Duration = Duration::from_millis(5);

/// The state of the log, and the thread that checkpoints it. Dropping this stops the thread.
pub(super) struct Checkpoints {
    log: Arc<Log>,
    health: Health,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Log {
    state: Mutex<State>,
    grown: Condvar,
}

struct State {
    /// The number of the log: how often it restarted.
    log: u64,
    /// Pages in the log.
    pages: u32,
    /// How many of them are copied.
    carried: u32,
    /// Log size in pages at which the next pass is due.
    pass_at: u32,
    /// Log size in pages at which a restart is tried.
    restart_at: u32,
    passing: bool,
    closed: bool,
}

impl Default for State {
    fn default() -> Self {
        let (pass_at, restart_at) = (PASS_PAGES, RESTART_PAGES);
        Self { log: 0, pages: 0, carried: 0, pass_at, restart_at, passing: false, closed: false }
    }
}

impl State {
    /// Records that the log has `pages` after a COMMIT.
    fn committed(&mut self, pages: u32) {
        if pages < self.pages {
            // The log restarted: SQLite does so by itself once everything is copied and nobody reads it.
            *self = Self { log: self.log + 1, passing: self.passing, closed: self.closed, ..Self::default() };
        }
        self.pages = pages;
    }

    fn is_pass_due(&self) -> bool {
        self.pages >= self.pass_at
    }

    fn is_restart_due(&self) -> bool {
        let little_left = self.pages.saturating_sub(self.carried) <= LEFT_PAGES;
        self.pages >= self.restart_at && !self.passing && (little_left || self.pages >= AT_MOST_PAGES)
    }

    /// Records that a pass over log number `log` copied `carried` of its pages.
    fn passed(&mut self, log: u64, carried: u32) {
        if log == self.log {
            self.carried = carried;
            let grow = if self.pages >= RESTART_PAGES { LAST_PASS_PAGES } else { PASS_PAGES };
            self.pass_at = self.pages.saturating_add(grow);
        }
    }
}

impl Checkpoints {
    /// Starts following `writer`, copying pages on `connection` into `file`.
    pub(super) fn start(
        writer: &mut Connection,
        (connection, file): (Connection, File),
        health: Health,
    ) -> std::io::Result<Self> {
        let log = Arc::new(Log::default());
        let (of_hook, of_thread) = (Arc::clone(&log), (Arc::clone(&log), health.clone()));
        let hook = move |_: &mut rusqlite::hooks::Wal, pages| {
            of_hook.committed(u32::try_from(pages).unwrap_or(0));
            Ok(())
        };
        writer
            .wal_hook(Some(hook))
            .and_then(|()| writer.busy_timeout(PATIENCE))
            .map_err(std::io::Error::other)?;
        let thread = std::thread::Builder::new()
            .name("seoham-checkpoint".to_owned())
            .spawn(move || of_thread.0.carry_over(&connection, &file, &of_thread.1))?;
        Ok(Self { log, health, thread: Some(thread) })
    }

    /// Restarts the log if it is time, on the writer's connection, between two transactions.
    pub(super) fn restart_if_due(&self, writer: &Connection) {
        if !self.log.lock().is_restart_due() || self.health.failure().is_some() {
            return;
        }
        let restarted = run(writer, "RESTART", &self.health);
        let mut state = self.log.lock();
        match restarted {
            Some(Pass { busy: false, .. }) => state.committed(0),
            // A reader still uses the old log: try again when the log has grown.
            _ => state.restart_at = state.pages.saturating_add(LAST_PASS_PAGES),
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.log.lock().closed = true;
        self.log.grown.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Log {
    fn committed(&self, pages: u32) {
        let mut state = self.lock();
        state.committed(pages);
        if state.is_pass_due() && !state.passing {
            self.grown.notify_one();
        }
    }

    fn carry_over(&self, connection: &Connection, file: &File, health: &Health) {
        loop {
            let mut state = self.lock();
            while !state.closed && !state.is_pass_due() {
                state = self.grown.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed || health.failure().is_some() {
                return;
            }
            state.passing = true;
            let log = state.log;
            drop(state);
            let pass = run(connection, "PASSIVE", health);
            // A pass that stops before the end of the log leaves its writes unsynced. The pass that reaches the end
            // would then have to sync them all, and that may be the writer's, with every caller waiting. A failed
            // sync is not reported a second time, so after one the log must not restart.
            if let Err(error) = file.sync_data() {
                health.fail("the sync after a checkpoint", &error);
            }
            let mut state = self.lock();
            state.passing = false;
            match pass {
                Some(pass) => state.passed(log, pass.carried),
                None => state.pass_at = state.pages.saturating_add(PASS_PAGES),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Pass {
    busy: bool,
    carried: u32,
}

fn run(connection: &Connection, mode: &'static str, health: &Health) -> Option<Pass> {
    let started = Instant::now();
    let pass = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok(Pass { busy: row.get(0)?, carried: u32::try_from(row.get::<_, i64>(2)?).unwrap_or(0) })
    });
    metrics::histogram!("seoham_checkpoint_seconds", "mode" => mode).record(started.elapsed().as_secs_f64());
    pass.inspect_err(|error| {
        if is_disk_failure(error) {
            health.fail("a checkpoint", error);
        } else {
            tracing::warn!(%error, "a checkpoint was not made; the log grows until one is");
        }
    })
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_carried_over_and_begun_anew() {
        let mut state = State::default();
        state.committed(PASS_PAGES - 1);
        assert!(!state.is_pass_due());
        state.committed(RESTART_PAGES);
        assert!(state.is_pass_due() && !state.is_restart_due(), "nothing is carried over yet");
        state.passed(0, RESTART_PAGES - LEFT_PAGES);
        assert!(state.is_restart_due() && !state.is_pass_due());
        state.passing = true;
        assert!(!state.is_restart_due(), "they would be in each other's way");
        state.passing = false;
        state.committed(RESTART_PAGES + LAST_PASS_PAGES);
        assert!(state.is_pass_due() && !state.is_restart_due(), "too much is left");
        state.committed(AT_MOST_PAGES);
        assert!(state.is_restart_due(), "it must not grow for ever");
        state.committed(1);
        assert!(
            !state.is_restart_due() && !state.is_pass_due() && state.carried == 0,
            "SQLite began it anew"
        );
        state.passed(0, AT_MOST_PAGES);
        assert_eq!(state.carried, 0, "a pass over the log before says nothing of this one");
    }

    #[test]
    fn a_log_that_is_written_over_and_over_stays_small() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("log.db");
        let mut writer = Connection::open(&file).expect("SQLite");
        writer
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = OFF;
                 CREATE TABLE t (n INTEGER PRIMARY KEY, bytes BLOB);",
            )
            .expect("a table");
        let beside = (Connection::open(&file).expect("SQLite"), File::open(&file).expect("it is there"));
        let checkpoints = Checkpoints::start(&mut writer, beside, Health::default()).expect("a thread");
        let pages = || checkpoints.log.lock().pages;
        let has_kept_up = || {
            let state = checkpoints.log.lock();
            state.pages < state.restart_at || (!state.passing && !state.is_pass_due())
        };
        let mut greatest = 0;
        for _ in 0..120 {
            // 3,000 pages each time.
            writer
                .execute_batch(
                    "WITH RECURSIVE n (value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 3000)
                     INSERT OR REPLACE INTO t SELECT value, randomblob(3000) FROM n",
                )
                .expect("written");
            greatest = greatest.max(pages());
            // The speed of the disk must not matter here, so wait until the passes keep up. Below, do not wait for
            // the writer: SQLite would restart the log by itself.
            let since = Instant::now();
            while !has_kept_up() {
                assert!(since.elapsed() < Duration::from_secs(60), "it is not carried over");
                std::thread::sleep(Duration::from_millis(1));
            }
            checkpoints.restart_if_due(&writer);
        }
        assert!(greatest >= RESTART_PAGES, "it was long enough to see: {greatest}");
        assert!(greatest < AT_MOST_PAGES + 4_000, "it began anew: {greatest}");
        drop(checkpoints);
        let rows: i64 = writer.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("counted");
        assert_eq!(rows, 3_000);
    }
}
