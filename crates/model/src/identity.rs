//! Normalises telephone numbers, birthdays and names as people write them, in one place for spreadsheets,
//! imports, sign-in and forms. Every correction is reported; ambiguous input is rejected. Documents on the
//! wire are not written by people: SPEC 4 defines their members strictly.

use jiff::civil::Date;

use crate::lang::Text;
use crate::visible::is_ignorable;

/// A correction of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mending {
    /// Invisible characters were removed.
    Invisible,
    /// Full-width characters were converted to half width.
    FullWidth,
    /// Separators in a telephone number were removed.
    Separators,
    /// The leading zero of a telephone number was restored.
    LeadingZero,
    /// A date was converted to the contract's format.
    Date,
    /// The century of a birthday was taken from the digit after it.
    CenturyByDigit,
    /// The century of a birthday was taken from the given rule.
    CenturyByRule,
}

/// A value and its corrections; or the error, which does not contain the value.
pub type Mended<T> = Result<(T, Vec<Mending>), Text>;

/// The century of two-digit years, as specified by the list's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BirthCentury {
    /// 1900 to 1999.
    Nineteen,
    /// 2000 to 2099.
    Twenty,
    /// Years up to this one are in the 2000s, all others in the 1900s.
    UpTo(u8),
}

impl BirthCentury {
    /// Parses `1900`, `2000`, or the last two-digit year that is in the 2000s.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "1900" => Some(Self::Nineteen),
            "2000" => Some(Self::Twenty),
            _ if text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().ok().map(Self::UpTo)
            }
            _ => None,
        }
    }

    fn of(self, year: u8) -> u16 {
        match self {
            Self::Nineteen => 1900,
            Self::Twenty => 2000,
            Self::UpTo(last) => {
                if year <= last {
                    2000
                } else {
                    1900
                }
            }
        }
    }
}

/// Text in half width, without invisible characters, and with one kind of dash.
fn normalize(text: &str) -> (String, Vec<Mending>) {
    // The common case: there is nothing to correct.
    if text.is_ascii() {
        return (text.trim().to_owned(), Vec::new());
    }
    let mut mended = Vec::new();
    let mut out = String::with_capacity(text.len());
    for c in text.trim().chars() {
        let normal = match c {
            _ if is_ignorable(c) => {
                mended.push(Mending::Invisible);
                continue;
            }
            '\u{ff01}'..='\u{ff5e}' => {
                mended.push(Mending::FullWidth);
                char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c)
            }
            '\u{3000}' | '\u{a0}' => ' ',
            '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' => '-',
            c => c,
        };
        out.push(normal);
    }
    mended.dedup();
    let trimmed = out.trim();
    (trimmed.to_owned(), mended)
}

/// A telephone number in 10 or 11 digits.
///
/// # Errors
/// Input that is not a telephone number, or not clearly one: a number with a fraction or an exponent, other
/// characters.
pub fn phone_number(text: &str) -> Mended<String> {
    let (written, mut mended) = normalize(text);
    // An apostrophe prevents a spreadsheet program from interpreting text as a number.
    let written = written.trim_start_matches(['\'', '’']);
    if is_decimal(written) {
        return Err(Text::fixed("전화번호가 아닌 숫자입니다", "is a number that is no telephone number"));
    }
    let international = written.strip_prefix("+82").or_else(|| written.strip_prefix("82-"));
    let rest = international.unwrap_or(written);
    if rest.contains(|c: char| !c.is_ascii_digit() && !matches!(c, '-' | '.' | ' ' | '(' | ')')) {
        return Err(Text::fixed(
            "전화번호가 아닌 글자가 있습니다",
            "holds something that is no telephone number",
        ));
    }
    let mut digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    if digits != written {
        mended.push(Mending::Separators);
    }
    if international.is_some() {
        digits = format!("0{}", digits.trim_start_matches('0'));
    } else if is_mobile_without_zero(&digits) {
        digits.insert(0, '0');
        mended.push(Mending::LeadingZero);
    }
    if digits.starts_with('0') && (10..=11).contains(&digits.len()) {
        return Ok((digits, mended));
    }
    Err(Text::fixed(
        "0으로 시작하는 10~11자리 전화번호가 아닙니다",
        "is no telephone number of 10 or 11 digits that begins with 0",
    ))
}

/// A dot that is the only separator is a decimal point: `1012345678.0`.
fn is_decimal(written: &str) -> bool {
    let marks = written.chars().filter(|c| !c.is_ascii_digit()).count();
    marks == 1 && written.contains('.')
}

