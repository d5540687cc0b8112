//! Writing a table once more with columns beside each row: the result of a send, or times.

use std::fs::{File, Permissions};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rust_xlsxwriter::{ExcelDateTime, Format as CellFormat, Workbook, Worksheet, XlsxError};
use serde_json::{Map, Value};

use crate::row::{Content, Record};
use crate::{Cell, Format, ResultColumn, Sheet, SheetError, TextEncoding};

/// What takes the rows of a new file.
trait Table {
    fn write(&mut self, row: Vec<Cell>) -> Result<(), SheetError>;
    fn finish(self: Box<Self>) -> Result<(), SheetError>;
}

/// What stands in the columns beside a row; none leaves the row as it is.
type Fill<'a> = dyn FnMut(&Record) -> Result<Option<Vec<String>>, SheetError> + 'a;

/// Writes `sheet` to `out` in its own form, with `columns` beside each row of data as `fill` gives
/// them. A column that the table has already is written over. `out` is there whole or not at all, and
/// nobody but its owner can read it: it has all that is personal in the table.
pub fn annotate(sheet: &Sheet, out: &Path, columns: &[&str], fill: &mut Fill<'_>) -> Result<(), SheetError> {
    in_place(out, |partial| write(sheet, partial, columns, fill))
}

/// Has a file written under another name, and gives it its own once it is whole.
fn in_place(out: &Path, write: impl FnOnce(&Path) -> Result<(), SheetError>) -> Result<(), SheetError> {
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

fn write(sheet: &Sheet, partial: &Path, columns: &[&str], fill: &mut Fill<'_>) -> Result<(), SheetError> {
    let mut failed = None;
    let mut keep = |done: Result<(), SheetError>| match done {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    };
    if *sheet.format() == Format::JsonLines {
        let mut lines = create(partial)?;
        sheet.read(&mut |record| {
            keep(fill(&record).and_then(|values| {
                let line = annotated_line(&record, columns, values.as_deref());
                writeln!(lines, "{line}").map_err(|e| SheetError::io(&e))
            }))
        })?;
        lines.flush().map_err(|e| SheetError::io(&e))?;
        return failed.map_or(Ok(()), Err);
    }
    let mut table = open_table(sheet.format(), partial)?;
    let header = sheet.header();
    let places: Vec<usize> = {
        // Beyond what stands there without a name.
        let mut end = sheet.width().max(header.len());
        let place = |name: &&str| {
            // A column of a result is the same in whichever language it is named.
            let column = ResultColumn::of(name);
            let same =
                |known: &String| known == name || (column.is_some() && ResultColumn::of(known) == column);
            header.iter().position(same).unwrap_or_else(|| {
                end += 1;
                end - 1
            })
        };
        columns.iter().map(place).collect()
    };
    sheet.read_all(&mut |record| {
        let mut record = record;
        if record.row > sheet.header_row() {
            sheet.judge(&mut record);
        }
        let Content::Cells(cells) = &record.content else { return ControlFlow::Continue(()) };
        let mut cells = cells.clone();
        let mut put = |values: Vec<String>| {
            for (place, value) in places.iter().zip(values) {
                if cells.len() <= *place {
                    cells.resize(*place + 1, Cell::Empty);
                }
                cells[*place] = if value.is_empty() { Cell::Empty } else { Cell::Text(value) };
            }
        };
        if record.row == sheet.header_row() {
            put(columns.iter().map(|name| (*name).to_owned()).collect());
        } else if record.row > sheet.header_row() {
            if record.is_blank() {
                return ControlFlow::Continue(());
            }
            match fill(&record) {
                Ok(Some(values)) => put(values),
                Ok(None) => {}
                Err(error) => return keep(Err(error)),
            }
        }
        keep(table.write(cells))
    })?;
    match failed {
        Some(error) => Err(error),
        None => table.finish(),
    }
}

/// Writes a CSV that every spreadsheet program opens as it is: UTF-8 with its mark.
pub fn write_csv(
    out: &Path,
    header: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<(), SheetError> {
    let format = Format::Csv { encoding: TextEncoding::Utf8Marked, delimiter: b',' };
    in_place(out, |partial| {
        let mut table = open_table(&format, partial)?;
        let cells = |row: Vec<String>| row.into_iter().map(Cell::Text).collect::<Vec<_>>();
        table.write(cells(header.iter().map(|name| (*name).to_owned()).collect()))?;
        for row in rows {
            table.write(cells(row))?;
        }
        table.finish()
    })
}

fn annotated_line(record: &Record, columns: &[&str], values: Option<&[String]>) -> Value {
    let line = match &record.content {
        Content::Json(line) => serde_json::from_str::<Map<String, Value>>(line).ok(),
        Content::Cells(_) => None,
    };
    // A line that is no document is told by its number.
    let mut line = line.unwrap_or_else(|| Map::from_iter([("line".to_owned(), record.row.into())]));
    for (name, value) in columns.iter().zip(values.unwrap_or_default()) {
        if value.is_empty() {
            line.remove(*name);
        } else {
            line.insert((*name).to_owned(), value.as_str().into());
        }
    }
    Value::Object(line)
}

fn create(path: &Path) -> Result<BufWriter<File>, SheetError> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    file.map(BufWriter::new).map_err(|e| SheetError::io(&e))
}

fn open_table(format: &Format, path: &Path) -> Result<Box<dyn Table>, SheetError> {
    Ok(match format {
        Format::Csv { encoding, delimiter } => {
            let mut file = create(path)?;
            file.write_all(encoding.mark()).map_err(|e| SheetError::io(&e))?;
            let mut rows = csv::WriterBuilder::new();
            rows.delimiter(*delimiter).terminator(csv::Terminator::CRLF).buffer_capacity(1_024);
            Box::new(CsvTable { file, rows, encoding: *encoding })
        }
        Format::Xlsx { sheet, .. } => Box::new(XlsxTable::new(sheet, path)?),
        Format::JsonLines => return Err(SheetError::new("표가 아닙니다", "not a table")),
    })
}

struct CsvTable {
    file: BufWriter<File>,
    rows: csv::WriterBuilder,
    encoding: TextEncoding,
}

impl Table for CsvTable {
    fn write(&mut self, row: Vec<Cell>) -> Result<(), SheetError> {
        let unwritable = || SheetError::new("행을 쓸 수 없습니다", "a row cannot be written");
        // One row at a time: it is made in UTF-8 and then encoded.
        let mut writer = self.rows.from_writer(Vec::new());
        writer.write_record(row.iter().map(Cell::shown)).map_err(|_| unwritable())?;
        let bytes = writer.into_inner().map_err(|_| unwritable())?;
        let text = String::from_utf8(bytes).map_err(|_| unwritable())?;
        self.file.write_all(&self.encoding.encode(&text)).map_err(|e| SheetError::io(&e))
    }

    fn finish(mut self: Box<Self>) -> Result<(), SheetError> {
        self.file.flush().map_err(|e| SheetError::io(&e))
    }
}

struct XlsxTable {
    workbook: Workbook,
    sheet: Option<Worksheet>,
    rows: u32,
    date: CellFormat,
    moment: CellFormat,
    path: PathBuf,
}

impl XlsxTable {
    fn new(name: &str, path: &Path) -> Result<Self, SheetError> {
        let mut workbook = Workbook::new();
        // Rows go to a file as they come: memory does not grow with them.
        let mut sheet = workbook.new_worksheet_with_constant_memory().map_err(|e| unwritten(&e))?;
        sheet.set_name(name).map_err(|e| unwritten(&e))?;
        Ok(Self {
            workbook,
            sheet: Some(sheet),
            rows: 0,
            date: CellFormat::new().set_num_format("yyyy-mm-dd"),
            moment: CellFormat::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            path: path.to_owned(),
        })
    }
}

impl Table for XlsxTable {
    fn write(&mut self, row: Vec<Cell>) -> Result<(), SheetError> {
        let Some(sheet) = &mut self.sheet else { return Ok(()) };
        for (column, cell) in row.iter().enumerate() {
            let column = u16::try_from(column).unwrap_or(u16::MAX);
            let written = match cell {
                Cell::Empty => continue,
                Cell::Number(number) => sheet.write_number(self.rows, column, *number),
                Cell::Flag(flag) => sheet.write_boolean(self.rows, column, *flag),
                Cell::Formatted(formatted) if formatted.moment.is_none() => {
                    sheet.write_string(self.rows, column, cell.shown())
                }
                Cell::Moment(_) | Cell::Formatted(_) => {
                    let Some(moment) = cell.moment() else { continue };
                    let format = if moment.time() == jiff::civil::Time::midnight() {
                        &self.date
                    } else {
                        &self.moment
                    };
                    match excel_moment(moment) {
                        Some(moment) => sheet.write_datetime_with_format(self.rows, column, &moment, format),
                        None => sheet.write_string(self.rows, column, cell.shown()),
                    }
                }
                Cell::Text(_) | Cell::Failed(_) | Cell::Stale => {
                    sheet.write_string(self.rows, column, cell.shown())
                }
            };
            written.map_err(|e| unwritten(&e))?;
        }
        self.rows += 1;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<(), SheetError> {
        if let Some(sheet) = self.sheet.take() {
            self.workbook.push_worksheet(sheet);
        }
        // There before it is filled, so that nobody else can read it meanwhile.
        drop(create(&self.path)?);
        self.workbook.save(&self.path).map_err(|e| unwritten(&e))
    }
}

fn excel_moment(moment: jiff::civil::DateTime) -> Option<ExcelDateTime> {
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
