//! Repairs the values that spreadsheet programs alter, if the original is certain.

use jiff::civil::{Date, DateTime};
use seoham_model::identity::{self, BirthCentury, date_of};
use seoham_model::{Text, UnixSeconds};

use crate::{Cell, Repair};

/// A value and its repairs; or the error, which does not contain the value.
pub(crate) type Mended<T> = Result<(T, Vec<Repair>), Text>;

fn mended<T>(read: identity::Mended<T>) -> Mended<T> {
    read.map(|(value, mended)| (value, mended.into_iter().map(Repair::from).collect()))
}

/// Converts digits of any width to ASCII, and removes the apostrophe that marks a number as text.
fn ascii_digits(text: &str) -> String {
    let digit = |c: char| match c {
        '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10).unwrap_or(c),
        '－' | '‐' | '‑' | '–' | '—' => '-',
        c => c,
    };
    text.trim_start_matches(['\'', '’']).chars().map(digit).collect()
}

/// A telephone number as digits.
pub(crate) fn phone_number(cell: &Cell) -> Mended<String> {
    if cell.lost_digits() {
        return Err(Text::fixed(
            "지수 표기(1.0E+10)로 바뀌어 뒷자리를 알 수 없습니다. 셀 서식을 텍스트로 바꾸어 다시 입력해 주십시오",
            "became an exponent (1.0E+10), and its last digits are lost; format the column as text and enter it again",
        ));
    }
    // The displayed form may be that of a telephone number; otherwise the plain digits count.
    if let Some(shown) = cell.form()
        && let Ok(read) = mended(identity::phone_number(shown))
    {
        return Ok(read);
    }
    if cell.number().is_some_and(|number| number < 0.0 || number.fract() != 0.0) {
        return Err(Text::fixed("전화번호가 아닌 숫자입니다", "is a number that is no telephone number"));
    }
    mended(identity::phone_number(&cell.digits().unwrap_or_else(|| cell.shown())))
}

/// A birthday as `YYYYMMDD`.
pub(crate) fn birthday(cell: &Cell, century: Option<BirthCentury>) -> Mended<String> {
    if let Some(moment) = cell.moment() {
        let date = moment.date();
        let digits = format!("{:04}{:02}{:02}", date.year(), date.month(), date.day());
        let repairs = if digits == cell.shown() { Vec::new() } else { vec![Repair::Date] };
        return Ok((digits, repairs));
    }
    // If the number is displayed with six digits, those count; otherwise its own digits do, whatever
    // separators are displayed.
    if let Some(shown) = cell.form()
        && let Ok(read) = mended(identity::birthday(shown, century))
    {
        return Ok(read);
    }
    mended(identity::birthday(&cell.digits().unwrap_or_else(|| cell.shown()), century))
}

/// A person's name.
pub(crate) fn name(cell: &Cell) -> Mended<String> {
    let (text, mut repairs) = text(cell)?;
    let (name, mended) = identity::name(&text);
    repairs.extend(mended.into_iter().map(Repair::from));
    Ok((name, repairs))
}

/// The institution's page, with Hangul encoded.
pub(crate) fn link(cell: &Cell) -> Mended<String> {
    let (text, mut repairs) = text(cell)?;
    match seoham_model::link::encoded(&text) {
        None => Ok((text, repairs)),
        Some(encoded) => {
            repairs.push(Repair::Link);
            Ok((encoded, repairs))
        }
    }
}

/// The end of the day in a cell, in Seoul, or the exact time if there is one; ten digits are Unix seconds.
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
                // Ten digits can also be a date and an hour.
                let hour = shown[8..].parse::<u32>().is_ok_and(|hour| hour < 24);
                if hour && date_of(&shown[..8]).is_some() {
                    return Err(uncertain());
                }
                return shown
                    .parse()
                    .map(|seconds| (UnixSeconds(seconds), Vec::new()))
                    .map_err(|_| uncertain());
            }
            let (date, rest) = date_of(&shown).ok_or_else(uncertain)?;
            match rest.as_slice() {
                // CSV exports may append a zero time to a plain date.
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
    Ok((UnixSeconds(at), vec![Repair::Date]))
}

fn end_of(date: Date) -> Option<DateTime> {
    date_with(date, 23, 59, 59)
}

