//! Mending what spreadsheet programs do to values, where it is certain what stood there.

use jiff::civil::{Date, DateTime};
use seoham_model::{Text, UnixSeconds};

use crate::{Cell, Repair};

/// A value, and what was mended in it; or what is wrong, said without the value.
pub(crate) type Mended<T> = Result<(T, Option<Repair>), Text>;

/// Digits in any width as ASCII, without the apostrophe that marks a number as text.
fn ascii_digits(text: &str) -> String {
    text.trim_start_matches(['\'', '’'])
        .chars()
        .map(|c| match c {
            '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10).unwrap_or(c),
            '－' | '‐' | '‑' | '–' | '—' => '-',
            c => c,
        })
        .collect()
}

/// A telephone number in digits.
pub(crate) fn phone_number(cell: &Cell) -> Mended<String> {
    // A form that a number is shown in can be that of a telephone number; if it is another, the digits count.
    if let Cell::Formatted(formatted) = cell {
        let shown = formatted.shown.clone().map(Cell::Text);
        let number = Cell::Number(formatted.number);
        return match shown.map(|shown| phone_number(&shown)) {
            Some(Ok(mended)) => Ok(mended),
            _ => phone_number(&number),
        };
    }
    let written = ascii_digits(&cell.shown());
    if matches!(cell, Cell::Number(number) if *number < 0.0 || number.fract() != 0.0) {
        return Err(Text::fixed("전화번호가 아닌 숫자입니다", "is a number that is no telephone number"));
    }
    if cell.lost_digits() {
        return Err(Text::fixed(
            "지수 표기(1.0E+10)로 바뀌어 뒷자리를 알 수 없습니다. 셀 서식을 텍스트로 바꾸어 다시 입력해 주십시오",
            "became an exponent (1.0E+10), and its last digits are lost; format the column as text and enter it again",
        ));
    }
    if is_decimal(&written) {
        return Err(Text::fixed("전화번호가 아닌 숫자입니다", "is a number that is no telephone number"));
    }
    let international = written.strip_prefix("+82").or_else(|| written.strip_prefix("82-"));
    let rest = international.unwrap_or(&written);
    let unusual = |c: char| !c.is_ascii_digit() && !matches!(c, '-' | '.' | ' ' | '(' | ')' | '\u{a0}');
    if rest.contains(unusual) {
        return Err(Text::fixed(
            "전화번호가 아닌 글자가 있습니다",
            "holds something that is no telephone number",
        ));
    }
    let mut digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let mut repair = (digits != cell.shown()).then_some(Repair::Separators);
    if international.is_some() {
        digits = format!("0{}", digits.trim_start_matches('0'));
    } else if is_mobile_without_zero(&digits) {
        digits.insert(0, '0');
        repair = Some(Repair::LeadingZero);
    }
    if !(digits.starts_with('0') && (10..=11).contains(&digits.len())) {
        return Err(Text::fixed(
            "0으로 시작하는 10~11자리 전화번호가 아닙니다",
            "is no telephone number of 10 or 11 digits that begins with 0",
        ));
    }
    Ok((digits, repair))
}

/// A point that is the only mark is that of a fraction, and separates nothing: `1012345678.0`.
fn is_decimal(written: &str) -> bool {
    let marks = written.chars().filter(|c| !c.is_ascii_digit()).count();
    marks == 1 && written.contains('.')
}

/// No Korean number begins with 1 and has 9 or 10 digits: a mobile one that was taken for a number
/// has lost its zero.
fn is_mobile_without_zero(digits: &str) -> bool {
    let new = digits.starts_with("10") && digits.len() == 10;
    let old = ["11", "16", "17", "18", "19"].iter().any(|prefix| digits.starts_with(prefix))
        && (9..=10).contains(&digits.len());
    new || old
}

/// A birthday as `YYYYMMDD`.
pub(crate) fn birthday(cell: &Cell) -> Mended<String> {
    let uncertain = || {
        Text::fixed(
            "네 자리 연도가 있는 날짜(1990-01-01)가 아니어서 확실하지 않습니다",
            "is no date with a year of four digits (1990-01-01), so it is not certain",
        )
    };
    let date = match (cell.moment(), cell) {
        (Some(moment), _) => moment.date(),
        (None, Cell::Text(_) | Cell::Number(_) | Cell::Formatted(_)) => {
            // The digits of a number, whatever marks it is shown with.
            let written = cell.digits().unwrap_or_else(|| cell.shown());
            let (date, rest) = date_of(&ascii_digits(&written)).ok_or_else(uncertain)?;
            if rest.iter().any(|part| *part != 0) {
                return Err(uncertain());
            }
            date
        }
        _ => return Err(uncertain()),
    };
    let digits = format!("{:04}{:02}{:02}", date.year(), date.month(), date.day());
    let repair = (digits != cell.shown()).then_some(Repair::Date);
    Ok((digits, repair))
}

