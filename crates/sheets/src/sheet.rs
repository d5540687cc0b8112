//! A file that was looked at: what it is, and where its rows begin.

use std::fs::File;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use seoham_model::Text;

use crate::row::{Content, Record};
use crate::text::{delimiter, encoding, json_lines, rows};
use crate::{Cell, Member, SheetError, TextEncoding, xlsx};

/// Rows in a file, at most.
pub(crate) const ROWS_MAX: u64 = 5_000_000;
/// Rows above the header, at most: titles, dates, empty ones.
const ABOVE_HEADER_MAX: usize = 20;

/// What kind of file it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Values separated by a mark.
    Csv {
        /// The file's encoding.
        encoding: TextEncoding,
        /// The mark: comma, tab, semicolon or bar.
        delimiter: u8,
    },
    /// An Excel workbook of 2007 or later.
    Xlsx {
        /// The sheet that is read.
        sheet: String,
        /// Other sheets that it has.
        others: usize,
    },
    /// A document in JSON on each line.
    JsonLines,
}

/// How a file is to be read, where that is not to be found out.
#[derive(Clone, Debug, Default)]
pub struct SheetOptions {
    /// The workbook's sheet; the first one that is not empty when it is not given.
    pub sheet: Option<String>,
    /// Columns that are named although nobody knows them: they help to find the header.
    pub known_columns: Vec<String>,
    /// The encoding of a text file.
    pub encoding: Option<TextEncoding>,
    /// The mark between the values of a text file.
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
    /// Values in the header's row, empty ones at its end included.
    width: usize,
    /// The row that has the names; those above it are no data.
    header_row: u64,
}

impl Sheet {
    /// Looks at a file: its form, its encoding, its header.
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
        // A header that is not certain makes every row uncertain.
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

    /// What kind of file it is.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The columns' names; none for lines of JSON.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The row that has the columns' names, 0 for lines of JSON.
    pub fn header_row(&self) -> u64 {
        self.header_row
    }

    /// Gives every row of data to `each`, in order, until that breaks. Rows in which nothing stands
    /// are no rows.
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

    /// A row as one of data, with the reason why it cannot be used if there is one; none if it stands above the data
    /// or nothing stands in it. What every reading of a file takes for its rows is decided here.
    pub(crate) fn row_of_data(&self, mut record: Record) -> Option<Record> {
        if record.row <= self.header_row || record.is_blank() {
            return None;
        }
        self.judge(&mut record);
        Some(record)
    }

    /// Says of a row of data why its values may not be where they belong. A workbook has its cells where
    /// they belong; in text they follow one another.
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

    /// Values in the header's row, those without a name at its end included.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Every row, those above the header and empty ones included.
    pub(crate) fn read_all(&self, each: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), SheetError> {
        let (mut last, mut out_of_order) = (0, false);
        let mut in_order = |record: Record| {
            // What is a row of data is told by its number, so two rows must never have the same. In text
            // that happens where the file ends within quotation marks.
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

/// What kind of file it is, by what it begins with: a name can say anything.
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
