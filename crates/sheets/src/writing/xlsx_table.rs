//! Writes a workbook in which each cell is displayed as in its source.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::civil::{DateTime, Time};
use rust_xlsxwriter::{ExcelDateTime, Format as CellFormat, Workbook, Worksheet, XlsxError};

use super::{Table, create};
use crate::cell::NumberForm;
use crate::{Cell, SheetError};

/// Limits of column widths, in characters: a column is as wide as its longest value, within these limits.
const WIDTH_MIN: usize = 8;
const WIDTH_MAX: usize = 50;
/// The rows of an Excel sheet; a longer list is truncated.
const ROWS_OF_EXCEL: u32 = 1_048_576;
/// The maximum length of a sheet name, in UTF-16 code units.
const NAME_UNITS_MAX: usize = 31;

pub(super) struct XlsxTable {
    workbook: Workbook,
    main: Sheet,
    /// The separate table, if any, and its next row.
    listed: Option<(Sheet, u32)>,
    formats: Formats,
    path: PathBuf,
}

/// A sheet being written. Its rows go to a file as they arrive, so that memory use stays constant.
struct Sheet {
    sheet: Worksheet,
    name: String,
    last: u32,
    widths: Vec<usize>,
}

/// Number formats, each created once.
struct Formats {
    date: CellFormat,
    moment: CellFormat,
    of_cells: HashMap<String, CellFormat>,
}

impl XlsxTable {
    pub(super) fn new(name: &str, path: &Path) -> Result<Self, SheetError> {
        let mut workbook = Workbook::new();
        let main = Sheet::new(&mut workbook, name)?;
        let formats = Formats {
            date: CellFormat::new().set_num_format("yyyy-mm-dd"),
            moment: CellFormat::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            of_cells: HashMap::new(),
        };
        Ok(Self { workbook, main, listed: None, formats, path: path.to_owned() })
    }
}

impl Table for XlsxTable {
    fn write(&mut self, row: u64, cells: &[Cell]) -> Result<(), SheetError> {
        let row = u32::try_from(row.saturating_sub(1)).unwrap_or(u32::MAX);
        self.main.write(row, cells, &mut self.formats)
    }

    fn is_header(&mut self) {
        self.main.freeze_header();
    }

    fn list(&mut self, table: &str, cells: &[Cell]) -> Result<(), SheetError> {
        let (sheet, next) = match &mut self.listed {
            Some(listed) => listed,
            none => {
                // A workbook cannot have two sheets of the same name.
                let is_taken = self.main.name.eq_ignore_ascii_case(table);
                let name = if is_taken { format!("{table} (2)") } else { table.to_owned() };
                none.insert((Sheet::new(&mut self.workbook, &name)?, 0))
            }
        };
        if *next >= ROWS_OF_EXCEL {
            return Ok(());
        }
        sheet.write(*next, cells, &mut self.formats)?;
        if *next == 0 {
            sheet.freeze_header();
        }
        *next += 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), SheetError> {
        let listed = self.listed.take().map(|(sheet, _)| sheet);
        for mut sheet in std::iter::once(self.main).chain(listed) {
            sheet.set_widths()?;
            self.workbook.push_worksheet(sheet.sheet);
        }
        // Created before it is filled, so that no other user can read it meanwhile.
        drop(create(&self.path)?);
        self.workbook.save(&self.path).map_err(|e| unwritten(&e))
    }
}

impl Sheet {
    fn new(workbook: &mut Workbook, name: &str) -> Result<Self, SheetError> {
        let mut sheet = workbook.new_worksheet_with_constant_memory().map_err(|e| unwritten(&e))?;
        let name = allowed_name(name);
        sheet.set_name(&name).map_err(|e| unwritten(&e))?;
        Ok(Self { sheet, name, last: 0, widths: Vec::new() })
    }

    fn write(&mut self, row: u32, cells: &[Cell], formats: &mut Formats) -> Result<(), SheetError> {
        self.last = row;
        for (column, cell) in cells.iter().enumerate() {
            if *cell == Cell::Empty {
                continue;
            }
            let shown = cell.rewritten();
            if self.widths.len() <= column {
                self.widths.resize(column + 1, 0);
            }
            self.widths[column] = self.widths[column].max(width_of(&shown));
            let column = u16::try_from(column).unwrap_or(u16::MAX);
            self.write_cell((row, column), cell, &shown, formats).map_err(|e| unwritten(&e))?;
        }
        Ok(())
    }