/// The end of the day that a cell names, in Seoul, or the moment if it has a time; ten digits are
/// Unix seconds.
pub(crate) fn deadline(cell: &Cell) -> Mended<UnixSeconds> {
    let uncertain = || {
        Text::fixed(
            "날짜(2026-12-31), 일시(2026-12-31 18:00) 또는 10자리 유닉스 초가 아닙니다",
            "is no date (2026-12-31), date with time (2026-12-31 18:00) or Unix time of 10 digits",
        )
    };
    let moment = match (cell.moment(), cell) {
        (Some(moment), _) if moment.time() == jiff::civil::Time::midnight() => end_of(moment.date()),
        (Some(moment), _) => Some(moment),
        (None, Cell::Text(_) | Cell::Number(_) | Cell::Formatted(_)) => {
            let shown = ascii_digits(&cell.digits().unwrap_or_else(|| cell.shown()));
            if shown.len() == 10 && shown.bytes().all(|b| b.is_ascii_digit()) {
                // Ten digits can also be a day and an hour.
                let hour = shown[8..].parse::<u32>().is_ok_and(|hour| hour < 24);
                if hour && date_of(&shown[..8]).is_some() {
                    return Err(uncertain());
                }
                return shown.parse().map(|seconds| (UnixSeconds(seconds), None)).map_err(|_| uncertain());
            }
            let (date, rest) = date_of(&shown).ok_or_else(uncertain)?;
            match rest.as_slice() {
                // What a CSV makes of a date alone.
                [] | [0, 0] | [0, 0, 0] => end_of(date),
                [hour, minute] => date_with(date, *hour, *minute, 0),
                [hour, minute, second] => date_with(date, *hour, *minute, *second),
                _ => None,
            }
        }
        _ => None,
    };
    let moment = moment.ok_or_else(uncertain)?;
    let seoul = jiff::tz::TimeZone::fixed(jiff::tz::offset(9));
    let at = moment.to_zoned(seoul).map_err(|_| uncertain())?.timestamp().as_second();
    Ok((UnixSeconds(at), Some(Repair::Date)))
}

fn end_of(date: Date) -> Option<DateTime> {
    date_with(date, 23, 59, 59)
}

fn date_with(date: Date, hour: u32, minute: u32, second: u32) -> Option<DateTime> {
    let small = |n: u32| i8::try_from(n).ok();
    let time = jiff::civil::Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?;
    Some(date.to_datetime(time))
}

/// The date that a text begins with, year first, and the numbers that follow it.
fn date_of(text: &str) -> Option<(Date, Vec<u32>)> {
    let known =
        |c: char| c.is_ascii_digit() || matches!(c, '-' | '.' | '/' | ':' | ' ' | 'T' | '년' | '월' | '일');
    if !text.chars().all(known) {
        return None;
    }
    let mut groups = text.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty());
    let first = groups.next()?;
    let (year, month, day) = match first.len() {
        8 => (&first[..4], &first[4..6], &first[6..]),
        4 => {
            let (month, day) = (groups.next()?, groups.next()?);
            (month.len() <= 2 && day.len() <= 2).then_some((first, month, day))?
        }
        _ => return None,
    };
    let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()?;
    let rest = groups.map(|group| group.parse().ok()).collect::<Option<Vec<u32>>>()?;
    Some((date, rest))
}

/// Yes or no.
pub(crate) fn flag(cell: &Cell) -> Mended<bool> {
    let shown = cell.digits().unwrap_or_else(|| cell.shown()).to_lowercase();
    match shown.as_str() {
        "true" | "y" | "yes" | "o" | "1" | "예" | "네" => Ok((true, None)),
        "false" | "n" | "no" | "x" | "0" | "아니오" | "아니요" => Ok((false, None)),
        _ => Err(Text::fixed("예/아니오(Y/N)가 아닙니다", "is neither yes nor no (Y/N)")),
    }
}

/// A whole number of seconds or days.
pub(crate) fn whole(cell: &Cell) -> Mended<u32> {
    let shown = ascii_digits(&cell.digits().unwrap_or_else(|| cell.shown())).replace(',', "");
    let shown = shown.trim_end_matches(['일', '초']).trim();
    shown
        .parse()
        .map(|number| (number, None))
        .map_err(|_| Text::fixed("정수가 아닙니다", "is no whole number"))
}

