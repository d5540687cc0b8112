//! Writes rows of text.

use std::fs::File;
use std::io::{BufWriter, Write};

use super::Table;
use crate::{Cell, SheetError, TextEncoding};

pub(super) struct CsvTable {
    file: BufWriter<File>,
    rows: csv::WriterBuilder,
    encoding: TextEncoding,
    /// The last written row.
    last: u64,
}

impl CsvTable {
    pub(super) fn new(file: BufWriter<File>, encoding: TextEncoding, delimiter: u8) -> Self {
        let mut rows = csv::WriterBuilder::new();
        rows.delimiter(delimiter).terminator(csv::Terminator::CRLF).buffer_capacity(1_024);
        Self { file, rows, encoding, last: 0 }
    }
}

impl Table for CsvTable {
    fn write(&mut self, row: u64, cells: &[Cell]) -> Result<(), SheetError> {
        let unwritable = || SheetError::new("행을 쓸 수 없습니다", "a row cannot be written");
        for _ in self.last + 1..row {
            self.file.write_all(&self.encoding.encode("\r\n")).map_err(|e| SheetError::io(&e))?;
        }
        self.last = row;
        // One row at a time: it is formatted in UTF-8 and then encoded.
        let mut writer = self.rows.from_writer(Vec::new());
        writer.write_record(cells.iter().map(Cell::rewritten)).map_err(|_| unwritable())?;
        let bytes = writer.into_inner().map_err(|_| unwritable())?;
        let text = String::from_utf8(bytes).map_err(|_| unwritable())?;
        self.file.write_all(&self.encoding.encode(&text)).map_err(|e| SheetError::io(&e))
    }

    fn finish(mut self: Box<Self>) -> Result<(), SheetError> {
        self.file.flush().map_err(|e| SheetError::io(&e))
    }
}
