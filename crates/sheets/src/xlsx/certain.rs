//! Decides which number formats the rendering library is trusted with: those whose result does not depend on
//! the column width or the system's settings, and for which the library and Excel agree.

use ssfmt::NumberFormat;
use ssfmt::ast::{AmPmStyle, DatePart, FormatPart, Section};

/// Languages whose month and day names are rendered.
const ENGLISH: u32 = 0x0409;
const KOREAN: u32 = 0x0412;
/// Below this, Excel displays an unformatted number with all of its digits.
const GENERAL_BELOW: f64 = 1e11;
/// The maximum number of decimals that the library renders.
const DECIMALS_MAX: usize = 10;

/// Whether the display of a section depends only on the number.
pub(super) fn is_certain(section: &Section, korean: bool) -> bool {
    use DatePart::{
        Day, Day2, DayAbbr, DayFull, Hour, Hour2, Minute, Minute2, Month, Month2, MonthAbbr, MonthFull,
        Second, Second2, SubSecond, Year2, Year4,
    };
    if section.metadata.is_hijri || !tells_months_from_minutes(section) {
        return false;
    }
    // A trailing comma divides by a thousand, and the library does not round that.
    let mut behind = section
        .parts
        .iter()
        .rev()
        .skip_while(|part| !matches!(part, FormatPart::Digit(_) | FormatPart::ThousandsSeparator));
    if matches!(behind.next(), Some(FormatPart::ThousandsSeparator)) {
        return false;
    }
    // A comma directly before the decimal point does too.
    let scales =
        |pair: &[FormatPart]| matches!(pair, [FormatPart::ThousandsSeparator, FormatPart::DecimalPoint]);
    if section.parts.windows(2).any(scales) {
        return false;
    }
    let is_date = section.has_date_parts();
    section.parts.iter().all(|part| match part {
        FormatPart::Literal(text) => !korean || !text.contains(['A', 'P']),
        FormatPart::DatePart(part) => match part {
            Year2 | Year4 | Month | Month2 | Day | Day2 | Hour | Hour2 | Minute | Minute2 | Second
            | Second2 | SubSecond(_) => true,
            // Names are in English, unless the format specifies Korean.
            MonthAbbr | MonthFull | DayAbbr | DayFull => !korean,
            _ => false,
        },
        FormatPart::AmPm(style) => *style == AmPmStyle::Upper,
        FormatPart::Locale(locale) => {
            locale.currency.is_some() || locale.lcid.is_none_or(|lcid| [ENGLISH, KOREAN].contains(&lcid))
        }
        // A blank fill character displays nothing.
        FormatPart::Fill(filler) => *filler == ' ',
        FormatPart::Scientific { .. } | FormatPart::Fraction { .. } => false,
        // In dates and times, the library does not render blanks and digits as Excel does.
        FormatPart::Skip(_) | FormatPart::Digit(_) | FormatPart::Percent | FormatPart::GeneralNumber => {
            !is_date
        }
        _ => true,
    })
}

/// Whether every `m` is interpreted as in Excel: minutes next to hours or seconds, regardless of literals
/// between them, and months everywhere else.
fn tells_months_from_minutes(section: &Section) -> bool {
    use DatePart::{Hour, Hour2, Minute, Minute2, Month, Month2, Second, Second2, SubSecond};
    let parts: Vec<&FormatPart> = section
        .parts
        .iter()
        .filter(|part| matches!(part, FormatPart::DatePart(_) | FormatPart::Elapsed(_)))
        .collect();
    parts.iter().enumerate().all(|(at, part)| {
        let FormatPart::DatePart(kind @ (Month | Month2 | Minute | Minute2)) = part else { return true };
        let after_hour = at.checked_sub(1).is_some_and(|before| {
            matches!(parts[before], FormatPart::DatePart(Hour | Hour2) | FormatPart::Elapsed(_))
        });
        let before_second = parts
            .get(at + 1)
            .is_some_and(|next| matches!(next, FormatPart::DatePart(Second | Second2 | SubSecond(_))));
        matches!(kind, Minute | Minute2) == (after_hour || before_second)
    })
}

