//! Rows of delimited values.

use std::cell::Cell as Shared;
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;

use seoham_model::Text;

use crate::row::{COLUMNS_MAX, Content, Record};
use crate::text::quoting::{Fault, Quoting};
use crate::{Cell, SheetError, TextEncoding};

/// The maximum size of a row; a larger one indicates an unclosed quotation mark.
const ROW_BYTES_MAX: usize = 1024 * 1024;

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
    let (quoting, faults) = Quoting::new(bounded, delimiter);
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        // A carriage return before it stays in the last value and is trimmed there, so that lines are counted
        // at their end.
        .terminator(csv::Terminator::Any(b'\n'))
        .has_headers(false)
        .flexible(true)
        .from_reader(quoting);
    let mut record = csv::StringRecord::new();
    let mut breaks = 0;
    loop {
        since.set(0);
        let first_line = reader.position().line() - 1;
        let begins = reader.position().line() - breaks;
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => return Err(unreadable(&error, begins)),
        }
        let breaks_before = breaks;
        // Row numbers as in a spreadsheet program: a line break within a value does not start a row.
        breaks += record.iter().map(|value| value.matches('\n').count() as u64).sum::<u64>();
        let row = reader.position().line() - breaks - 1;
        if record.len() > COLUMNS_MAX {
            return Err(SheetError::made(
                format!("{row}행에 열이 {COLUMNS_MAX}개를 넘습니다"),
                format!("row {row} has more than {COLUMNS_MAX} columns"),
            ));
        }
        let mut read = Record::new(row, Content::Cells(record.iter().map(Cell::of_text).collect()));
        // The checker reads ahead of the parser; drop the errors of earlier lines.
        while faults.borrow().front().is_some_and(|(line, _)| *line < first_line) {
            faults.borrow_mut().pop_front();
        }
        let last_line = reader.position().line() - 1;
        if let Some((_, fault)) = faults.borrow().front().filter(|(line, _)| *line < last_line) {
            if *fault == Fault::NotClosed {
                return Err(not_closed(row));
            }
            read.damage = Some(fault.text());
        } else if breaks > breaks_before {
            read.lines_within = lines_within(&record, delimiter);
            if takes_in_a_delimiter(&record, delimiter) {
                read.damage = Some(holds_rows());
            }
        }
        if each(read).is_break() {
            return Ok(());
        }
    }
}

/// Whether a multi-line value begins or ends with the delimiter: then two stray marks, each alone in its
/// column, have enclosed the text between them.
fn takes_in_a_delimiter(record: &csv::StringRecord, delimiter: u8) -> bool {
    let delimiter = char::from(delimiter);
    record
        .iter()
        .any(|value| value.contains('\n') && (value.starts_with(delimiter) || value.ends_with(delimiter)))
}

/// The lines of a row after its first, split without regard to quotation marks: what a person would see as
/// separate rows.
fn lines_within(record: &csv::StringRecord, delimiter: u8) -> Vec<Vec<String>> {
    let mut lines: Vec<Vec<String>> = vec![Vec::new()];
    for value in record {
        for (n, line) in value.split('\n').enumerate() {
            if n > 0 {
                lines.push(Vec::new());
            }
            if let Some(last) = lines.last_mut() {
                last.extend(line.split(char::from(delimiter)).map(|value| value.trim().to_owned()));
            }
        }
    }
    lines.split_off(1)
}

/// Quotation marks enclosed other rows in a value.
pub(crate) fn holds_rows() -> Text {
    Text::fixed(
        "한 값 안에 다른 행이 통째로 들어 있습니다. 따옴표(\")의 짝이 맞지 않는 것 같습니다",
        "a value holds whole rows; a quotation mark seems not to be closed",
    )
}

/// A quotation mark in this row or the next one is not closed.
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

/// Limits the bytes of a row until the parser reports a new one, and terminates the last line if the file
/// does not.
struct Bounded<R> {
    inner: R,
    since: Rc<Shared<usize>>,
    ended: Ended,
}

/// The last bytes delivered so far.
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
