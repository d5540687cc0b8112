//! Reading values separated by a mark.

use std::cell::Cell as Shared;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

use seoham_model::Text;

use crate::row::{Content, Record};
use crate::sheet::COLUMNS_MAX;
use crate::{Cell, SheetError, TextEncoding};

/// A row takes no more, or a quotation mark was not closed.
const ROW_BYTES_MAX: usize = 1024 * 1024;

/// The mark that separates the first line's values.
pub(crate) fn delimiter(path: &Path, encoding: TextEncoding) -> Result<u8, SheetError> {
    let file = File::open(path).map_err(|e| SheetError::io(&e))?;
    let reader = BufReader::new(encoding.reader(file).take(64 * 1024));
    let mut counts = [(b',', 0), (b'\t', 0), (b';', 0), (b'|', 0)];
    // The first line can be a title: one with a mark decides.
    for line in reader.lines().take(20) {
        let line = line.map_err(|e| SheetError::io(&e))?;
        let mut quoted = false;
        for byte in line.bytes() {
            quoted ^= byte == b'"';
            if !quoted && let Some((_, count)) = counts.iter_mut().find(|(mark, _)| *mark == byte) {
                *count += 1;
            }
        }
        if counts.iter().any(|(_, count)| *count > 0) {
            break;
        }
    }
    // Of equals the first.
    let most = counts.iter().rev().max_by_key(|(_, count)| *count);
    Ok(most.map_or(b',', |(mark, _)| *mark))
}

pub(crate) fn read(
    path: &Path,
    encoding: TextEncoding,
    delimiter: u8,
    each: &mut dyn FnMut(Record) -> ControlFlow<()>,
) -> Result<(), SheetError> {
    let file = File::open(path).map_err(|e| SheetError::io(&e))?;
    let since = Rc::new(Shared::new(0));
    let bounded = Bounded { inner: encoding.reader(file), since: Rc::clone(&since) };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(bounded);
    let mut record = csv::StringRecord::new();
    let (mut breaks, mut width) = (0_u64, None);
    loop {
        since.set(0);
        let at = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => return Err(unreadable(&error, at.saturating_sub(breaks))),
        }
        // Rows as a spreadsheet program counts them: a line break within a value begins no row.
        let line = record.position().map_or(at, csv::Position::line);
        let row = line.saturating_sub(breaks);
        breaks += record.iter().map(|value| value.matches('\n').count() as u64).sum::<u64>();
        if record.len() > COLUMNS_MAX {
            return Err(SheetError::made(
                format!("{row}행에 열이 {COLUMNS_MAX}개를 넘습니다"),
                format!("row {row} has more than {COLUMNS_MAX} columns"),
            ));
        }
        let cells: Vec<Cell> = record.iter().map(Cell::of_text).collect();
        let expected = *width.get_or_insert(record.len());
        let empty = cells.iter().all(Cell::is_empty);
        let mut read = Record::new(row, Content::Cells(cells));
        if record.len() < expected && !empty {
            // A line break that is not quoted makes two rows of one.
            read.damage = Some(Text::fixed(
                "머리글보다 값이 적습니다. 값 안의 줄바꿈이 따옴표로 묶이지 않았을 수 있습니다",
                "has fewer values than the header has columns; a line break within a value may not be quoted",
            ));
        }
        // The header may stand below a title that has one value alone.
        width = Some(expected.max(record.len()));
        if each(read).is_break() {
            return Ok(());
        }
    }
}

fn unreadable(error: &csv::Error, row: u64) -> SheetError {
    match error.kind() {
        csv::ErrorKind::Io(source) if source.kind() == io::ErrorKind::FileTooLarge => SheetError::made(
            format!("{row}행부터 따옴표(\")가 닫히지 않은 것 같습니다: 한 행이 1 MiB를 넘습니다"),
            format!("a quotation mark seems not to be closed from row {row} on: a row takes more than 1 MiB"),
        ),
        csv::ErrorKind::Io(source) => SheetError::io(source),
        _ => SheetError::made(format!("{row}행을 읽을 수 없습니다"), format!("row {row} cannot be read")),
    }
}

/// Gives no more than a row may take before it is told that a new one begins.
struct Bounded<R> {
    inner: R,
    since: Rc<Shared<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since.get() > ROW_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.inner.read(buffer)?;
        self.since.set(self.since.get() + read);
        Ok(read)
    }
}
