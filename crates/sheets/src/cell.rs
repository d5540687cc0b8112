//! The value of a cell.

use std::sync::Arc;

use jiff::civil::DateTime;

/// A cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Cell {
    /// Nothing.
    #[default]
    Empty,
    /// Text, trimmed.
    Text(String),
    /// A number, as the spreadsheet program interpreted the input.
    Number(f64),
    /// A Boolean.
    Flag(bool),
    /// A date, with or without a time.
    Moment(DateTime),
    /// A number that is displayed in another form than its digits.
    Formatted(Box<Formatted>),
    /// A formula error, such as `#N/A`.
    Failed(String),
    /// A formula whose cached value is stale, according to the workbook.
    Stale,
}

/// A number, and its displayed form.
#[derive(Clone, Debug, PartialEq)]
pub struct Formatted {
    /// The number.
    pub number: f64,
    /// The date and time, if it has a date format.
    pub moment: Option<DateTime>,
    /// The displayed text; `None` if unknown.
    pub shown: Option<String>,
    /// The number format for writing it again with the same display; `None` if there is none that every
    /// program interprets in the same way.
    pub(crate) form: Option<NumberForm>,
}

/// A number format of a workbook.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NumberForm {
    /// A built-in format, by its number.
    BuiltIn(u8),
    /// A custom format, by its code.
    Code(Arc<str>),
}

/// Marks a stale formula value in a result. When read again, it means the same.
const STALE: &str = "#STALE!";
/// Marks an unreadable value in a result. When read again, it is rejected again.
const UNREADABLE: &str = "#UNREADABLE!";

/// From this magnitude, a spreadsheet's number may no longer have the digits that were typed.
const DIGITS_LOST_FROM: f64 = 1e15;

impl Cell {
    /// A cell with this text; an empty text gives an empty cell.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { Self::Empty } else { Self::Text(text) }
    }

    /// A cell of a text file.
    pub(crate) fn of_text(text: &str) -> Self {
        let text = text.trim();
        // `="0101"` in a CSV prevents a spreadsheet program from interpreting text as a number.
        let kept = text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
        let text = kept.filter(|kept| !kept.contains('"')).unwrap_or(text).trim();
        if text.is_empty() {
            return Self::Empty;
        }
        // Formula errors as spreadsheet programs write them into a CSV.
        let failed = [
            "#N/A",
            "#REF!",
            "#NAME?",
            "#VALUE!",
            "#DIV/0!",
            "#NULL!",
            "#NUM!",
            "#SPILL!",
            "#CALC!",
            "#FIELD!",
            "#BLOCKED!",
            "#GETTING_DATA",
            UNREADABLE,
        ];
        if text == STALE {
            return Self::Stale;
        }
        // A number in a column that is too narrow is exported as it is displayed.
        let too_narrow = text.len() >= 3 && text.bytes().all(|b| b == b'#');
        if too_narrow || failed.contains(&text) {
            return Self::Failed(text.to_owned());
        }
        Self::Text(text.to_owned())
    }

    /// Its date and time, if it has one.
    pub(crate) fn moment(&self) -> Option<DateTime> {
        match self {
            Self::Moment(moment) => Some(*moment),
            Self::Formatted(formatted) => formatted.moment,
            _ => None,
        }
    }

    /// The displayed form of its number, if it has a known one.
    pub(crate) fn form(&self) -> Option<&str> {
        match self {
            Self::Formatted(formatted) => formatted.shown.as_deref(),
            _ => None,
        }
    }

    /// Its number, in any displayed form.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Formatted(formatted) => Some(formatted.number),
            _ => None,
        }
    }

    /// Its number's plain digits, regardless of the displayed form.
    pub(crate) fn digits(&self) -> Option<String> {
        self.number().map(shown_number)
    }

    /// An unreadable value: an error of its row, if the row needs it.
    pub(crate) fn unreadable() -> Self {
        Self::Failed(UNREADABLE.to_owned())
    }

    /// Whether the value is unreadable, now or in an earlier result.
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Failed(error) if error == UNREADABLE)
    }

    /// Its text for a new file: a rejected value stays in a form that is rejected when read again.
    pub(crate) fn rewritten(&self) -> String {
        let is_unknown = match self {
            Self::Failed(error) => !matches!(Self::of_text(error), Self::Failed(_)),
            Self::Formatted(formatted) => formatted.shown.is_none(),
            _ => false,
        };
        if is_unknown { UNREADABLE.to_owned() } else { self.shown() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::Empty
    }

    /// The cell as displayed.
    pub fn shown(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) | Self::Failed(text) => text.clone(),
            Self::Stale => STALE.to_owned(),
            Self::Number(number) => shown_number(*number),
            Self::Formatted(formatted) => formatted.shown.clone().unwrap_or_else(|| match formatted.moment {
                Some(moment) => Self::Moment(moment).shown(),
                None => shown_number(formatted.number),
            }),
            Self::Flag(flag) => if *flag { "TRUE" } else { "FALSE" }.to_owned(),
            Self::Moment(moment) if moment.time() == jiff::civil::Time::midnight() => {
                moment.date().to_string()
            }
            Self::Moment(moment) => format!("{} {}", moment.date(), moment.time()),
        }
    }

    /// Whether its number has lost digits: it is too large, or has an exponent.
    pub(crate) fn lost_digits(&self) -> bool {
        match self {
            Self::Number(number) => {
                number.abs() >= DIGITS_LOST_FROM
                    || (number.fract() != 0.0 && shown_number(*number).contains('E'))
            }
            Self::Formatted(formatted) => formatted.number.abs() >= DIGITS_LOST_FROM,
            Self::Text(text) => is_exponential(text),
            _ => false,
        }
    }
}