/// No Korean number begins with 1 and has 9 or 10 digits: it is a mobile number that lost its zero when it
/// was interpreted as a number.
fn is_mobile_without_zero(digits: &str) -> bool {
    let new = digits.starts_with("10") && digits.len() == 10;
    let old = ["11", "16", "17", "18", "19"].iter().any(|prefix| digits.starts_with(prefix))
        && (9..=10).contains(&digits.len());
    new || old
}

/// A birthday as `YYYYMMDD`: a date with a four-digit year, or one with a two-digit year whose century
/// follows from the next digit, as in a resident registration number, or else from `century`.
///
/// # Errors
/// Input that is not a date, or not clearly one.
pub fn birthday(text: &str, century: Option<BirthCentury>) -> Mended<String> {
    let (written, mut mended) = normalize(text);
    let written = written.trim_start_matches(['\'', '’']);
    let date = match date_of(written) {
        Some((date, rest)) if rest.iter().all(|part| *part == 0) => Some(date),
        Some(_) => None,
        None => match short_date(written) {
            Some((short, Some(digit))) => {
                mended.push(Mending::CenturyByDigit);
                century_of(digit).and_then(|century| short.of(century))
            }
            Some((short, None)) => {
                let Some(century) = century else {
                    return Err(Text::fixed(
                        "6자리라 몇 년대인지 확실하지 않습니다. 네 자리 연도로 적거나 --birth-century를 정해 주십시오",
                        "has six digits, so its century is not certain; write the year in four digits or give --birth-century",
                    ));
                };
                mended.push(Mending::CenturyByRule);
                short.of(century.of(short.year))
            }
            None => None,
        },
    };
    let date = date.ok_or_else(|| {
        Text::fixed(
            "네 자리 연도가 있는 날짜(1990-01-01)가 아니어서 확실하지 않습니다",
            "is no date with a year of four digits (1990-01-01), so it is not certain",
        )
    })?;
    let digits = format!("{:04}{:02}{:02}", date.year(), date.month(), date.day());
    if digits != written {
        mended.push(Mending::Date);
    }
    Ok((digits, mended))
}

/// A date with a two-digit year.
struct ShortDate {
    year: u8,
    month: i8,
    day: i8,
}

impl ShortDate {
    fn of(&self, century: u16) -> Option<Date> {
        let year = i16::try_from(century + u16::from(self.year)).ok()?;
        Date::new(year, self.month, self.day).ok()
    }
}

