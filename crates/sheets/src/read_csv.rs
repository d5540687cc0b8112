//! Reading values separated by a mark.

use std::cell::Cell as Shared;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

use crate::row::{Content, Record};
use crate::sheet::COLUMNS_MAX;
use crate::{Cell, SheetError, TextEncoding};

/// A row takes no more, or a quotation mark was not closed.
const ROW_BYTES_MAX: usize = 1024 * 1024;

/// The mark that separates the first line's values.
pub(crate) fn delimiter(path: &Path, encoding: TextEncoding) -> Result<u8, SheetError> {
    let file = File::open(path).map_err(|e| SheetError::io(&e))?;
    let mut head = Vec::new();
    encoding.reader(file).take(64 * 1024).read_to_end(&mut head).map_err(|e| SheetError::io(&e))?;
    if head.contains(&b'\r') && !head.contains(&b'\n') {
        return Err(SheetError::new(
            "줄바꿈이 옛 Mac 방식(CR)입니다. 'CSV UTF-8(쉼표로 분리)'로 다시 저장해 주십시오",
            "has the line ends of an old Macintosh (CR); save it as CSV UTF-8",
        ));
    }
    let mut counts = [(b',', 0), (b'\t', 0), (b';', 0), (b'|', 0)];
    // The first line can be a title: one with a mark decides.
    for line in head.split(|byte| *byte == b'\n').take(20) {
        let mut quoted = false;
        for byte in line.iter().copied() {
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
    let inner = encoding.reader(file);
    let bounded = Bounded { inner, since: Rc::clone(&since), ended: Ended::WithLine };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        // A carriage return before it stays with the last value, and is taken off with white space:
        // so every line is counted when it ends.
        .terminator(csv::Terminator::Any(b'\n'))
        .has_headers(false)
        .flexible(true)
        .from_reader(bounded);
    let mut record = csv::StringRecord::new();
    let mut breaks = 0;
    loop {
        since.set(0);
        let begins = reader.position().line() - breaks;
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => return Err(unreadable(&error, begins)),
        }
        // Rows as a spreadsheet program counts them: a line break within a value begins no row.
        breaks += record.iter().map(|value| value.matches('\n').count() as u64).sum::<u64>();
        let row = reader.position().line() - breaks - 1;
        if record.len() > COLUMNS_MAX {
            return Err(SheetError::made(
                format!("{row}행에 열이 {COLUMNS_MAX}개를 넘습니다"),
                format!("row {row} has more than {COLUMNS_MAX} columns"),
            ));
        }
        let cells: Vec<Cell> = record.iter().map(Cell::of_text).collect();
        let read = Record::new(row, Content::Cells(cells));
        if each(read).is_break() {
            return Ok(());
        }
    }
}

/// A quotation mark was opened in this row or the one after it, and not closed again.
pub(crate) fn not_closed(row: u64) -> SheetError {
    SheetError::made(
        format!("{row}행 무렵부터 따옴표(\")가 닫히지 않은 것 같습니다"),
        format!("a quotation mark seems not to be closed from about row {row} on"),
    )
}

fn unreadable(error: &csv::Error, row: u64) -> SheetError {
    match error.kind() {
        csv::ErrorKind::Io(source) if source.kind() == io::ErrorKind::FileTooLarge => not_closed(row),
        csv::ErrorKind::Io(source) => SheetError::io(source),
        _ => SheetError::made(format!("{row}행을 읽을 수 없습니다"), format!("row {row} cannot be read")),
    }
}

/// Gives no more than a row may take before it is told that a new one begins, and ends the last line
/// where the file does not.
struct Bounded<R> {
    inner: R,
    since: Rc<Shared<usize>>,
    ended: Ended,
}

/// How what was given so far ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    WithLine,
    WithinLine,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since.get() > ROW_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut read = self.inner.read(buffer)?;
        if read == 0 && self.ended == Ended::WithinLine && !buffer.is_empty() {
            buffer[0] = b'\n';
            read = 1;
        }
        if let Some(last) = read.checked_sub(1) {
            self.ended = if buffer[last] == b'\n' { Ended::WithLine } else { Ended::WithinLine };
        }
        self.since.set(self.since.get() + read);
        Ok(read)
    }
}