/// Text as it is to be sent.
pub(crate) fn text(cell: &Cell) -> Mended<String> {
    if cell.lost_digits() {
        return Err(Text::fixed(
            "숫자가 너무 길어 뒷자리가 바뀌었을 수 있습니다. 셀 서식을 텍스트로 바꾸어 다시 입력해 주십시오",
            "is a number that is too long, whose last digits may be lost; format the column as text and enter it again",
        ));
    }
    let shown = cell.shown();
    if let Cell::Formatted(formatted) = cell {
        if formatted.shown.is_none() {
            return Err(Text::fixed(
                "셀에 표시되는 모양을 그대로 옮길 수 없는 표시 형식입니다. 셀 서식을 텍스트로 바꾸어 보이는 대로 다시 입력해 주십시오",
                "has a number format whose result cannot be told; format the column as text and enter what is to be seen",
            ));
        }
        let as_shown = cell.digits().is_some_and(|digits| digits != shown);
        return Ok((shown, as_shown.then_some(Repair::AsShown)));
    }
    if shown.contains('\r') {
        return Ok((shown.replace("\r\n", "\n").replace('\r', "\n"), Some(Repair::LineBreaks)));
    }
    Ok((shown, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_cell(text: &str) -> Cell {
        Cell::of_text(text)
    }

    #[test]
    fn telephone_numbers_are_mended_where_it_is_certain() {
        let mended = |cell: Cell| phone_number(&cell).ok();
        let zero = Some(Repair::LeadingZero);
        let marks = Some(Repair::Separators);
        for (cell, digits, repair) in [
            (text_cell("01012345678"), "01012345678", None),
            (text_cell("010-1234-5678"), "01012345678", marks),
            (text_cell("010 1234.5678"), "01012345678", marks),
            (text_cell("'01012345678"), "01012345678", marks),
            (text_cell("０１０－１２３４－５６７８"), "01012345678", marks),
            (Cell::Number(1_012_345_678.0), "01012345678", zero),
            (text_cell("1012345678"), "01012345678", zero),
            (text_cell("10-1234-5678"), "01012345678", zero),
            (Cell::Number(162_345_678.0), "0162345678", zero),
            (text_cell("+82-10-1234-5678"), "01012345678", marks),
            (text_cell("+82 010-1234-5678"), "01012345678", marks),
            (text_cell("02-123-4567"), "021234567", marks),
        ] {
            let expected = (10..=11).contains(&digits.len()).then(|| (digits.to_owned(), repair));
            assert_eq!(mended(cell.clone()), expected, "{cell:?}");
        }
        for uncertain in
            ["1.01235E+09", "21234567", "12345", "010-1234-567x", "홍길동", "", "0101234567890", "2012345678"]
        {
            assert_eq!(mended(text_cell(uncertain)), None, "{uncertain}");
        }
    }

    #[test]
    fn birthdays_are_mended_where_it_is_certain() {
        let mended = |cell: &Cell| birthday(cell).ok().map(|(digits, _)| digits);
        let date = Cell::Moment(jiff::civil::date(1990, 1, 1).at(0, 0, 0, 0));
        for cell in [
            date,
            text_cell("19900101"),
            Cell::Number(19_900_101.0),
            text_cell("1990-01-01"),
            text_cell("1990.1.1."),
            text_cell("1990/01/01 00:00:00"),
            text_cell("1990년 1월 1일"),
        ] {
            assert_eq!(mended(&cell).as_deref(), Some("19900101"), "{cell:?}");
        }
        for uncertain in
            ["900101", "90-01-01", "1/2/1990", "32874", "19901301", "1990-01", "1990-1-1 13:30", "모름"]
        {
            assert_eq!(mended(&text_cell(uncertain)), None, "{uncertain}");
        }
        assert_eq!(mended(&Cell::Number(32_874.0)), None, "a serial number is not certainly a date");
    }

    #[test]
    fn deadlines_end_with_their_day_in_seoul() {
        let at = |cell: &Cell| deadline(cell).ok().map(|(moment, _)| moment.0);
        let end = Some(1_798_729_199);
        assert_eq!(at(&text_cell("2026-12-31")), end);
        assert_eq!(at(&text_cell("20261231")), end);
        assert_eq!(at(&Cell::Moment(jiff::civil::date(2026, 12, 31).at(0, 0, 0, 0))), end);
        assert_eq!(at(&text_cell("2026.12.31 18:00")), Some(1_798_707_600));
        assert_eq!(at(&text_cell("1798729199")), end);
        assert_eq!(at(&text_cell("2026-12-31 0:00")), end);
        for uncertain in ["2026123118", "31/12/2026", "2026-12", "2026-12-31 25:00", "다음 달"] {
            assert_eq!(at(&text_cell(uncertain)), None, "{uncertain}");
        }
    }
}
