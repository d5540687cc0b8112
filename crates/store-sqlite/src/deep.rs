//! The deep check of a data directory, which may run while a process uses it.

use std::path::Path;

use rusqlite::Connection;
use seoham_store::deep_check::{DeepCheck, Findings};
use seoham_store::transfer::TABLES;
use seoham_vault::Vault;

use crate::existing::{contents, directory as on_disk};
use crate::open::{self, DATABASE};
use crate::open_error::OpenError;
use crate::transfer;

/// Reads everything in `directory` as it is now: every page, every row, and the log unless a process is using it.
/// Changes nothing. Blocks.
pub fn deep_check(directory: &Path, vault: &Vault) -> Result<Findings, OpenError> {
    on_disk::Found::in_directory(directory, false)?;
    // Take the lock so that no process starts using the log while it is read.
    match on_disk::lock(directory) {
        Ok(_lock) => on_disk::check_log(directory)?,
        Err(OpenError::InUse(_)) => {}
        Err(error) => return Err(error),
    }
    let file = directory.join(DATABASE);
    let connection = Connection::open(&file)?;
    open::keep_log(&connection)?;
    connection.execute_batch("PRAGMA query_only = ON; BEGIN")?;
    contents::validate(&connection, vault, None, directory).map_err(|error| error.in_file(&file))?;
    if !contents::is_up_to_date(&connection)? {
        return Err(OpenError::Behind(directory.to_owned()));
    }
    let mut pages = Vec::new();
    let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next().map_err(|error| OpenError::from(error).in_file(&file))? {
        let found: String = row.get(0)?;
        if found != "ok" {
            pages.push(format!("{}: {found}", file.display()));
        }
    }
    drop(rows);
    let mut check = DeepCheck::new(vault);
    for table in &TABLES {
        transfer::read_rows(&connection, table, |row| {
            check.row(table, &row);
            true
        })?;
    }
    let mut findings = check.findings();
    for finding in pages {
        findings.add(finding);
    }
    Ok(findings)
}
