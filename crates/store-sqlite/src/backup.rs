//! Online backups of the store, and restoring a store from a backup.

use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use seoham_model::UnixSeconds;
use seoham_store::restore::{RestoredToken, WorkOrder, names, next_epoch};
use seoham_vault::Vault;

use crate::SqliteStore;
use crate::columns::moment;
use crate::events;
use crate::existing::marker::Marker;
use crate::existing::{contents, directory as on_disk};
use crate::open::{self, DATABASE};
use crate::open_error::OpenError;

/// Pages copied between two progress reports: 4 MiB.
const PAGES: i32 = 1_024;
/// How long to wait while another connection holds a lock on the database.
const PAUSE: Duration = Duration::from_millis(20);

/// Progress of a copy.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Pages copied so far.
    pub done: u64,
    /// Total number of pages.
    pub all: u64,
}

/// Copies a consistent snapshot of the store in `directory` into the new file `to`, even while other connections
/// write. Syncs and checks the copy before renaming it to `to`. Returns its size in bytes. Blocks.
pub fn backup(directory: &Path, to: &Path, mut on_progress: impl FnMut(Progress)) -> Result<u64, OpenError> {
    if to.exists() {
        return Err(OpenError::Exists(to.to_owned()));
    }
    on_disk::Found::in_directory(directory, false)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let from = Connection::open_with_flags(directory.join(DATABASE), flags)?;
    open::keep_log(&from)?;
    from.execute_batch("PRAGMA query_only = ON; PRAGMA mmap_size = 0; BEGIN")?;
    // Starts the read snapshot: from here on, a concurrent write does not restart the copy.
    contents::is_empty(&from)?;

    let partial = beside(to, "partial");
    let made = File::options().write(true).create(true).truncate(true).mode(0o600).open(&partial);
    drop(made.map_err(|source| OpenError::Io { path: partial.clone(), source })?);
    let mut copy = Connection::open(&partial)?;
    copy.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF")?;
    let copying = Backup::new(&from, &mut copy)?;
    loop {
        let step = copying.step(PAGES)?;
        let progress = copying.progress();
        let all = u64::try_from(progress.pagecount).unwrap_or(0);
        on_progress(Progress { done: all - u64::try_from(progress.remaining).unwrap_or(0).min(all), all });
        match step {
            StepResult::Done => break,
            StepResult::More => {}
            _ => std::thread::sleep(PAUSE),
        }
    }
    drop(copying);
    from.execute_batch("END")?;
    // Makes the copy a single file, without a log beside it.
    copy.execute_batch("PRAGMA journal_mode = DELETE")?;
    whole(&copy, &partial)?;
    drop(copy);
    publish(&partial, to)
}

/// The result of a restore.
#[derive(Debug)]
pub struct Restored {
    /// Access tokens, unchanged from the backup.
    pub tokens: Vec<RestoredToken>,
    /// All people are invented.
    pub sandbox: bool,
}

/// Makes a store in `directory` from the backup `from`. Its workers are held, and links, sessions and one-time tokens
/// issued before the restore no longer work. Blocks.
pub fn restore(
    from: &Path,
    directory: &Path,
    vault: &Vault,
    now: UnixSeconds,
) -> Result<Restored, OpenError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    };
    if SqliteStore::is_in(directory) {
        return Err(OpenError::Exists(directory.to_owned()));
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(io(directory))?;
    let _lock = on_disk::lock(directory)?;
    let (file, partial) = (directory.join(DATABASE), directory.join(format!("{DATABASE}.partial")));
    std::fs::copy(from, &partial).map_err(io(from))?;
    std::fs::set_permissions(&partial, std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .map_err(io(&partial))?;
    let mut copy = Connection::open(&partial)?;
    let checked = contents::validate(&copy, vault, None, directory)
        .map_err(|error| error.in_file(from))
        .and_then(|()| whole(&copy, from));
    if let Err(error) = checked {
        drop(copy);
        let _ = std::fs::remove_file(&partial);
        return Err(error);
    }
    let transaction = copy.transaction()?;
    let restored = reset_after_restore(&transaction, now)?;
    transaction.commit()?;
    drop(copy);
    publish(&partial, &file)?;
    Marker::new(now).write(directory)?;
    Ok(restored)
}

/// Resets what must differ in a restored store.
fn reset_after_restore(connection: &Connection, now: UnixSeconds) -> rusqlite::Result<Restored> {
    let generation = uuid::Uuid::now_v7().to_string();
    open::set_deployment_value(connection, names::GENERATION, &generation)?;
    open::set_deployment_value(connection, names::WORK_ORDER, &WorkOrder::Held.to_stored())?;
    open::set_deployment_value(connection, names::LINKS_VOID_BEFORE, &now.0)?;
    let epoch = events::epoch(connection)?;
    open::set_deployment_value(connection, names::FEED_EPOCH, &next_epoch(epoch, now).to_string())?;
    connection.execute_batch("DELETE FROM login_links; DELETE FROM new_pin_links; DELETE FROM sessions")?;
    let void = "UPDATE one_time_tokens SET expires_at = min(expires_at, ?1) WHERE used_at IS NULL";
    // One second before `now`, so that the tokens have already expired.
    connection.execute(void, [now.0 - 1])?;
    let sql =
        "SELECT i.name, t.label, t.revoked_at FROM access_tokens t JOIN institutions i USING (institution_id)
               ORDER BY i.name, t.token_id";
    let mut statement = connection.prepare(sql)?;
    let tokens = statement.query_map([], |row| {
        Ok(RestoredToken { institution: row.get(0)?, label: row.get(1)?, revoked_at: moment(row, 2)? })
    })?;
    let tokens = tokens.collect::<Result<_, _>>()?;
    let mode: Option<String> = open::deployment_value(connection, "mode")?;
    Ok(Restored { tokens, sandbox: mode.as_deref() == Some("sandbox") })
}

/// Reads all pages of a database and rejects a damaged one.
fn whole(connection: &Connection, file: &Path) -> Result<(), OpenError> {
    let found: String = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|error| OpenError::from(error).in_file(file))?;
    if found == "ok" { Ok(()) } else { Err(OpenError::damaged(file, None, &found)) }
}

/// Renames a complete file to its final name, durably. Returns its size.
fn publish(partial: &Path, to: &Path) -> Result<u64, OpenError> {
    let io = |source| OpenError::Io { path: to.to_owned(), source };
    let file = File::open(partial).map_err(io)?;
    file.sync_all().map_err(io)?;
    std::fs::rename(partial, to).map_err(io)?;
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(io)?;
    Ok(file.metadata().map_err(io)?.len())
}

fn beside(file: &Path, extension: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}
