//! An inspected file: its format, and where its rows begin.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use seoham_model::Text;

use crate::row::{Content, Record};
use crate::text::{delimiter, encoding, json_lines, rows};
use crate::{Cell, Member, SheetError, TextEncoding, xlsx};

/// The maximum number of rows in a file.
pub(crate) const ROWS_MAX: u64 = 5_000_000;
/// The maximum number of rows above the header: titles, dates, empty rows.
const ABOVE_HEADER_MAX: usize = 20;

/// The format of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Delimiter-separated values.
    Csv {
        /// The file's encoding.
        encoding: TextEncoding,
        /// The delimiter: comma, tab, semicolon or bar.
        delimiter: u8,
    },
    /// An Excel workbook of 2007 or later.
    Xlsx {
        /// The selected sheet.
        sheet: String,
        /// The number of other sheets.
        others: usize,
    },
    /// One JSON document per line.
    JsonLines,
}

/// Options that override the automatic detection.
#[derive(Clone, Debug, Default)]
pub struct SheetOptions {
    /// The workbook's sheet; by default the first one that is not empty.
    pub sheet: Option<String>,
    /// Additional column names given by the user, which help to find the header.
    pub known_columns: Vec<String>,
    /// The encoding of a text file.
    pub encoding: Option<TextEncoding>,
    /// The delimiter of a text file.
    pub delimiter: Option<u8>,
}

impl SheetOptions {
    /// Whether a column of this name is known.
    fn knows(&self, name: &str) -> bool {
        self.known_columns.iter().any(|known| known == name.trim()) || Member::of_column(name).is_some()
    }
}

/// A file of documents.
#[derive(Debug)]
pub struct Sheet {
    path: PathBuf,
    format: Format,
    header: Vec<String>,
    /// The number of values in the header row, including trailing empty ones.
    width: usize,
    /// The row with the column names; rows above it are not data.
    header_row: u64,
}

impl Sheet {
    /// Inspects a file: its format, its encoding, its header.
    pub fn open(path: &Path, options: &SheetOptions) -> Result<Self, SheetError> {
        let format = format_of(path, options)?;
        let mut sheet = Self { path: path.to_owned(), format, header: Vec::new(), width: 0, header_row: 0 };
        if sheet.format != Format::JsonLines {
            sheet.find_header(options)?;
        }
        Ok(sheet)
    }

