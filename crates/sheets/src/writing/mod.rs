//! Writes files atomically, readable only by their owner.

mod csv_table;
mod xlsx_table;

use std::fs::{File, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::{Cell, Format, SheetError, TextEncoding};
use csv_table::CsvTable;
use xlsx_table::XlsxTable;

/// Receives the rows of a new file, in order of their numbers.
pub(crate) trait Table {
    /// Writes a row at its number, counted from 1. Skipped rows stay empty.
    fn write(&mut self, row: u64, cells: &[Cell]) -> Result<(), SheetError>;

    /// Marks the last written row as the header.
    fn is_header(&mut self) {}

    /// Adds a row to a separate table; its first row is the header. Formats without room for a second table
    /// ignore it.
    fn list(&mut self, _table: &str, _row: &[Cell]) -> Result<(), SheetError> {
        Ok(())
    }

    /// Completes the file.
    fn finish(self: Box<Self>) -> Result<(), SheetError>;
}

/// Writes a file under a temporary name, and renames it once it is complete.
pub(crate) fn in_place(
    out: &Path,
    write: impl FnOnce(&Path) -> Result<(), SheetError>,
) -> Result<(), SheetError> {
    let partial = PathBuf::from(format!("{}.partial", out.display()));
    let _ = std::fs::remove_file(&partial);
    write(&partial).inspect_err(|_| {
        let _ = std::fs::remove_file(&partial);
    })?;
    let io = |e: std::io::Error| SheetError::io(&e);
    std::fs::set_permissions(&partial, Permissions::from_mode(0o600)).map_err(io)?;
    File::open(&partial).and_then(|file| file.sync_all()).map_err(io)?;
    std::fs::rename(&partial, out).map_err(io)
}

/// Writes a table: a workbook if `out` is named `.xlsx`, otherwise a CSV that every spreadsheet program opens
/// correctly, in UTF-8 with a byte order mark.
///
/// # Errors
/// [`SheetError`] if the file cannot be written, or the table is too large for a workbook.
pub fn write_table(
    out: &Path,
    header: &[&str],
    rows: impl Iterator<Item = Vec<Cell>>,
) -> Result<(), SheetError> {
    in_place(out, |partial| {
        let mut table = open_table(&form_of_name(out), partial)?;
        table.write(1, &header.iter().map(|name| Cell::text(*name)).collect::<Vec<_>>())?;
        table.is_header();
        for (number, row) in (2..).zip(rows) {
            table.write(number, &row)?;
        }
        table.finish()
    })
}

/// The format of a new table, from its file name.
pub(crate) fn form_of_name(out: &Path) -> Format {
    let is_workbook = out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("xlsx"));
    if is_workbook {
        Format::Xlsx { sheet: "Sheet1".to_owned(), others: 0 }
    } else {
        Format::Csv { encoding: TextEncoding::Utf8Marked, delimiter: b',' }
    }
}

pub(crate) fn create(path: &Path) -> Result<BufWriter<File>, SheetError> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    file.map(BufWriter::new).map_err(|e| SheetError::io(&e))
}

pub(crate) fn open_table(format: &Format, path: &Path) -> Result<Box<dyn Table>, SheetError> {
    Ok(match format {
        Format::Csv { encoding, delimiter } => {
            let mut file = create(path)?;
            file.write_all(encoding.mark()).map_err(|e| SheetError::io(&e))?;
            Box::new(CsvTable::new(file, *encoding, *delimiter))
        }
        Format::Xlsx { sheet, .. } => Box::new(XlsxTable::new(sheet, path)?),
        Format::JsonLines => return Err(SheetError::new("표가 아닙니다", "not a table")),
    })
}