/// `1.23457E+18`, as spreadsheet programs write a long number into a CSV.
fn is_exponential(text: &str) -> bool {
    let Some((number, exponent)) = text.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let exponent = exponent.strip_prefix(['+', '-']);
    whole.len() == 1 && digits(whole) && digits(fraction) && exponent.is_some_and(digits)
}

fn shown_number(number: f64) -> String {
    // A fraction has as many digits as a spreadsheet program displays; an integer must have all of its
    // digits.
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    if rounded.fract() == 0.0 {
        return format!("{rounded}");
    }
    ssfmt::format_default(rounded, "General").unwrap_or_else(|_| rounded.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_they_were_typed() {
        for (number, shown) in [
            (20_260_001.0, "20260001"),
            (0.1, "0.1"),
            (-3.0, "-3"),
            (1e14, "100000000000000"),
            (84_500.0 * 1.1, "92950"),
            (1.0 / 3.0, "0.333333333"),
        ] {
            assert_eq!(Cell::Number(number).shown(), shown);
        }
        assert!(Cell::Number(1e15).lost_digits() && !Cell::Number(999_999_999_999_999.0).lost_digits());
    }

    #[test]
    fn failed_formulas_are_told_apart_from_text() {
        assert_eq!(Cell::of_text(" #N/A "), Cell::Failed("#N/A".to_owned()));
        assert_eq!(Cell::of_text("########"), Cell::Failed("########".to_owned()));
        assert!(Cell::of_text("1.23457E+18").lost_digits() && !Cell::of_text("12E+3").lost_digits());
        assert_eq!(Cell::of_text("#1호"), Cell::Text("#1호".to_owned()));
        for refused in [Cell::Stale, Cell::unreadable(), Cell::Failed("#FOO!".to_owned())] {
            let again = Cell::of_text(&refused.rewritten());
            assert!(matches!(again, Cell::Stale | Cell::Failed(_)), "{again:?} is refused again");
        }
        assert_eq!(Cell::of_text(" \u{a0}\t"), Cell::Empty);
        assert_eq!(Cell::of_text("=\"0101\""), Cell::Text("0101".to_owned()));
        assert_eq!(Cell::of_text("=\"a\"&\"b\""), Cell::Text("=\"a\"&\"b\"".to_owned()));
    }
}