    fn find_header(&mut self, options: &SheetOptions) -> Result<(), SheetError> {
        let mut above: Vec<(u64, Vec<String>)> = Vec::new();
        let mut damaged: Vec<(u64, Text)> = Vec::new();
        self.read_all(&mut |record| {
            if let Content::Cells(cells) = &record.content
                && !cells.iter().all(Cell::is_empty)
            {
                above.push((record.row, cells.iter().map(Cell::shown).collect()));
                damaged.extend(record.damage.map(|damage| (record.row, damage)));
            }
            let enough = above.len() >= ABOVE_HEADER_MAX;
            if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let known = |names: &[String]| names.iter().filter(|name| options.knows(name)).count();
        let named = above.iter().position(|(_, names)| known(names) >= 2);
        let Some((row, names)) = above.into_iter().nth(named.unwrap_or(0)) else {
            return Err(SheetError::new("파일에 내용이 없습니다", "the file is empty"));
        };
        // An uncertain header makes every row uncertain.
        if let Some((_, damage)) = damaged.into_iter().find(|(damaged, _)| *damaged == row) {
            return Err(SheetError(damage.about(&format_args!("{row}"))));
        }
        self.header_row = row;
        self.width = names.len();
        self.header = names.iter().map(|name| name.trim().to_owned()).collect();
        while self.header.last().is_some_and(String::is_empty) {
            self.header.pop();
        }
        Ok(())
    }

    /// The format.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The column names; empty for JSON Lines.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The row number of the header, 0 for JSON Lines.
    pub fn header_row(&self) -> u64 {
        self.header_row
    }

    /// Passes every row of data to `each`, in order, until that stops. Empty rows are skipped.
    pub fn read(&self, each: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), SheetError> {
        let mut rows = 0;
        let mut too_many = false;
        self.read_all(&mut |record| {
            let Some(record) = self.row_of_data(record) else { return ControlFlow::Continue(()) };
            rows += 1;
            too_many = rows > ROWS_MAX;
            if too_many { ControlFlow::Break(()) } else { each(record) }
        })?;
        if too_many {
            return Err(SheetError::made(
                format!("행이 {ROWS_MAX}개를 넘습니다. 파일을 나누어 주십시오"),
                format!("there are more than {ROWS_MAX} rows; split the file"),
            ));
        }
        Ok(())
    }

    /// Converts a row to a row of data, with the reason if it is not usable; `None` if it is above the data
    /// or empty. All readers use this, so that they agree on the rows.
    pub(crate) fn row_of_data(&self, mut record: Record) -> Option<Record> {
        if record.row <= self.header_row || record.is_blank() {
            return None;
        }
        self.judge(&mut record);
        Some(record)
    }

    /// Marks a row of data whose values may be in the wrong columns. In a workbook each cell has its column;
    /// in text the values only have an order.
    fn judge(&self, record: &mut Record) {
        let Content::Cells(cells) = &record.content else { return };
        if record.damage.is_some() || !matches!(self.format, Format::Csv { .. }) {
            return;
        }
        record.damage = if cells.len() < self.width {
            Some(Text::fixed(
                "머리글보다 값이 적습니다. 값 안의 줄바꿈이 따옴표로 묶이지 않았을 수 있습니다",
                "has fewer values than the header has columns; a line break within a value may not be quoted",
            ))
        } else if cells.iter().skip(self.width).any(|cell| !cell.is_empty()) {
            Some(Text::fixed(
                "머리글보다 값이 많습니다. 값 안의 쉼표가 따옴표로 묶이지 않았을 수 있습니다",
                "has more values than the header has columns; a comma within a value may not be quoted",
            ))
        } else {
            None
        };
    }

    /// The number of values in the header row, including trailing unnamed ones.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Reads every row, including those above the header and empty ones.
    pub(crate) fn read_all(&self, each: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), SheetError> {
        let (mut last, mut out_of_order) = (0, false);
        let mut in_order = |record: Record| {
            // Rows are identified by number, so two rows must never have the same one. In text that happens
            // if the file ends within quotation marks.
            out_of_order = record.row <= last;
            if out_of_order {
                return ControlFlow::Break(());
            }
            last = record.row;
            each(record)
        };
        match &self.format {
            Format::Csv { encoding, delimiter } => {
                rows::read(&self.path, *encoding, *delimiter, &mut in_order)
            }
            Format::Xlsx { sheet, .. } => xlsx::read(&self.path, sheet, &mut in_order),
            Format::JsonLines => json_lines::read(&self.path, &mut in_order),
        }?;
        if out_of_order { Err(rows::not_closed(last)) } else { Ok(()) }
    }
}

/// Detects the format from the content, because a file name is not reliable.
fn format_of(path: &Path, options: &SheetOptions) -> Result<Format, SheetError> {
    let mut head = Vec::with_capacity(4_096);
    let file = File::open(path).map_err(|e| SheetError::io(&e))?;
    file.take(4_096).read_to_end(&mut head).map_err(|e| SheetError::io(&e))?;
    if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
        let (sheet, others) = xlsx::choose(path, options.sheet.as_deref())?;
        return Ok(Format::Xlsx { sheet, others });
    }
    if head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Err(SheetError::new(
            "예전 Excel(.xls) 형식이거나 암호가 걸린 파일입니다. Excel에서 열어 암호 없이 .xlsx 또는 CSV로 저장해 주십시오",
            "an old Excel file (.xls) or one with a password; open it in Excel and save it as .xlsx or CSV without one",
        ));
    }
    let text = String::from_utf8_lossy(&head);
    let begin = text.trim_start_matches('\u{feff}').trim_start();
    let lower = begin.get(..begin.len().min(200)).unwrap_or(begin).to_lowercase();
    if ["<html", "<!doctype", "<table", "<?xml", "<meta"].iter().any(|tag| lower.starts_with(tag)) {
        return Err(SheetError::new(
            "이름과 달리 HTML 또는 XML 파일입니다. Excel에서 열어 .xlsx 또는 CSV로 저장해 주십시오",
            "an HTML or XML file, whatever its name says; open it in Excel and save it as .xlsx or CSV",
        ));
    }
    if head.starts_with(b"%PDF") {
        return Err(SheetError::new(
            "PDF 파일입니다. 표(CSV, XLSX)여야 합니다",
            "a PDF; must be a table (CSV, XLSX)",
        ));
    }
    if begin.starts_with('{') {
        return Ok(Format::JsonLines);
    }
    if begin.is_empty() && head.len() < 4_096 {
        return Err(SheetError::new("파일에 내용이 없습니다", "the file is empty"));
    }
    let encoding = match options.encoding {
        Some(encoding) => encoding::check(path, encoding).map(|()| encoding)?,
        None => encoding::detect(path, &|name| options.knows(name))?,
    };
    let delimiter = match options.delimiter {
        Some(delimiter) => delimiter,
        None => delimiter::of_file(path, encoding, &|name| options.knows(name))?,
    };
    Ok(Format::Csv { encoding, delimiter })
}
