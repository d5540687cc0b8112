//! Reads one JSON document per line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;

use seoham_model::Text;

use crate::SheetError;
use crate::row::{Content, Record};

/// Larger than any document of the contract.
const LINE_BYTES_MAX: u64 = 64 * 1024;

pub(crate) fn read(path: &Path, each: &mut dyn FnMut(Record) -> ControlFlow<()>) -> Result<(), SheetError> {
    let mut reader = BufReader::new(File::open(path).map_err(|e| SheetError::io(&e))?);
    let mut bytes = Vec::new();
    for row in 1.. {
        bytes.clear();
        let read = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes);
        if read.map_err(|e| SheetError::io(&e))? == 0 {
            break;
        }
        let whole = bytes.ends_with(b"\n") || (bytes.len() as u64) < LINE_BYTES_MAX;
        if !whole {
            reader.skip_until(b'\n').map_err(|e| SheetError::io(&e))?;
        }
        if row == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        let (text, damage) = match std::str::from_utf8(&bytes) {
            _ if !whole => (
                String::new(),
                Some(Text::fixed("한 줄이 64 KiB를 넘습니다", "the line has more than 64 KiB")),
            ),
            Ok(text) => (text.trim().to_owned(), None),
            Err(_) => (String::new(), Some(Text::fixed("올바른 UTF-8이 아닙니다", "is not valid UTF-8"))),
        };
        if text.is_empty() && damage.is_none() {
            continue;
        }
        let mut record = Record::new(row, Content::Json(text));
        record.damage = damage;
        if each(record).is_break() {
            break;
        }
    }
    Ok(())
}