fn date_with(date: Date, hour: u32, minute: u32, second: u32) -> Option<DateTime> {
    let small = |n: u32| i8::try_from(n).ok();
    let time = jiff::civil::Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?;
    Some(date.to_datetime(time))
}

/// A Boolean.
pub(crate) fn flag(cell: &Cell) -> Mended<bool> {
    let shown = cell.digits().unwrap_or_else(|| cell.shown()).to_lowercase();
    match shown.as_str() {
        "true" | "y" | "yes" | "o" | "1" | "예" | "네" => Ok((true, Vec::new())),
        "false" | "n" | "no" | "x" | "0" | "아니오" | "아니요" => Ok((false, Vec::new())),
        _ => Err(Text::fixed("예/아니오(Y/N)가 아닙니다", "is neither yes nor no (Y/N)")),
    }
}

/// A whole number of seconds or days.
pub(crate) fn whole(cell: &Cell) -> Mended<u32> {
    let shown = ascii_digits(&cell.digits().unwrap_or_else(|| cell.shown())).replace(',', "");
    let shown = shown.trim_end_matches(['일', '초']).trim();
    shown
        .parse()
        .map(|number| (number, Vec::new()))
        .map_err(|_| Text::fixed("정수가 아닙니다", "is no whole number"))
}

/// Text, as it is sent.
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
        return Ok((shown, Vec::from_iter(as_shown.then_some(Repair::AsShown))));
    }
    if shown.contains('\r') {
        return Ok((shown.replace("\r\n", "\n").replace('\r', "\n"), vec![Repair::LineBreaks]));
    }
    Ok((shown, Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Formatted;

    fn text_cell(text: &str) -> Cell {
        Cell::of_text(text)
    }

    #[test]
    fn telephone_numbers_of_cells_are_their_digits() {
        let formatted = |number: f64, shown: Option<&str>| {
            Cell::Formatted(Box::new(Formatted {
                number,
                moment: None,
                shown: shown.map(str::to_owned),
                form: None,
            }))
        };
        for cell in [
            Cell::Number(1_012_345_678.0),
            formatted(1_012_345_678.0, Some("010-1234-5678")),
            formatted(1_012_345_678.0, Some("01012345678")),
            formatted(1_012_345_678.0, Some("1,012,345,678")),
            formatted(1_012_345_678.0, None),
            text_cell("010-1234-5678"),
        ] {
            assert_eq!(
                phone_number(&cell).map(|(digits, _)| digits).as_deref(),
                Ok("01012345678"),
                "{cell:?}"
            );
        }
        for cell in [
            Cell::Number(1_012_345_678.5),
            Cell::Number(-1.0),
            text_cell("1.01235E+09"),
            formatted(1_012_345_678.4, Some("1012345678")),
        ] {
            let kept = matches!(&cell, Cell::Formatted(f) if f.shown.as_deref() == Some("1012345678"));
            assert!(kept || phone_number(&cell).is_err(), "{cell:?}");
        }
    }

    #[test]
    fn birthdays_of_cells_are_dates_or_their_digits() {
        let read = |cell: &Cell| birthday(cell, None).ok().map(|(digits, _)| digits);
        let date = Cell::Moment(jiff::civil::date(1990, 1, 1).at(0, 0, 0, 0));
        let number = |number: f64, shown: &str| {
            Cell::Formatted(Box::new(Formatted {
                number,
                moment: None,
                shown: Some(shown.to_owned()),
                form: None,
            }))
        };
        for cell in [
            date,
            text_cell("1990-01-01"),
            Cell::Number(19_900_101.0),
            number(19_900_101.0, "19,900,101"),
            number(9_001_011_234_567.0, "900101-1234567"),
        ] {
            assert_eq!(read(&cell).as_deref(), Some("19900101"), "{cell:?}");
        }
        assert_eq!(read(&Cell::Number(32_874.0)), None, "a serial number is not certainly a date");
        assert_eq!(read(&number(50_101.0, "050101")), None);
        let century = Some(BirthCentury::Twenty);
        assert_eq!(birthday(&number(50_101.0, "050101"), century).map(|(d, _)| d).as_deref(), Ok("20050101"));
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