/// `900101`, `90-01-01`, `90.1.1.`; optionally followed by a digit and anything after it, masked or not:
/// `900101-1******`.
fn short_date(text: &str) -> Option<(ShortDate, Option<char>)> {
    let is_mark = |c: char| matches!(c, '-' | '.' | '/' | ' ');
    let (date, rest) = text.split_at_checked(6)?;
    let short = |year: &str, month: &str, day: &str| {
        let (year, month, day) = (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
        Some(ShortDate { year, month, day })
    };
    if date.bytes().all(|b| b.is_ascii_digit()) {
        let date = short(&date[..2], &date[2..4], &date[4..])?;
        if rest.is_empty() {
            return Some((date, None));
        }
        let rest = rest.trim_start_matches('-');
        let digit = rest.chars().next().filter(char::is_ascii_digit)?;
        let hidden = |c: char| c.is_ascii_digit() || matches!(c, '*' | 'x' | 'X' | '○' | '●' | '#');
        return (rest.len() == 1 || rest.chars().count() == 7)
            .then_some(())
            .filter(|()| rest.chars().all(hidden))
            .map(|()| (date, Some(digit)));
    }
    let parts: Vec<&str> = text.split(is_mark).filter(|part| !part.is_empty()).collect();
    let [year, month, day] = parts[..] else { return None };
    let digits = |part: &str, most: usize| part.len() <= most && part.bytes().all(|b| b.is_ascii_digit());
    (year.len() == 2 && digits(year, 2) && digits(month, 2) && digits(day, 2))
        .then(|| short(year, month, day))
        .flatten()
        .map(|date| (date, None))
}

/// The century that the seventh digit of a resident registration number encodes.
fn century_of(digit: char) -> Option<u16> {
    match digit {
        '1' | '2' | '5' | '6' => Some(1900),
        '3' | '4' | '7' | '8' => Some(2000),
        '9' | '0' => Some(1800),
        _ => None,
    }
}

/// The date at the start of a text, with a four-digit year first, and the numbers that follow it.
pub fn date_of(text: &str) -> Option<(Date, Vec<u32>)> {
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

/// A name in half width, without invisible characters.
pub fn name(text: &str) -> (String, Vec<Mending>) {
    normalize(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telephone_numbers_are_read_where_it_is_certain() {
        use Mending::{FullWidth, Invisible, LeadingZero, Separators};
        for (text, digits, mended) in [
            ("01012345678", "01012345678", &[][..]),
            ("010-1234-5678", "01012345678", &[Separators]),
            ("010 1234.5678", "01012345678", &[Separators]),
            ("010.1234.5678", "01012345678", &[Separators]),
            ("'01012345678", "01012345678", &[]),
            ("０１０－１２３４－５６７８", "01012345678", &[FullWidth, Separators]),
            ("010\u{200b}12345678", "01012345678", &[Invisible]),
            ("\u{feff}010–1234–5678", "01012345678", &[Invisible, Separators]),
            ("1012345678", "01012345678", &[LeadingZero]),
            ("10-1234-5678", "01012345678", &[Separators, LeadingZero]),
            ("162345678", "0162345678", &[LeadingZero]),
            ("+82-10-1234-5678", "01012345678", &[Separators]),
            ("+82 010-1234-5678", "01012345678", &[Separators]),
            ("+821012345678", "01012345678", &[Separators]),
            ("82-10-1234-5678", "01012345678", &[Separators]),
            ("(02) 1234-5678", "0212345678", &[Separators]),
        ] {
            assert_eq!(phone_number(text), Ok((digits.to_owned(), mended.to_vec())), "{text:?}");
        }
        for uncertain in [
            "1012345678.0",
            "101234567.8",
            "0101234567.8",
            "1.01235E+09",
            "21234567",
            "12345",
            "010-1234-567x",
            "홍길동",
            "",
            "0101234567890",
            "2012345678",
            "02-123-4567890",
            "821012345678",
        ] {
            assert!(phone_number(uncertain).is_err(), "{uncertain}");
        }
    }

    #[test]
    fn birthdays_are_read_where_it_is_certain() {
        let read = |text: &str, century: Option<&str>| {
            let century = century.map(|century| BirthCentury::parse(century).expect("a century"));
            birthday(text, century).ok().map(|(digits, _)| digits)
        };
        for text in [
            "19900101",
            "1990-01-01",
            "1990.1.1.",
            "1990/01/01 00:00:00",
            "1990년 1월 1일",
            "１９９００１０１",
            "1990\u{200b}0101",
            "900101-1******",
            "900101-1",
            "9001011",
            "900101-1234567",
            "900101-2○○○○○○",
        ] {
            assert_eq!(read(text, None).as_deref(), Some("19900101"), "{text}");
        }
        assert_eq!(read("050101-3******", None).as_deref(), Some("20050101"));
        assert_eq!(read("900101-9******", None).as_deref(), Some("18900101"));
        for (text, century, expected) in [
            ("900101", "1900", Some("19900101")),
            ("90.1.1", "1900", Some("19900101")),
            ("90-01-01", "25", Some("19900101")),
            ("050101", "25", Some("20050101")),
            ("250101", "25", Some("20250101")),
            ("260101", "25", Some("19260101")),
            ("050101", "2000", Some("20050101")),
            ("990231", "1900", None),
            ("050101-1******", "2000", Some("19050101")),
        ] {
            assert_eq!(read(text, Some(century)).as_deref(), expected, "{text} {century}");
        }
        for uncertain in [
            "900101",
            "90-01-01",
            "1/2/1990",
            "32874",
            "19901301",
            "1990-01",
            "1990-1-1 13:30",
            "모름",
            "900101-",
            "900101-x",
            "900101-12",
            "",
        ] {
            assert_eq!(read(uncertain, None), None, "{uncertain}");
        }
        for wrong in ["", "19", "1950", "5", "20xx", "９９"] {
            assert!(wrong == "19" || BirthCentury::parse(wrong).is_none(), "{wrong}");
        }
        let message = birthday("900101", None).expect_err("not certain");
        assert!(message.in_lang(crate::Lang::En).contains("--birth-century"));
    }

    #[test]
    fn names_lose_what_nobody_sees() {
        for (text, read) in
            [("서함시험", "서함시험"), (" 서함\u{200b}시험\u{3164} ", "서함시험"), ("ＫＩＭ　ＡＢ", "KIM AB")]
        {
            assert_eq!(name(text).0, read);
        }
    }
}
