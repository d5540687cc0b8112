//! Checks that quotation marks are unambiguous: a mark opens a value as its first character, and closes it
//! right before a delimiter or the end of a line; within a value a mark is doubled. A parser that tolerates
//! any other mark can assign one person's values to another.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::Rc;

use seoham_model::Text;

/// An error of a quotation mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is within an unquoted value.
    WithinValue,
    /// It closes a quoted value, but more text follows.
    TextAfterClosing,
    /// It opens a value that is still open at the end of the file.
    NotClosed,
}

impl Fault {
    pub(super) fn text(self) -> Text {
        match self {
            Self::WithinValue => Text::fixed(
                "따옴표(\")가 값 중간에 있어 값이 어디서 끝나는지 확실하지 않습니다. 따옴표를 지우거나, 값 전체를 따옴표로 \
                 묶고 값 안의 따옴표는 두 번(\"\") 적어 주십시오",
                "a quotation mark within a value, so it is not certain where the value ends; remove it, or quote the whole \
                 value and write a mark within it twice (\"\")",
            ),
            Self::TextAfterClosing | Self::NotClosed => Text::fixed(
                "닫는 따옴표(\") 뒤에 다른 글자가 있어 값이 어디서 끝나는지 확실하지 않습니다. 값 안의 따옴표는 두 번(\"\") \
                 적어 주십시오",
                "something follows a closing quotation mark, so it is not certain where the value ends; write a mark within \
                 a value twice (\"\")",
            ),
        }
    }
}

/// The errors, each with the line in which its row begins, counted from zero.
pub(super) type Faults = Rc<RefCell<VecDeque<(u64, Fault)>>>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a value.
    Before,
    /// In an unquoted value.
    Unquoted,
    /// After the `=` of `="0101"`, which prevents a spreadsheet program from interpreting text as a number.
    Equals,
    /// Within the quotation marks of `="0101"`.
    KeptText,
    /// After them.
    AfterKeptText,
    /// In a quoted value.
    Quoted,
    /// After a mark in a quoted value: the first of a doubled mark, or the closing one.
    Mark,
    /// After a carriage return that follows a closing mark.
    Return,
    /// After an error: the rest of the line.
    Lost,
}

/// Checks the bytes that are read through it.
pub(super) struct Quoting<R> {
    inner: R,
    delimiter: u8,
    state: State,
    line: u64,
    /// The line in which the row began.
    row_line: u64,
    faults: Faults,
}

impl<R: Read> Quoting<R> {
    pub(super) fn new(inner: R, delimiter: u8) -> (Self, Faults) {
        let faults = Faults::default();
        let shared = Rc::clone(&faults);
        (Self { inner, delimiter, state: State::Before, line: 0, row_line: 0, faults }, shared)
    }

    fn look_at(&mut self, bytes: &[u8]) {
        for byte in self.passed_over(bytes) {
            // A line break within quotation marks does not end a row.
            if self.state == State::Quoted && *byte == b'\n' {
                self.line += 1;
                continue;
            }
            let next = self.after(*byte);
            if let Err(fault) = next {
                self.faults.borrow_mut().push_back((self.row_line, fault));
            }
            self.state = next.unwrap_or(State::Lost);
            if *byte == b'\n' {
                self.state = State::Before;
                self.line += 1;
                self.row_line = self.line;
            }
        }
    }
}