    fn write_cell(
        &mut self,
        (row, column): (u32, u16),
        cell: &Cell,
        shown: &str,
        formats: &mut Formats,
    ) -> Result<(), XlsxError> {
        let sheet = &mut self.sheet;
        match cell {
            Cell::Empty => {}
            Cell::Number(number) => {
                sheet.write_number(row, column, *number)?;
            }
            Cell::Flag(flag) => {
                sheet.write_boolean(row, column, *flag)?;
            }
            Cell::Formatted(formatted) => {
                let moment = formatted.moment.and_then(excel_moment);
                match (formatted.form.as_ref().map(|form| formats.of(form)), moment) {
                    (Some(format), Some(moment)) => {
                        sheet.write_datetime_with_format(row, column, &moment, format)?;
                    }
                    (Some(format), None) => {
                        sheet.write_number_with_format(row, column, formatted.number, format)?;
                    }
                    (None, _) => {
                        sheet.write_string(row, column, shown)?;
                    }
                }
            }
            Cell::Moment(moment) => {
                let format = if moment.time() == Time::midnight() { &formats.date } else { &formats.moment };
                match excel_moment(*moment) {
                    Some(moment) => sheet.write_datetime_with_format(row, column, &moment, format)?,
                    None => sheet.write_string(row, column, shown)?,
                };
            }
            Cell::Text(_) | Cell::Failed(_) | Cell::Stale => {
                sheet.write_string(row, column, shown)?;
            }
        }
        Ok(())
    }

    /// Keeps the last written row visible while scrolling.
    fn freeze_header(&mut self) {
        // Only fails beyond the last row of a sheet, which is not written either.
        let _ = self.sheet.set_freeze_panes(self.last + 1, 0);
    }

    fn set_widths(&mut self) -> Result<(), SheetError> {
        for (column, width) in (0..).zip(&self.widths) {
            let width = u32::try_from((*width + 2).clamp(WIDTH_MIN, WIDTH_MAX)).unwrap_or(0);
            self.sheet.set_column_width(column, f64::from(width)).map_err(|e| unwritten(&e))?;
        }
        Ok(())
    }
}

impl Formats {
    fn of(&mut self, form: &NumberForm) -> &CellFormat {
        let (key, format) = match form {
            NumberForm::BuiltIn(id) => (format!("#{id}"), CellFormat::new().set_num_format_index(*id)),
            NumberForm::Code(code) => (code.to_string(), CellFormat::new().set_num_format(&**code)),
        };
        self.of_cells.entry(key).or_insert(format)
    }
}

/// A sheet name that Excel allows; other programs permit longer names and other characters.
fn allowed_name(name: &str) -> String {
    let allowed_char = |c: char| if "[]:*?/\\".contains(c) || c.is_control() { '_' } else { c };
    let mut allowed: String = name.trim_matches('\'').chars().map(allowed_char).collect();
    while allowed.encode_utf16().count() > NAME_UNITS_MAX {
        allowed.pop();
    }
    let allowed = allowed.trim_end_matches('\'').to_owned();
    if allowed.is_empty() { "Sheet1".to_owned() } else { allowed }
}

/// The width of a text, in Latin characters: others count as two.
fn width_of(text: &str) -> usize {
    let widest = |line: &str| line.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
    text.lines().map(widest).max().unwrap_or(0)
}

fn excel_moment(moment: DateTime) -> Option<ExcelDateTime> {
    let (year, month, day) = (u16::try_from(moment.year()).ok()?, moment.month(), moment.day());
    let date = ExcelDateTime::from_ymd(year, month.unsigned_abs(), day.unsigned_abs()).ok()?;
    let (hour, minute, second) = (moment.hour(), moment.minute(), moment.second());
    date.and_hms(u16::from(hour.unsigned_abs()), minute.unsigned_abs(), f64::from(second)).ok()
}

fn unwritten(error: &XlsxError) -> SheetError {
    match error {
        XlsxError::IoError(source) => SheetError::io(source),
        XlsxError::RowColumnLimitError => SheetError::new(
            "Excel의 행 또는 열 한도를 넘습니다",
            "there are more rows or columns than Excel has",
        ),
        XlsxError::MaxStringLengthExceeded => {
            SheetError::new("Excel의 셀 글자 수 한도를 넘습니다", "a cell has more text than Excel takes")
        }
        _ => SheetError::new("Excel 파일을 쓸 수 없습니다", "the Excel file cannot be written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_s_name_is_one_that_excel_allows() {
        for (name, allowed) in [
            ("자료", "자료"),
            ("'1월/2월'", "1월_2월"),
            ("a[b]:c*?\\", "a_b__c___"),
            ("", "Sheet1"),
            ("''", "Sheet1"),
        ] {
            assert_eq!(allowed_name(name), allowed);
        }
        assert_eq!(allowed_name(&"가".repeat(40)).chars().count(), 31);
    }
}
