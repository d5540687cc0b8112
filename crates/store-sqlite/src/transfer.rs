//! A stopped data directory, read row by row for a move.

use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use seoham_model::{ParcelId, UnixSeconds};
use seoham_store::Mode;
use seoham_store::transfer::{Kind, Table, Value};
use seoham_vault::{KeyId, Vault};

use crate::box_index::FLUSHED_TO;
use crate::columns::Id;
use crate::existing::marker::Marker;
use crate::existing::{contents, directory as on_disk};
use crate::open;
use crate::open_error::OpenError;

/// A data directory, locked against other processes.
pub struct Source {
    connection: Connection,
    /// Real people or a sandbox.
    pub mode: Mode,
    /// How far its clock is advanced, in seconds.
    pub advanced_seconds: i64,
    /// The epoch of its feeds.
    pub feed_epoch: u64,
    /// The master keys that values in it may be sealed under.
    pub sealing_keys: Vec<KeyId>,
    directory: PathBuf,
    marker: Marker,
    _lock: on_disk::DirectoryLock,
}

impl Source {
    /// Opens and validates the data in `directory` as at startup. Migrates the schema and changes nothing else.
    pub fn open(directory: &Path, vault: &Vault) -> Result<Self, OpenError> {
        let lock = on_disk::lock(directory)?;
        let found = on_disk::Found::in_directory(directory, false)?;
        on_disk::verify_log(directory, false)?;
        let file = directory.join(open::DATABASE);
        let mut connection = Connection::open(&file)?;
        open::keep_log(&connection)?;
        contents::validate(&connection, vault, None, directory).map_err(|error| error.in_file(&file))?;
        crate::migrations::runner().run(&mut connection).map_err(|e| OpenError::Schema(Box::new(e)))?;
        let mode = match open::deployment_value::<String>(&connection, "mode")?.as_deref() {
            Some("sandbox") => Mode::Sandbox,
            _ => Mode::Live,
        };
        let advanced_seconds = open::deployment_value(&connection, "clock_advanced_seconds")?.unwrap_or(0);
        let sealing_keys = open::sealing_keys(&connection)?;
        let marker = match found {
            on_disk::Found::Marked(marker) => marker,
            on_disk::Found::Unmarked => Marker::new(UnixSeconds(0)),
        };
        Ok(Self {
            feed_epoch: crate::events::epoch(&connection)?,
            connection,
            mode,
            advanced_seconds,
            sealing_keys,
            directory: directory.to_owned(),
            marker,
            _lock: lock,
        })
    }

    /// Records that the data moved to `to`, so that no process serves it from here again. `to` must not contain a
    /// password.
    pub fn leave_note(&self, to: &str, now: UnixSeconds) -> Result<(), OpenError> {
        self.marker.moved(to, now).write(&self.directory)
    }

    /// The number of rows in a table.
    pub fn count(&self, table: &Table) -> Result<u64, OpenError> {
        let sql = format!("SELECT count(*) FROM {}", from(table.name));
        Ok(self.connection.query_row(&sql, [], |row| row.get(0))?)
    }

    /// The number of documents.
    pub fn documents(&self) -> Result<u64, OpenError> {
        let sql = "SELECT coalesce(sum(length(persons)), 0) / 16 FROM parcels";
        Ok(self.connection.query_row(sql, [], |row| row.get(0))?)
    }

    /// The earliest and the latest time in the ids of parcels.
    pub fn span(&self) -> Result<Option<(UnixSeconds, UnixSeconds)>, OpenError> {
        let sql = "SELECT min(parcel_id), max(parcel_id) FROM parcels";
        let (first, last): (Option<Id<ParcelId>>, Option<Id<ParcelId>>) =
            self.connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let seconds =
            |Id(id): Id<ParcelId>| UnixSeconds(i64::try_from(id.unix_millis() / 1000).unwrap_or(i64::MAX));
        Ok(first.map(seconds).zip(last.map(seconds)))
    }

    /// Passes every row of a table to `take`, until it returns `false`. Blocks.
    pub fn read(&self, table: &Table, take: impl FnMut(Vec<Value>) -> bool) -> Result<(), OpenError> {
        read_rows(&self.connection, table, take)
    }
}

/// Passes every row of a table to `take`, until it returns `false`.
pub(crate) fn read_rows(
    connection: &Connection,
    table: &Table,
    mut take: impl FnMut(Vec<Value>) -> bool,
) -> Result<(), OpenError> {
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| column(table.name, name)).collect();
    let sql = format!("SELECT {} FROM {}", columns.join(", "), from(table.name));
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if !take(values(row, table.columns)?) {
            break;
        }
    }
    Ok(())
}

/// The FROM clause for a table.
fn from(table: &str) -> String {
    match table {
        // What waits is kept in memory; the database only knows from where on.
        "box_pending" => {
            format!(
                "parcels AS t WHERE parcel_no > (SELECT value FROM deployment WHERE name = '{FLUSHED_TO}')"
            )
        }
        // Blocks of runs that are not listed are being written, or removed.
        "box_blocks" => "box_blocks AS t WHERE run_id IN (SELECT run_id FROM box_runs)".to_owned(),
        other => format!("{other} AS t"),
    }
}

fn column(table: &str, name: &'static str) -> &'static str {
    match (table, name) {
        // A parcel is never split here, and a single process counts in one row: any number tells their rows apart.
        ("deliveries", "first_position") | ("daily_counts" | "statistics", "slot") => "0",
        (_, name) => name,
    }
}

fn values(row: &Row<'_>, columns: &[(&str, Kind)]) -> rusqlite::Result<Vec<Value>> {
    (0..columns.len())
        .map(|i| {
            Ok(match row.get_ref(i)? {
                ValueRef::Null | ValueRef::Real(_) => Value::Null,
                ValueRef::Integer(number) => Value::Number(number),
                ValueRef::Text(_) => Value::Text(row.get(i)?),
                ValueRef::Blob(bytes) => Value::Bytes(bytes.to_owned()),
            })
        })
        .collect()
}
