//! Reading an Excel workbook, cell by cell: a sheet of a million empty rows takes no room.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use calamine::{DataRef, Dimensions, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use jiff::civil::DateTime;

use crate::row::{Content, Record};
use crate::sheet::COLUMNS_MAX;
use crate::{Cell, SheetError};

/// What the parts of a workbook may unpack to: a small file can claim to be any size.
const UNPACKED_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// The same for its table of texts, which is held in memory.
const TEXTS_BYTES_MAX: u64 = 512 * 1024 * 1024;

type Workbook = Xlsx<BufReader<File>>;

/// The sheet to read, and how many others there are.
pub(crate) fn choose(path: &Path, wanted: Option<&str>) -> Result<(String, usize), SheetError> {
    guarded(|| {
        check_parts(path)?;
        let mut workbook = open(path)?;
        let names = workbook.sheet_names().clone();
        let others = names.len().saturating_sub(1);
        if let Some(wanted) = wanted {
            let known = names.join(", ");
            return match names.iter().find(|name| name.trim() == wanted.trim()) {
                Some(name) => Ok((name.clone(), others)),
                None => Err(SheetError::made(
                    format!("'{wanted}' 시트가 없습니다. 있는 시트: {known}"),
                    format!("there is no sheet {wanted:?}; the sheets are: {known}"),
                )),
            };
        }
        let visible: Vec<String> = workbook
            .sheets_metadata()
            .iter()
            .filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible)
            .map(|sheet| sheet.name.clone())
            .collect();
        let mut filled = Vec::new();
        for name in visible {
            let mut cells = workbook.worksheet_cells_reader(&name).map_err(|e| damaged(&e))?;
            while let Some(cell) = cells.next_cell().map_err(|e| damaged(&e))? {
                if !matches!(cell.get_value(), DataRef::Empty) {
                    filled.push(name);
                    break;
                }
            }
        }
        // Which of several is meant is not for us to guess.
        if filled.len() > 1 {
            let known = filled.join(", ");
            return Err(SheetError::made(
                format!("내용이 있는 시트가 여럿입니다: {known}. --sheet로 보낼 시트를 정해 주십시오"),
                format!("several sheets are filled: {known}; choose one with --sheet"),
            ));
        }
        if let Some(name) = filled.pop() {
            return Ok((name, others));
        }
        Err(SheetError::new("통합 문서에 내용이 없습니다", "the workbook is empty"))
    })
}

pub(crate) fn read(
    path: &Path,
    sheet: &str,
    each: &mut dyn FnMut(Record) -> ControlFlow<()>,
) -> Result<(), SheetError> {
    guarded(|| {
        let mut workbook = open(path)?;
        let mut merged = Merged::new(workbook.merge_cells_by_sheet_name(sheet).map_err(|e| damaged(&e))?);
        let mut reader = workbook.worksheet_cells_reader(sheet).map_err(|e| damaged(&e))?;
        let (mut row, mut cells) = (0, Vec::new());
        loop {
            let next = reader.next_cell_with_formula_metadata().map_err(|e| damaged(&e))?;
            let position = next.as_ref().map(|cell| cell.pos);
            if position.is_none_or(|(next_row, _)| next_row != row) && !cells.is_empty() {
                let mut record = Record::new(u64::from(row) + 1, Content::Cells(std::mem::take(&mut cells)));
                record.merged = merged.in_row(row);
                if each(record).is_break() {
                    return Ok(());
                }
            }
            let (Some(cell), Some((next_row, column))) = (next, position) else { return Ok(()) };
            if next_row < row {
                return Err(out_of_order(u64::from(row) + 1));
            }
            row = next_row;
            // A formula that no spreadsheet program has calculated yet has no value, and is not empty.
            let uncalculated = cell.formula.is_some() && matches!(cell.value, DataRef::Empty);
            let value = if uncalculated { Cell::Failed("=".to_owned()) } else { of_cell(&cell.value) };
            if value.is_empty() {
                continue;
            }
            let column = column as usize;
            if column >= COLUMNS_MAX {
                return Err(SheetError::made(
                    format!("{}행에 {COLUMNS_MAX}번째보다 오른쪽 열이 쓰였습니다", row + 1),
                    format!("row {} has a value beyond column {COLUMNS_MAX}", row + 1),
                ));
            }
            if cells.len() <= column {
                cells.resize(column + 1, Cell::Empty);
            }
            cells[column] = value;
        }
    })
}

fn open(path: &Path) -> Result<Workbook, SheetError> {
    let file = File::open(path).map_err(|e| SheetError::io(&e))?;
    Xlsx::new(BufReader::new(file)).map_err(|e| damaged(&e))
}

/// A workbook that is damaged in a way that its reader did not think of is damaged all the same.
fn guarded<T>(work: impl FnOnce() -> Result<T, SheetError>) -> Result<T, SheetError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(SheetError::new(
            "손상된 Excel 파일이라 읽을 수 없습니다. Excel에서 열어 다시 저장해 주십시오",
            "a damaged Excel file; open it in Excel and save it again",
        ))
    })
}

