//! Streams Excel workbooks cell by cell: a sheet of a million empty rows takes no memory.
//!
//! A workbook is read as its own parts describe it: parts are found through the package's relationships, and
//! parts that the table does not need are skipped. Existing readers find parts by fixed names, reject a whole
//! workbook for one unknown sheet type or error code, and silently use the last of two definitions.

mod cells;
mod certain;
mod display;
mod merged_ranges;
mod package;
mod serial;
mod strings;
mod styles;
mod weekdays;
mod workbook;
mod xml;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::result_column::is_corrections;
use crate::row::{COLUMNS_MAX, Content, Record};
use crate::{Cell, SheetError};
use cells::{Cells, Context};
use merged_ranges::Merged;
use package::Package;
use strings::Strings;
use styles::Styles;
use workbook::Workbook;

/// Selects the sheet to read, and counts the others.
pub(crate) fn choose(path: &Path, wanted: Option<&str>) -> Result<(String, usize), SheetError> {
    guarded(|| {
        let mut package = Package::open(path)?;
        let workbook = Workbook::read(&mut package)?;
        // The corrections sheet of a result is not a separate table.
        let is_table = |sheet: &&workbook::SheetPart| !is_corrections(&sheet.name);
        let others = workbook.sheets.iter().filter(is_table).count().saturating_sub(1);
        if let Some(wanted) = wanted {
            return workbook.named(wanted).map(|sheet| (sheet.name.clone(), others));
        }
        let mut filled = Vec::new();
        for sheet in workbook.sheets.iter().filter(|sheet| sheet.is_visible) {
            let Some(part) = &sheet.part else { continue };
            if Cells::open(&mut package, part)?.has_any()? {
                filled.push(sheet.name.clone());
            }
        }
        if filled.len() > 1 {
            filled.retain(|name| !is_corrections(name));
        }
        // Ambiguous: the user must choose.
        if filled.len() > 1 {
            let known = filled.join(", ");
            return Err(SheetError::made(
                format!("내용이 있는 시트가 여럿입니다: {known}. --sheet로 보낼 시트를 정해 주십시오"),
                format!("several sheets are filled: {known}; choose one with --sheet"),
            ));
        }
        match filled.pop() {
            Some(name) => Ok((name, others)),
            None => Err(SheetError::new("통합 문서에 내용이 없습니다", "the workbook is empty")),
        }
    })
}

/// Passes the rows of a sheet to `each`, until that stops.
pub(crate) fn read(
    path: &Path,
    sheet: &str,
    each: &mut dyn FnMut(Record) -> ControlFlow<()>,
) -> Result<(), SheetError> {
    guarded(|| {
        let mut package = Package::open(path)?;
        let workbook = Workbook::read(&mut package)?;
        let part = workbook.named(sheet)?.part.clone().unwrap_or_default();
        let context = Context {
            strings: match &workbook.strings {
                Some(part) => Strings::read(&mut package, part)?,
                None => Strings::default(),
            },
            styles: match &workbook.styles {
                Some(part) => Styles::read(&mut package, part)?,
                None => Styles::default(),
            },
            from_1904: workbook.from_1904,
            is_stale: workbook.is_stale,
        };
        let mut merged = Merged::read(&mut package, &part)?;
        let mut cells = Cells::open(&mut package, &part)?;
        while let Some(row) = cells.next_row(&context)? {
            let mut record = Record::new(u64::from(row.number) + 1, Content::Cells(row.cells));
            record.is_hidden = row.is_hidden;
            record.merged = merged.in_row(row.number);
            if each(record).is_break() {
                return Ok(());
            }
        }
        Ok(())
    })
}

/// Reports a panic of the reader as a damaged workbook.
fn guarded<T>(work: impl FnOnce() -> Result<T, SheetError>) -> Result<T, SheetError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err(damaged()))
}

/// The XML reader's error can contain data from the file, so this message is generic.
fn damaged() -> SheetError {
    SheetError::new(
        "손상된 Excel 파일이라 읽을 수 없습니다. Excel에서 열어 다시 저장해 주십시오",
        "a damaged Excel file; open it in Excel and save it again",
    )
}

/// A duplicate definition whose name is the same in both languages.
fn twice(name: &str) -> SheetError {
    twice_in(name, name)
}

fn twice_in(ko: &str, en: &str) -> SheetError {
    SheetError::made(
        format!("{ko}이(가) 파일 안에 두 번 정의되어 있습니다. Excel에서 열어 다시 저장해 주십시오"),
        format!("{en} is defined twice in the file; open it in Excel and save it again"),
    )
}

fn too_far_right(row: u32) -> SheetError {
    SheetError::made(
        format!("{}행에 {COLUMNS_MAX}번째보다 오른쪽 열이 쓰였습니다", row + 1),
        format!("row {} has a value beyond column {COLUMNS_MAX}", row + 1),
    )
}

/// A row of a sheet, counted from zero.
struct Row {
    number: u32,
    cells: Vec<Cell>,
    is_hidden: bool,
}

/// The name of a cell in a spreadsheet program, such as `B7`.
pub(crate) fn cell_name((row, column): (u32, u32)) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + u8::try_from(rest % 26).unwrap_or(0)));
        rest /= 26;
    }
    letters.iter().rev().collect::<String>() + &(row + 1).to_string()
}

/// The position of a cell name; `None` if it is invalid.
fn place_of(name: &str) -> Option<(u32, u32)> {
    let name = name.trim();
    let digits = name.find(|c: char| c.is_ascii_digit())?;
    let (letters, row) = name.split_at(digits);
    if letters.is_empty() || letters.len() > 3 || !letters.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let column = letters.bytes().fold(0, |n, b| n * 26 + u32::from(b.to_ascii_uppercase() - b'A') + 1);
    let row: u32 = row.parse().ok().filter(|row| (1..=ROWS_OF_EXCEL).contains(row))?;
    Some((row - 1, column - 1))
}

/// The number of rows in an Excel sheet.
const ROWS_OF_EXCEL: u32 = 1_048_576;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_named_as_a_spreadsheet_names_them() {
        for (place, name) in
            [((0, 0), "A1"), ((6, 1), "B7"), ((9, 25), "Z10"), ((0, 26), "AA1"), ((0, 701), "ZZ1")]
        {
            assert_eq!(cell_name(place), name);
            assert_eq!(place_of(name), Some(place));
        }
        for no_name in ["", "A", "7", "A0", "1A", "ABCD1", "A1048577", "A-1"] {
            assert_eq!(place_of(no_name), None, "{no_name}");
        }
    }
}
