//! Detects the delimiter of a text file.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::SheetError;
use crate::text::encoding::TextEncoding;

/// The possible delimiters; the first one wins a tie.
const MARKS: [u8; 4] = [b',', b'\t', b';', b'|'];
/// How many rows at the beginning are examined: titles, dates, the header.
const ROWS: usize = 20;
const HEAD_BYTES: u64 = 64 * 1024;

/// The delimiter that gives a row the most known column names. If no row has any, the most frequent delimiter
/// in the first row that contains one.
pub(crate) fn of_file(
    path: &Path,
    encoding: TextEncoding,
    is_known: &dyn Fn(&str) -> bool,
) -> Result<u8, SheetError> {
    let file = File::open(path).map_err(|e| SheetError::io(&e))?;
    let mut head = Vec::new();
    encoding.reader(file).take(HEAD_BYTES).read_to_end(&mut head).map_err(|e| SheetError::io(&e))?;
    if head.contains(&b'\r') && !head.contains(&b'\n') {
        return Err(SheetError::new(
            "줄바꿈이 옛 Mac 방식(CR)입니다. 'CSV UTF-8(쉼표로 분리)'로 다시 저장해 주십시오",
            "has the line ends of an old Macintosh (CR); save it as CSV UTF-8",
        ));
    }
    Ok(of_head(&head, is_known))
}

fn of_head(head: &[u8], is_known: &dyn Fn(&str) -> bool) -> u8 {
    let mut best = (0, b',');
    for mark in MARKS {
        let known = most_known(head, mark, is_known);
        if known > best.0 {
            best = (known, mark);
        }
    }
    if best.0 > 0 { best.1 } else { most_frequent(head) }
}

/// The number of known names in the row that has the most.
fn most_known(head: &[u8], mark: u8, is_known: &dyn Fn(&str) -> bool) -> usize {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(mark).has_headers(false).flexible(true).from_reader(head);
    let rows = reader.byte_records().take(ROWS).map_while(Result::ok);
    let known =
        |row: &csv::ByteRecord| row.iter().filter(|name| is_known(&String::from_utf8_lossy(name))).count();
    rows.map(|row| known(&row)).max().unwrap_or(0)
}

fn most_frequent(head: &[u8]) -> u8 {
    for line in head.split(|byte| *byte == b'\n').take(ROWS) {
        let mut counts = MARKS.map(|mark| (mark, 0));
        let mut quoted = false;
        for byte in line {
            quoted ^= *byte == b'"';
            if !quoted && let Some((_, count)) = counts.iter_mut().find(|(mark, _)| mark == byte) {
                *count += 1;
            }
        }
        let most = counts.iter().rev().max_by_key(|(_, count)| *count);
        if let Some((mark, _)) = most.filter(|(_, count)| *count > 0) {
            return *mark;
        }
    }
    b','
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_of_known_names_decides() {
        let is_known = |name: &str| ["phone", "name", "birthday"].contains(&name.trim());
        for (head, mark) in [
            ("phone,name,birthday,kind(A|B|C|D|E)\n1,2,3,A\n", b','),
            ("Notice; tax, water; 2026\nphone,name\n", b','),
            ("a, b, c, d\nphone\tname\n", b'\t'),
            ("phone;name;\"a,b,c,d,e\"\n", b';'),
            ("phone|name|birthday\n1|2|3\n", b'|'),
            ("x;y;z\n1,2;3\n", b';'),
            ("title\nx,y\n", b','),
            ("phone\n", b','),
            ("", b','),
        ] {
            assert_eq!(of_head(head.as_bytes(), &is_known), mark, "{head:?}");
        }
    }
}