impl<R> Quoting<R> {
    /// Skips whole lines without quotation marks, which cannot have an error; returns the rest.
    fn passed_over<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let is_outside = matches!(self.state, State::Before | State::Unquoted | State::Equals | State::Lost);
        let unmarked = &bytes[..memchr::memchr(b'"', bytes).unwrap_or(bytes.len())];
        let Some(end) = memchr::memrchr(b'\n', unmarked).filter(|_| is_outside) else { return bytes };
        self.line += memchr::memchr_iter(b'\n', &unmarked[..=end]).count() as u64;
        self.row_line = self.line;
        self.state = State::Before;
        &bytes[end + 1..]
    }

    /// The state after a byte, or the error.
    fn after(&self, byte: u8) -> Result<State, Fault> {
        let ends_value = byte == self.delimiter || byte == b'\n';
        match (self.state, byte) {
            (State::Lost, _) => Ok(State::Lost),
            (State::Quoted, b'"') => Ok(State::Mark),
            (State::Quoted, _) | (State::Mark, b'"') => Ok(State::Quoted),
            (State::KeptText, b'"') => Ok(State::AfterKeptText),
            // A parser ends the value here, with or without a closing mark.
            (State::KeptText, _) if ends_value => Err(Fault::WithinValue),
            (State::KeptText, _) => Ok(State::KeptText),
            _ if ends_value => Ok(State::Before),
            (State::Mark | State::AfterKeptText, b'\r') => Ok(State::Return),
            (State::Mark, _) => Err(Fault::TextAfterClosing),
            (State::AfterKeptText | State::Return, _) | (State::Unquoted, b'"') => Err(Fault::WithinValue),
            (State::Before, b'"') => Ok(State::Quoted),
            (State::Before, b'=') => Ok(State::Equals),
            (State::Equals, b'"') => Ok(State::KeptText),
            (State::Before | State::Equals | State::Unquoted, _) => Ok(State::Unquoted),
        }
    }
}

impl<R: Read> Read for Quoting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.look_at(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && self.state == State::Quoted {
            self.faults.borrow_mut().push_back((self.row_line, Fault::NotClosed));
            self.state = State::Lost;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<(u64, Fault)> {
        let read_by = |bytes: usize| -> Vec<(u64, Fault)> {
            let (mut quoting, faults) = Quoting::new(text.as_bytes(), b',');
            let mut buffer = vec![0; bytes];
            while quoting.read(&mut buffer).expect("reads") > 0 {}
            faults.take().into()
        };
        let at_once = read_by(text.len() + 1);
        for bytes in 1..8 {
            assert_eq!(read_by(bytes), at_once, "{text:?} in pieces of {bytes}");
        }
        at_once
    }

    #[test]
    fn what_is_certainly_quoting_is_left_alone() {
        for text in [
            "a,b\n",
            "\"a\",\"b\"\n",
            "\"a\",\"b\"\r\n\"c\"",
            "\"a \"\"b\"\" c\",d\n",
            "\"\",\"\"\"\"\n",
            "\"a\nb\",c\n",
            "\"a\r\nb,c\"\r\nd\n",
            "=\"0101\",a\r\n",
            "a,=\"0101\"\n",
            "a=b,=c\n",
        ] {
            assert_eq!(faults(text), [], "{text:?}");
        }
    }

    #[test]
    fn any_other_mark_is_told_by_the_line_its_row_begins_in() {
        for (text, line, fault) in [
            ("a,b\nc, \"d\"\n", 1, Fault::WithinValue),
            ("a,5\" pipe\n", 0, Fault::WithinValue),
            ("a\n\"b\" ,c\n", 1, Fault::TextAfterClosing),
            ("\"b\\\"c\\\" d\"\n", 0, Fault::TextAfterClosing),
            ("a\n\"b\nc\"d\ne\n", 1, Fault::TextAfterClosing),
            ("=\"a,b\"\n", 0, Fault::WithinValue),
            ("=\"a\nb\"\n", 0, Fault::WithinValue),
            ("=\"a\"b\n", 0, Fault::WithinValue),
            ("\"a\"\rb\n", 0, Fault::WithinValue),
            ("a\nb,\"c", 1, Fault::NotClosed),
        ] {
            assert_eq!(faults(text).first(), Some(&(line, fault)), "{text:?}");
        }
        assert_eq!(faults("a\n\nc,d\ne\"\nf\n"), [(3, Fault::WithinValue)]);
        assert_eq!(faults("a \"b\"\nc\nd\"\n"), [(0, Fault::WithinValue), (2, Fault::WithinValue)]);
    }
}
