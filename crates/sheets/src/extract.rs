//! Extracts some of a table's rows into a separate table.

use std::path::Path;

use crate::annotate::Failed;
use crate::row::{Content, Record};
use crate::writing::{form_of_name, in_place, open_table};
use crate::{Cell, Format, Sheet, SheetError};

/// Writes the rows of `sheet` for which `pick` returns a cell to `out`: a workbook if it is named `.xlsx`,
/// otherwise a CSV. They have the table's own columns, followed by that cell under `column`. Returns their
/// number.
///
/// # Errors
/// [`SheetError`] if the table cannot be read, if it is JSON Lines, or if the file cannot be written.
pub fn extract(
    sheet: &Sheet,
    out: &Path,
    column: &str,
    pick: &mut dyn FnMut(&Record) -> Option<Cell>,
) -> Result<u64, SheetError> {
    if *sheet.format() == Format::JsonLines {
        return Err(SheetError::new(
            "JSON Lines에는 열이 없어 표로 만들 수 없습니다",
            "lines of JSON have no columns to make a table of",
        ));
    }
    let width = sheet.width().max(sheet.header().len());
    let mut number = 1;
    in_place(out, |partial| {
        let mut table = open_table(&form_of_name(out), partial)?;
        let header = sheet.header().iter().map(|name| Cell::text(name.as_str())).collect();
        table.write(1, &with_last(header, width, Cell::text(column)))?;
        table.is_header();
        let mut failed = Failed::default();
        sheet.read(&mut |record| {
            let Some(last) = pick(&record) else { return std::ops::ControlFlow::Continue(()) };
            let Content::Cells(cells) = record.content else { return std::ops::ControlFlow::Continue(()) };
            number += 1;
            failed.keep(table.write(number, &with_last(cells, width, last)))
        })?;
        failed.0.map_or(Ok(()), Err)?;
        table.finish()
    })?;
    Ok(number - 1)
}

/// A row of `width` columns and a last one.
fn with_last(mut cells: Vec<Cell>, width: usize, last: Cell) -> Vec<Cell> {
    cells.resize(width, Cell::Empty);
    cells.push(last);
    cells
}
