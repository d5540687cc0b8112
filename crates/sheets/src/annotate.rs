//! Rewrites a table with additional columns beside each row: the result of a send, or times.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::{Map, Value};

use crate::row::{Content, Record};
use crate::writing::{create, in_place, open_table};
use crate::{Cell, Format, ResultColumn, Sheet, SheetError, TextEncoding};

/// The values beside a row.
#[derive(Default)]
pub struct Filled {
    /// A value for each column; `None` leaves the row unchanged.
    pub values: Option<Vec<Cell>>,
    /// Rows for the separate table, if the row needs attention.
    pub listed: Vec<Vec<Cell>>,
}

/// Provides the values beside each row.
pub trait Beside {
    /// The values beside a row of data. Called once per row, in order.
    ///
    /// # Errors
    /// [`SheetError`] if the values are unknown; then no file is written.
    fn fill(&mut self, record: &Record) -> Result<Filled, SheetError>;

    /// Called after the last row.
    ///
    /// # Errors
    /// [`SheetError`] if the rows were not the expected ones; then no file is written.
    fn end(&mut self) -> Result<(), SheetError> {
        Ok(())
    }
}

impl<F: FnMut(&Record) -> Result<Option<Vec<Cell>>, SheetError>> Beside for F {
    fn fill(&mut self, record: &Record) -> Result<Filled, SheetError> {
        Ok(Filled { values: self(record)?, listed: Vec::new() })
    }
}

/// The additional columns.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    /// Their names. An existing column of the same name is overwritten.
    pub names: &'a [&'a str],
    /// The name and columns of a separate table for rows that need attention. Only a workbook supports it.
    pub list: Option<(&'a str, &'a [&'a str])>,
}

/// Writes `sheet` to `out` in its own format, with `columns` beside each row of data. Every row keeps its
/// number, and rejected values stay in a form that is rejected when read again. `out` is written atomically
/// and readable only by its owner, because it contains all personal data of the table.
///
/// # Errors
/// [`SheetError`] if the table cannot be read, the file cannot be written, or `beside` fails.
pub fn annotate(
    sheet: &Sheet,
    out: &Path,
    columns: Columns<'_>,
    beside: &mut dyn Beside,
) -> Result<(), SheetError> {
    in_place(out, |partial| {
        if *sheet.format() == Format::JsonLines {
            write_lines(sheet, partial, columns.names, beside)
        } else {
            write_table(sheet, out, partial, columns, beside)
        }
    })
}

/// The error that occurred while rows were read.
#[derive(Default)]
pub(crate) struct Failed(pub(crate) Option<SheetError>);

impl Failed {
    /// Stores an error, and stops the reading.
    pub(crate) fn keep(&mut self, done: Result<(), SheetError>) -> ControlFlow<()> {
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.0 = Some(error);
                ControlFlow::Break(())
            }
        }
    }
}

fn write_lines(
    sheet: &Sheet,
    partial: &Path,
    columns: &[&str],
    beside: &mut dyn Beside,
) -> Result<(), SheetError> {
    let mut lines = create(partial)?;
    let mut failed = Failed::default();
    sheet.read(&mut |record| {
        failed.keep(beside.fill(&record).and_then(|filled| {
            let line = annotated_line(&record, columns, filled.values.as_deref());
            writeln!(lines, "{line}").map_err(|e| SheetError::io(&e))
        }))
    })?;
    failed.0.map_or(Ok(()), Err)?;
    beside.end()?;
    lines.flush().map_err(|e| SheetError::io(&e))
}

fn write_table(
    sheet: &Sheet,
    out: &Path,
    partial: &Path,
    columns: Columns<'_>,
    beside: &mut dyn Beside,
) -> Result<(), SheetError> {
    let mut table = open_table(&written_form(sheet.format(), out), partial)?;
    let places = Places::of(sheet, columns.names);
    let mut failed = Failed::default();
    let mut lists = false;
    sheet.read_all(&mut |record| {
        let row = record.row;
        if row <= sheet.header_row() {
            let Content::Cells(cells) = record.content else { return ControlFlow::Continue(()) };
            if row < sheet.header_row() {
                return failed.keep(table.write(row, &cells));
            }
            let names = columns.names.iter().map(|name| Cell::text(*name)).collect();
            let written = table.write(row, &places.put(cells, Some(names)));
            table.is_header();
            return failed.keep(written);
        }
        let Some(record) = sheet.row_of_data(record) else { return ControlFlow::Continue(()) };
        let filled = match beside.fill(&record) {
            Ok(filled) => filled,
            Err(error) => return failed.keep(Err(error)),
        };
        let Content::Cells(own) = record.content else { return ControlFlow::Continue(()) };
        let write = || {
            table.write(row, &places.put(own, filled.values))?;
            let Some((name, header)) = columns.list else { return Ok(()) };
            for listed in filled.listed {
                if !std::mem::replace(&mut lists, true) {
                    let header: Vec<Cell> = header.iter().map(|name| Cell::text(*name)).collect();
                    table.list(name, &header)?;
                }
                table.list(name, &listed)?;
            }
            Ok(())
        };
        failed.keep(write())
    })?;
    failed.0.map_or(Ok(()), Err)?;
    beside.end()?;
    table.finish()
}

