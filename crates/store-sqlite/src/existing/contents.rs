//! Checks of a database's schema, key and mode, before anything in it is changed.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};
use seoham_store::Mode;
use seoham_vault::Vault;

use crate::columns::is_disk_failure;
use crate::{OpenError, migrations, open};

/// Time limit of the page check at startup. `seoham check --deep` checks all pages.
const PAGES_TIME: Duration = Duration::from_secs(1);
/// SQLite VM steps between two checks of the time.
const STEPS: i32 = 10_000;

/// Whether the database has no schema at all.
pub(crate) fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

/// Rejects a database that this program must not touch: a foreign one, a newer schema, another key or mode. Changes
/// nothing. `mode` is `None` if either is acceptable.
pub(crate) fn validate(
    connection: &Connection,
    vault: &Vault,
    mode: Option<Mode>,
    directory: &Path,
) -> Result<(), OpenError> {
    let foreign = || OpenError::Foreign(directory.to_owned());
    let has = |name: &str| {
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1)";
        connection.query_row(sql, [name], |row| row.get::<_, bool>(0))
    };
    if !has("refinery_schema_history")? || !has("deployment")? {
        return Err(foreign());
    }
    if has("documents")? && has("contents")? {
        return Err(OpenError::Older(directory.to_owned()));
    }
    let known = migrations::runner();
    let known = known.get_migrations();
    let newest = known.iter().map(|step| i64::from(step.version())).max().unwrap_or(0);
    let mut applied =
        connection.prepare("SELECT version, checksum FROM refinery_schema_history ORDER BY version")?;
    let mut rows = applied.query([])?;
    while let Some(row) = rows.next()? {
        let (version, checksum): (i64, String) = (row.get(0)?, row.get(1)?);
        if version > newest {
            return Err(OpenError::Newer { path: directory.to_owned(), version, known: newest });
        }
        if !known
            .iter()
            .any(|step| i64::from(step.version()) == version && step.checksum().to_string() == checksum)
        {
            return Err(foreign());
        }
    }
    if !open::has_keys(connection, vault)? {
        return Err(OpenError::OtherKey(directory.to_owned()));
    }
    let stored: Option<String> = open::deployment_value(connection, "mode")?;
    let sandbox = stored.as_deref().map(|stored| stored == "sandbox");
    match (sandbox, mode) {
        (Some(sandbox), Some(mode)) if sandbox != (mode == Mode::Sandbox) => {
            Err(OpenError::OtherMode { path: directory.to_owned(), sandbox })
        }
        _ => Ok(()),
    }
}

/// Whether all migrations that this program knows are applied.
pub(crate) fn is_up_to_date(connection: &Connection) -> rusqlite::Result<bool> {
    let applied: i64 =
        connection.query_row("SELECT count(*) FROM refinery_schema_history", [], |row| row.get(0))?;
    Ok(usize::try_from(applied).is_ok_and(|applied| applied == migrations::runner().get_migrations().len()))
}

/// Checks the database's pages for a limited time, and rejects the first damaged one.
pub(crate) fn check_pages(connection: &mut Connection, file: &Path) -> Result<(), OpenError> {
    let until = Instant::now() + PAGES_TIME;
    connection.progress_handler(STEPS, Some(move || Instant::now() > until))?;
    let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)).optional();
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match found {
        Ok(Some(found)) if found != "ok" => Err(OpenError::damaged(file, None, &found)),
        Err(error) if is_disk_failure(&error) => Err(OpenError::damaged(file, None, &error.to_string())),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
            tracing::debug!("not all pages were looked at");
            Ok(())
        }
        Err(error) => Err(error.into()),
        Ok(_) => Ok(()),
    }
}
