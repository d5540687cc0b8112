//! Korean weekday names in formats, which the rendering library does not support.

use jiff::civil::DateTime;

/// Placeholders for the weekday's short and full name while a format is rendered.
const WEEKDAY_SHORT: char = '\u{e000}';
const WEEKDAY_FULL: char = '\u{e001}';
const WEEKDAYS: [&str; 7] = ["월", "화", "수", "목", "금", "토", "일"];

/// A format code with placeholders for weekday names: `aaa`, `aaaa`, and `ddd`, `dddd` if the format is
/// Korean.
pub(super) fn marked(code: &str, korean: bool) -> String {
    let characters: Vec<char> = code.chars().collect();
    let mut out = String::with_capacity(code.len());
    let mut at = 0;
    while let Some(c) = characters.get(at).copied() {
        let from = at;
        match c {
            '"' => at = end_of(&characters, at + 1, '"'),
            '[' => at = end_of(&characters, at + 1, ']'),
            '\\' | '_' | '*' => at = (at + 2).min(characters.len()),
            'a' | 'A' | 'd' | 'D' => {
                let same = |other: &char| other.eq_ignore_ascii_case(&c);
                let length = characters[at..].iter().take_while(|other| same(other)).count();
                at += length;
                let is_day = c.eq_ignore_ascii_case(&'a') || korean;
                let sign = match length {
                    3 if is_day => Some(WEEKDAY_SHORT),
                    4 if is_day => Some(WEEKDAY_FULL),
                    _ => None,
                };
                if let Some(sign) = sign {
                    out.extend(['"', sign, '"']);
                    continue;
                }
            }
            _ => at += 1,
        }
        out.extend(&characters[from..at]);
    }
    out
}

/// The position after the next `mark`.
fn end_of(characters: &[char], from: usize, mark: char) -> usize {
    let length = characters[from..].iter().position(|c| *c == mark);
    length.map_or(characters.len(), |length| from + length + 1)
}

/// Whether a rendered text contains weekday placeholders.
pub(super) fn are_in(shown: &str) -> bool {
    shown.contains([WEEKDAY_SHORT, WEEKDAY_FULL])
}

/// A rendered text with the placeholders replaced by the weekday's names.
pub(super) fn named(shown: &str, moment: DateTime) -> String {
    let name =
        usize::try_from(moment.weekday().to_monday_zero_offset()).ok().and_then(|day| WEEKDAYS.get(day));
    let name = name.copied().unwrap_or_default();
    shown.replace(WEEKDAY_SHORT, name).replace(WEEKDAY_FULL, &format!("{name}요일"))
}