/// The format of a result. A CSV must open correctly in spreadsheet programs, which need a byte order mark to
/// detect UTF-8, and a comma to detect the columns.
fn written_form(format: &Format, out: &Path) -> Format {
    let is_csv = out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
    match format {
        Format::Csv { encoding, .. } if is_csv => {
            let encoding = if *encoding == TextEncoding::Utf8 { TextEncoding::Utf8Marked } else { *encoding };
            Format::Csv { encoding, delimiter: b',' }
        }
        other => other.clone(),
    }
}

/// The positions of the columns.
struct Places {
    places: Vec<usize>,
    /// The number of the table's own columns. Extra values of a row are moved behind the new columns.
    own: usize,
    added: usize,
}

impl Places {
    fn of(sheet: &Sheet, columns: &[&str]) -> Self {
        let header = sheet.header();
        // Behind any unnamed values too.
        let own = sheet.width().max(header.len());
        let mut added = 0;
        let place = |name: &&str| {
            // A result column is the same in either language.
            let column = ResultColumn::of(name);
            let same =
                |known: &String| known == name || (column.is_some() && ResultColumn::of(known) == column);
            header.iter().position(same).unwrap_or_else(|| {
                added += 1;
                own + added - 1
            })
        };
        let places = columns.iter().map(place).collect();
        Self { places, own, added }
    }

    /// A row with `values` inserted; overwrites only earlier values of these columns.
    fn put(&self, mut cells: Vec<Cell>, values: Option<Vec<Cell>>) -> Vec<Cell> {
        if self.added > 0 {
            // In text, a row that is too short may have lost something: only complete rows are padded.
            let is_whole = cells.len() >= self.own || values.is_some();
            let beyond = cells.split_off(self.own.min(cells.len()));
            if is_whole {
                cells.resize(self.own + self.added, Cell::Empty);
            }
            if beyond.iter().any(|cell| *cell != Cell::Empty) {
                cells.extend(beyond);
            }
        }
        for (place, value) in self.places.iter().zip(values.into_iter().flatten()) {
            if cells.len() <= *place {
                cells.resize(*place + 1, Cell::Empty);
            }
            cells[*place] = value;
        }
        cells
    }
}

fn annotated_line(record: &Record, columns: &[&str], values: Option<&[Cell]>) -> Value {
    let line = match &record.content {
        Content::Json(line) => serde_json::from_str::<Map<String, Value>>(line).ok(),
        Content::Cells(_) => None,
    };
    // A line without a valid document is identified by its number.
    let mut line = line.unwrap_or_else(|| Map::from_iter([("line".to_owned(), record.row.into())]));
    for (name, value) in columns.iter().zip(values.unwrap_or_default()) {
        if value.is_empty() {
            line.remove(*name);
        } else {
            line.insert((*name).to_owned(), value.shown().into());
        }
    }
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_beyond_the_header_stands_behind_the_new_columns() {
        let places = Places { places: vec![2, 3], own: 2, added: 2 };
        let cells = |texts: &[&str]| texts.iter().map(|text| Cell::text(*text)).collect::<Vec<_>>();
        let values = || Some(cells(&["접수", "BIN-1"]));
        for (row, expected) in [
            (&["a", "b"][..], &["a", "b", "접수", "BIN-1"][..]),
            (&["a"], &["a", "", "접수", "BIN-1"]),
            (&["a", "b", "", "d"], &["a", "b", "접수", "BIN-1", "", "d"]),
            (&["a", "b", ""], &["a", "b", "접수", "BIN-1"]),
        ] {
            assert_eq!(places.put(cells(row), values()), cells(expected), "{row:?}");
        }
        assert_eq!(places.put(cells(&["a", "b"]), None), cells(&["a", "b", "", ""]), "as many as the others");
        assert_eq!(places.put(cells(&["a"]), None), cells(&["a"]), "too few before, and so after");
    }
}