fn check_parts(path: &Path) -> Result<(), SheetError> {
    let no_workbook = || {
        SheetError::new(
            "Excel 통합 문서(.xlsx)가 아닌 압축 파일이거나 손상되었습니다",
            "a ZIP that is no Excel workbook (.xlsx), or a damaged one",
        )
    };
    let file = File::open(path).map_err(|e| SheetError::io(&e))?;
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(|_| no_workbook())?;
    let (mut unpacked, mut is_workbook) = (0_u64, false);
    for i in 0..archive.len() {
        let part = archive.by_index_raw(i).map_err(|_| no_workbook())?;
        unpacked = unpacked.saturating_add(part.size());
        let name = part.name().map_err(|_| no_workbook())?.to_lowercase();
        is_workbook |= name.ends_with("xl/workbook.xml");
        let texts = name.ends_with("sharedstrings.xml") && part.size() > TEXTS_BYTES_MAX;
        if texts || unpacked > UNPACKED_BYTES_MAX {
            return Err(SheetError::new(
                "압축을 풀면 너무 커지는 파일입니다. CSV로 저장해 주십시오",
                "unpacks to more than is taken; save it as CSV",
            ));
        }
    }
    if is_workbook { Ok(()) } else { Err(no_workbook()) }
}

fn damaged(error: &XlsxError) -> SheetError {
    match error {
        XlsxError::Io(source) => SheetError::io(source),
        XlsxError::Password => SheetError::new(
            "암호가 걸린 파일입니다. 암호 없이 다시 저장해 주십시오",
            "has a password; save it without one",
        ),
        // What the reader says can repeat what stands in the file.
        _ => SheetError::new(
            "손상된 Excel 파일이라 읽을 수 없습니다. Excel에서 열어 다시 저장해 주십시오",
            "a damaged Excel file; open it in Excel and save it again",
        ),
    }
}

fn out_of_order(row: u64) -> SheetError {
    SheetError::made(
        format!("{row}행 다음에 앞의 행이 다시 나옵니다. 손상된 파일입니다"),
        format!("an earlier row follows row {row}: the file is damaged"),
    )
}

fn of_cell(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Empty => Cell::Empty,
        #[allow(clippy::cast_precision_loss, reason = "beyond 15 digits it is refused")]
        DataRef::Int(number) => Cell::Number(*number as f64),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::String(text) | DataRef::DurationIso(text) => Cell::of_text(text),
        DataRef::SharedString(text) => Cell::of_text(text),
        DataRef::Bool(flag) => Cell::Flag(*flag),
        DataRef::DateTime(moment) => of_moment(moment),
        DataRef::DateTimeIso(text) => text.parse().map_or_else(|_| Cell::of_text(text), Cell::Moment),
        DataRef::Error(error) => Cell::Failed(error.to_string()),
    }
}

fn of_moment(moment: &calamine::ExcelDateTime) -> Cell {
    let number = Cell::Number(moment.as_f64());
    // A number that is only shown as a date, such as 0 or a duration, is none.
    if !moment.is_datetime() || moment.as_f64() < 1.0 {
        return number;
    }
    let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
    let small = |n: u8| i8::try_from(n).unwrap_or(-1);
    let civil = i16::try_from(year).ok().and_then(|year| {
        DateTime::new(year, small(month), small(day), small(hour), small(minute), small(second), 0).ok()
    });
    civil.map_or(number, Cell::Moment)
}

/// Merged ranges, in the order of their rows.
struct Merged {
    to_come: std::vec::IntoIter<Dimensions>,
    next: Option<Dimensions>,
    open: Vec<Dimensions>,
}

impl Merged {
    fn new(mut ranges: Vec<Dimensions>) -> Self {
        ranges.retain(|range| range.start != range.end);
        ranges.sort_by_key(|range| range.start);
        let mut to_come = ranges.into_iter();
        let next = to_come.next();
        Self { to_come, next, open: Vec::new() }
    }

    /// The columns that are merged in a row. Rows are asked for in order.
    fn in_row(&mut self, row: u32) -> Vec<(usize, usize, String)> {
        while let Some(range) = self.next.filter(|range| range.start.0 <= row) {
            self.open.push(range);
            self.next = self.to_come.next();
        }
        self.open.retain(|range| range.end.0 >= row);
        let columns = |range: &Dimensions| {
            let shown = format!("{}:{}", shown(range.start), shown(range.end));
            (range.start.1 as usize, range.end.1 as usize, shown)
        };
        self.open.iter().map(columns).collect()
    }
}

/// A cell as a spreadsheet program names it, `B7`.
fn shown((row, column): (u32, u32)) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(char::from(b'A' + u8::try_from(rest % 26).unwrap_or(0)));
        rest /= 26;
    }
    letters.iter().rev().collect::<String>() + &(row + 1).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_named_as_a_spreadsheet_names_them() {
        for (position, name) in
            [((0, 0), "A1"), ((6, 1), "B7"), ((9, 25), "Z10"), ((0, 26), "AA1"), ((0, 701), "ZZ1")]
        {
            assert_eq!(shown(position), name);
        }
    }
}