/// The number to pass to the library so that it displays the same as Excel; `None` if that is not certain.
/// Excel rounds half away from zero, from the fifteen significant digits of a number; the library rounds the
/// binary fraction.
pub(super) fn as_shown(format: &NumberFormat, number: f64) -> Option<f64> {
    let sections = format.sections();
    if sections.iter().any(|section| section.condition.is_some()) {
        // The section selection and sign for a negative number or a fraction are not certain.
        let holds = |section: &Section| section.condition.is_none_or(|condition| condition.evaluate(number));
        let is_plain = number >= 0.0 && number.fract() == 0.0;
        return (is_plain && sections.iter().any(holds)).then_some(number);
    }
    let section = match sections {
        [_, negative, ..] if number < 0.0 => negative,
        [_, _, zero, ..] if number == 0.0 => zero,
        [first, ..] => first,
        [] => return None,
    };
    if section.has_date_parts() {
        return Some(number);
    }
    // A text section displays numbers differently.
    if section.has_text_placeholder() {
        return None;
    }
    let has = |wanted: &FormatPart| section.parts.contains(wanted);
    if has(&FormatPart::GeneralNumber) {
        let is_plain = number.fract() == 0.0 && (0.0..GENERAL_BELOW).contains(&number);
        return is_plain.then_some(number);
    }
    // The position of the sign among literals of a single section is not certain.
    let has_literals = section
        .parts
        .iter()
        .any(|part| matches!(part, FormatPart::Literal(_) | FormatPart::EscapedLiteral(_)));
    if number < 0.0 && sections.len() == 1 && has_literals {
        return None;
    }
    let behind_point = section.parts.iter().skip_while(|part| **part != FormatPart::DecimalPoint);
    let digits = behind_point.filter(|part| matches!(part, FormatPart::Digit(_))).count();
    let percents = section.parts.iter().filter(|part| **part == FormatPart::Percent).count();
    if digits > DECIMALS_MAX {
        return None;
    }
    let rounded = rounded(number, digits + 2 * percents)?;
    // A number rounded to zero may keep its sign, or its section.
    if rounded == 0.0 && number != 0.0 && (number < 0.0 || sections.len() > 2) { None } else { Some(rounded) }
}

/// `number` with fifteen significant digits, rounded half away from zero to `decimals` decimals.
fn rounded(number: f64, decimals: usize) -> Option<f64> {
    let written = format!("{:.14e}", number.abs());
    let (mantissa, exponent) = written.split_once('e')?;
    let digits: u64 = mantissa.replace('.', "").parse().ok()?;
    let (exponent, decimals) = (exponent.parse::<i32>().ok()?, i32::try_from(decimals).ok()?);
    let dropped = 14 - exponent - decimals;
    let text = match u32::try_from(dropped) {
        Ok(dropped @ 1..=15) => {
            let unit = 10_u64.pow(dropped);
            format!("{}e-{decimals}", (digits + unit / 2) / unit)
        }
        Ok(16..) => "0".to_owned(),
        _ => written,
    };
    let rounded: f64 = text.parse().ok()?;
    Some(rounded.copysign(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::float_cmp, reason = "the very number is meant")]
    fn numbers_are_rounded_as_they_are_written() {
        for (number, decimals, expected) in [
            (1.005, 2, 1.01),
            (0.285, 2, 0.29),
            (-1.005, 2, -1.01),
            (2.5, 0, 3.0),
            (0.5, 0, 1.0),
            (0.499_999, 0, 0.0),
            (0.1 + 0.2, 15, 0.3),
            (123_456_789.0, 0, 123_456_789.0),
            (1e-20, 2, 0.0),
            (9.995, 2, 10.0),
            (0.0, 2, 0.0),
        ] {
            assert_eq!(rounded(number, decimals), Some(expected), "{number}");
        }
    }
}
