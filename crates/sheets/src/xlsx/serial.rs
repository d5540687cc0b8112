//! Spreadsheet dates: serial day numbers, with the time as a fraction.

use jiff::civil::{Date, DateTime, Time};

/// The date and time of a serial number, to the second; `None` if it is out of range.
pub(super) fn moment_of(number: f64, from_1904: bool) -> Option<DateTime> {
    if !(0.0..2_958_466.0).contains(&number) || (number < 1.0 && !from_1904) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, reason = "less than three million days")]
    let (mut day, mut second) = (number.floor() as i64, (number.fract() * 86_400.0).round() as i64);
    if second == 86_400 {
        (day, second) = (day + 1, 0);
    }
    // 1900 was not a leap year, but Excel counts 29 February 1900.
    let origin = match (from_1904, day) {
        (true, _) => Date::constant(1904, 1, 1),
        (false, 60) => return None,
        (false, ..60) => Date::constant(1899, 12, 31),
        (false, _) => Date::constant(1899, 12, 30),
    };
    let date = origin.checked_add(jiff::Span::new().try_days(day).ok()?).ok()?;
    let time = Time::midnight().checked_add(jiff::Span::new().try_seconds(second).ok()?).ok()?;
    Some(date.to_datetime(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_excel_counts_them() {
        assert_eq!(moment_of(46_387.75, false), Some(jiff::civil::date(2026, 12, 31).at(18, 0, 0, 0)));
        assert_eq!(moment_of(1.0, false), Some(jiff::civil::date(1900, 1, 1).at(0, 0, 0, 0)));
        assert_eq!(moment_of(61.0, false), Some(jiff::civil::date(1900, 3, 1).at(0, 0, 0, 0)));
        assert_eq!(moment_of(0.0, true), Some(jiff::civil::date(1904, 1, 1).at(0, 0, 0, 0)));
        assert_eq!(moment_of(0.75, false), None);
    }
}
