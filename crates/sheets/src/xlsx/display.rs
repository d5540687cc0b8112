//! The displayed text of a cell: a number in its format, as Korean Excel shows it; or the information that
//! this is unknown.
//!
//! A library renders the formats; `certain` decides which of them it is trusted with.

use std::sync::Arc;

use ssfmt::ast::{DatePart, FormatPart};
use ssfmt::{DateSystem, FormatOptions, NumberFormat};

use super::certain::{as_shown, is_certain};
use super::serial::moment_of;
use super::weekdays;
use crate::Cell;
use crate::cell::{Formatted, NumberForm};

/// How a cell displays its number.
#[derive(Clone)]
pub(super) struct Display {
    kind: Kind,
    /// The format for writing the cell again; `None` if its interpretation is ambiguous.
    form: Option<NumberForm>,
}

#[derive(Clone)]
enum Kind {
    /// Unformatted.
    General,
    /// In a known form.
    Known(Arc<Form>),
    /// In an unknown form: the displayed text cannot be determined.
    Unknown,
    /// As a date, in an unknown form.
    UnknownDate,
    /// The same, and text is hidden.
    Hidden,
}

/// A known number format.
pub(super) struct Form {
    format: NumberFormat,
    /// It displays days, months or years: the number is a date.
    shows_date: bool,
    /// AM and PM are in Korean.
    korean: bool,
}

impl Display {
    /// Unformatted numbers.
    pub(super) const GENERAL: Self = Self { kind: Kind::General, form: None };
    /// An unknown format.
    pub(super) const UNKNOWN: Self = Self { kind: Kind::Unknown, form: None };

    /// A built-in format, which has no code in the workbook; as in Korean Excel.
    pub(super) fn built_in(id: u32) -> Self {
        let form = u8::try_from(id).ok().filter(|id| *id < FIRST_OF_WORKBOOK).map(NumberForm::BuiltIn);
        Self { kind: Kind::built_in(id), form }
    }

    /// The display of a format code.
    pub(super) fn of_code(code: &str) -> Self {
        Self { kind: Kind::of_code(code), form: Some(NumberForm::Code(Arc::from(code))) }
    }

    /// A cell with a number.
    pub(super) fn number(&self, number: f64, from_1904: bool) -> Cell {
        let formatted = |moment, shown| {
            Cell::Formatted(Box::new(Formatted { number, moment, shown, form: self.form.clone() }))
        };
        match &self.kind {
            Kind::General => Cell::Number(number),
            Kind::Unknown | Kind::Hidden => formatted(None, None),
            Kind::UnknownDate => formatted(moment_of(number, from_1904), None),
            Kind::Known(form) => {
                let moment = if form.shows_date { moment_of(number, from_1904) } else { None };
                formatted(moment, form.shown(number, from_1904))
            }
        }
    }

    /// A text in its format; `None` if that is unknown.
    pub(super) fn text(&self, text: &str) -> Option<String> {
        match &self.kind {
            // An unknown format affects numbers, but hardly ever text.
            Kind::General | Kind::Unknown | Kind::UnknownDate => Some(text.to_owned()),
            Kind::Hidden => None,
            Kind::Known(form) => match form.format.sections() {
                [.., last] if last.has_text_placeholder() => {
                    let part = |part: &FormatPart| match part {
                        FormatPart::TextPlaceholder => text.to_owned(),
                        FormatPart::Literal(literal) | FormatPart::EscapedLiteral(literal) => literal.clone(),
                        _ => String::new(),
                    };
                    Some(last.parts.iter().map(part).collect())
                }
                _ => Some(text.to_owned()),
            },
        }
    }
}

/// Whether each `General` of a code became the first part of its section: the library puts the number before
/// all other parts, and loses it behind some.
fn keeps_general(code: &str, sections: &[ssfmt::ast::Section]) -> bool {
    let mut unquoted = code.split('"').step_by(2);
    let named = unquoted.any(|part| {
        let part = part.to_lowercase();
        part.contains("general") || part.contains("g/표준")
    });
    let is_general = |part: &FormatPart| *part == FormatPart::GeneralNumber;
    let general: Vec<_> = sections.iter().filter(|section| section.parts.iter().any(is_general)).collect();
    general.is_empty() != named && general.iter().all(|section| section.parts.first().is_some_and(is_general))
}

/// Lower numbers are built-in formats; a workbook's own formats start here.
const FIRST_OF_WORKBOOK: u8 = 164;

impl Kind {
    /// A built-in format, which has no code in the workbook; as in Korean Excel.
    fn built_in(id: u32) -> Self {
        let code = match id {
            0 => return Self::General,
            1 => "0",
            2 => "0.00",
            3 | 37 | 38 => "#,##0",
            4 | 39 | 40 => "#,##0.00",
            5 | 6 => "\"₩\"#,##0",
            7 | 8 => "\"₩\"#,##0.00",
            9 => "0%",
            10 => "0.00%",
            14 => "yyyy-mm-dd",
            20 => "h:mm",
            21 => "h:mm:ss",
            22 => "yyyy-mm-dd h:mm",
            31 => "yyyy\"년\" mm\"월\" dd\"일\"",
            32 => "h\"시\" mm\"분\"",
            33 => "h\"시\" mm\"분\" ss\"초\"",
            41 => "_-* #,##0_-;-* #,##0_-;_-* \"-\"_-;_-@_-",
            42 => "_-\"₩\"* #,##0_-;-\"₩\"* #,##0_-;_-\"₩\"* \"-\"_-;_-@_-",
            43 => "_-* #,##0.00_-;-* #,##0.00_-;_-* \"-\"??_-;_-@_-",
            44 => "_-\"₩\"* #,##0.00_-;-\"₩\"* #,##0.00_-;_-\"₩\"* \"-\"??_-;_-@_-",
            45 => "mm:ss",
            46 => "[h]:mm:ss",
            49 => "@",
            // Dates, in locale-dependent forms.
            15..=17 | 27..=30 | 36 | 50..=58 => return Self::UnknownDate,
            _ => return Self::Unknown,
        };
        Self::of_code(code)
    }

    /// The kind of a format code.
    fn of_code(code: &str) -> Self {
        let is_general = ["general", "g/표준", "@", ""].contains(&code.trim().to_lowercase().as_str());
        if is_general {
            return Self::General;
        }
        let korean = code.to_lowercase().contains("[$-412]");
        let Ok(format) = NumberFormat::parse(&weekdays::marked(code, korean)) else { return Self::Unknown };
        let shows = |part: &FormatPart| {
            use DatePart::{Day, Day2, DayAbbr, DayFull, Month, Month2, MonthAbbr, MonthFull, Year2, Year4};
            let days = [Year2, Year4, Month, Month2, MonthAbbr, MonthFull, Day, Day2, DayAbbr, DayFull];
            matches!(part, FormatPart::DatePart(part) if days.contains(part))
        };
        let shows_date = format.sections().iter().any(|section| section.parts.iter().any(shows));
        let sections = format.sections();
        // A number in an empty section is hidden; the library treats it as unformatted.
        let hides = sections.iter().take(3).any(|section| section.parts.is_empty());
        // A fourth section without a text placeholder hides text.
        let hides_text = matches!(sections, [_, _, _, text] if !text.has_text_placeholder());
        if hides
            || hides_text
            || !keeps_general(code, sections)
            || !sections.iter().all(|section| is_certain(section, korean))
        {
            return match (hides_text, shows_date) {
                (true, _) => Self::Hidden,
                (false, true) => Self::UnknownDate,
                (false, false) => Self::Unknown,
            };
        }
        Self::Known(Arc::new(Form { format, shows_date, korean }))
    }
}

impl Form {
    fn shown(&self, number: f64, from_1904: bool) -> Option<String> {
        let is_time = self.format.is_date_format();
        // There is no date before the first day and no time before midnight: Excel fills the cell with `#`.
        if is_time && number < 0.0 || !number.is_finite() {
            return None;
        }
        let date_system = if from_1904 { DateSystem::Date1904 } else { DateSystem::Date1900 };
        let options = FormatOptions { date_system, ..FormatOptions::default() };
        let number_shown = as_shown(&self.format, number)?;
        let mut shown = self.format.try_format(number_shown, &options).ok()?;
        if weekdays::are_in(&shown) {
            shown = weekdays::named(&shown, moment_of(number, from_1904)?);
        }
        if self.korean {
            shown = shown.replace("AM", "오전").replace("PM", "오후");
        }
        let shown = shown.trim();
        // A format without a number placeholder hides the number.
        if shown.is_empty() { None } else { Some(shown.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: &str, number: f64) -> Option<String> {
        match Display::of_code(code).number(number, false) {
            Cell::Formatted(formatted) => formatted.shown,
            cell => Some(cell.shown()),
        }
    }

    #[test]
    fn numbers_are_shown_as_excel_shows_them() {
        for (code, number, expected) in [
            ("General", 123.0, "123"),
            ("000000", 123.0, "000123"),
            ("0000", 12_345.0, "12345"),
            ("#,##0", 1_234_567.0, "1,234,567"),
            ("#,##0", 0.0, "0"),
            ("#,##0", -1_234.0, "-1,234"),
            ("#,##0\"원\"", 1_234_567.0, "1,234,567원"),
            ("#,##0원", 1_234_567.0, "1,234,567원"),
            ("\"₩\"#,##0", 84_500.0, "₩84,500"),
            ("[$₩-412]#,##0", 84_500.0, "₩84,500"),
            ("[$₩-412]#,##0.00", 84_500.5, "₩84,500.50"),
            ("_-* #,##0_-;\\-* #,##0_-;_-* \"-\"_-;_-@_-", 84_500.0, "84,500"),
            ("_-* #,##0_-;\\-* #,##0_-;_-* \"-\"_-;_-@_-", 0.0, "-"),
            ("#,##0_);[Red]\\(#,##0\\)", -500.0, "(500)"),
            ("#,##0;\"△\"#,##0", -500.0, "△500"),
            ("0%", 0.05, "5%"),
            ("0.0%", 0.055, "5.5%"),
            ("0.00", 0.5, "0.50"),
            ("0.00", 2.675, "2.68"),
            ("0.0", 0.25, "0.3"),
            ("0.00", 1.005, "1.01"),
            ("0%", 0.285, "29%"),
            ("0.0%", 0.010_35, "1.0%"),
            ("0", 0.5, "1"),
            ("000-0000-0000", 1_012_345_678.0, "010-1234-5678"),
            ("[<=9999999]###-####;(0##) ####-####", 1_012_345_678.0, "(010) 1234-5678"),
            ("000000-0000000", 9_001_011_234_567.0, "900101-1234567"),
            ("0\"동\"", 101.0, "101동"),
            ("General\"원\"", 500.0, "500원"),
            ("제0호", 7.0, "제7호"),
        ] {
            assert_eq!(shown(code, number).as_deref(), Some(expected), "{code}");
        }
    }

    #[test]
    fn formats_that_every_program_knows_are_those_of_korean_excel() {
        for (id, number, expected) in [
            (0, 1.0, Some("1")),
            (3, 1_234.0, Some("1,234")),
            (41, 1_234.0, Some("1,234")),
            (41, -1_234.0, Some("-1,234")),
            (42, 1_234.0, Some("₩1,234")),
            (42, 0.0, Some("₩-")),
            (43, 1_234.0, Some("1,234.00")),
            (9, 0.05, Some("5%")),
            (14, 46_387.0, Some("2026-12-31")),
            (31, 46_387.0, Some("2026년 12월 31일")),
            (11, 5.0, None),
            (12, 0.5, None),
            (17, 46_387.0, None),
            (999, 5.0, None),
        ] {
            let shown = match Display::built_in(id).number(number, false) {
                Cell::Formatted(formatted) => formatted.shown,
                cell => Some(cell.shown()),
            };
            assert_eq!(shown.as_deref(), expected, "{id}");
        }
    }

    #[test]
    fn dates_and_times_are_shown_as_korean_excel_shows_them() {
        // 2026-12-31, a Thursday.
        let day = 46_387.0;
        for (code, number, expected) in [
            ("yyyy-mm-dd", day, "2026-12-31"),
            ("yyyy/m/d", day, "2026/12/31"),
            ("yyyy. m. d", day, "2026. 12. 31"),
            ("yy-mm-dd", day, "26-12-31"),
            ("yyyy\"년\" m\"월\" d\"일\"", day, "2026년 12월 31일"),
            ("yyyy\"년\" mm\"월\" dd\"일\";@", day, "2026년 12월 31일"),
            ("yyyy년 m월 d일", day, "2026년 12월 31일"),
            ("[$-412]yyyy\"년\" m\"월\" d\"일\" dddd;@", day, "2026년 12월 31일 목요일"),
            ("yyyy\\-mm\\-dd\\(aaa\\)", day, "2026-12-31(목)"),
            ("m\"월\" d\"일\" aaaa", day, "12월 31일 목요일"),
            ("hh:mm", 0.75, "18:00"),
            ("h:mm", 0.375, "9:00"),
            ("h:mm:ss", 0.999_988_425_925_926, "23:59:59"),
            ("h\"시\" mm\"분\"", 0.75, "18시 00분"),
            ("[$-412]AM/PM h:mm", 0.75, "오후 6:00"),
            ("[$-412]AM/PM\\ h:mm;@", 0.25, "오전 6:00"),
            ("h:mm AM/PM", 0.75, "6:00 PM"),
            ("yyyy-mm-dd h:mm", day + 0.75, "2026-12-31 18:00"),
            ("[h]:mm", 1.5, "36:00"),
            ("mmm-yy", day, "Dec-26"),
            ("mm:ss", 0.5 / 1_440.0, "00:30"),
        ] {
            assert_eq!(shown(code, number).as_deref(), Some(expected), "{code}");
        }
    }

    #[test]
    fn what_is_not_certain_is_not_shown() {
        for (code, number) in [
            ("# ?/?", 0.5),
            ("0.00E+00", 12_345.0),
            ("*-#,##0", 5.0),
            ("0,\"천원\"", 1_234_567.0),
            ("#,##0,", 1_234_567.0),
            ("0.0,,\"백만\"", 1_234_567.0),
            ("#,##0;;", -5.0),
            (";;;", 5.0),
            ("[$-F800]dddd, mmmm dd, yyyy", 46_387.0),
            ("[$-411]ggge\"年\"m\"月\"d\"日\"", 46_387.0),
            ("yyyy-mm-dd", -1.0),
            ("bbbb", 46_387.0),
            ("General\"원\"", 0.5),
            ("General\"원\"", -5.0),
            ("[<100]0;0", -5.0),
            ("[<1]0;0\"개\"", 0.999),
            ("@\"님\"", 5.0),
            ("0;-0;\"없음\"", 0.3),
            ("0;-0", -0.3),
            ("h:mm A/P", 0.75),
            ("\"제\"General\"호\"", 7.0),
            ("\"₩\"General", 500.0),
            ("[Red]General", 12.5),
            ("[$₩-412]General", 1_234.56),
            ("#,##0,.0\"천원\"", 1_234_567.0),
            ("[=1]\"남\";[=2]\"여\"", 3.0),
            ("0.000000000000", 0.5),
            ("yyyy-mm-dd_-", 46_387.0),
        ] {
            assert_eq!(shown(code, number), None, "{code}");
        }
        assert_eq!(Display::of_code(";;;").text("숨김"), None);
        assert_eq!(Display::of_code("@\"님\"").text("서함시험").as_deref(), Some("서함시험님"));
        assert_eq!(Display::of_code("#,##0").text("없음").as_deref(), Some("없음"));
    }
    #[test]
    fn what_the_library_renders_is_what_arithmetic_says() {
        let mut state = 7_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let whole = (state >> 33) % 100_000_000;
            #[allow(clippy::cast_precision_loss, reason = "nine digits")]
            let (number, cents) = (whole as f64, whole as f64 / 100.0);
            let grouped = |text: &str| {
                let mut out = String::new();
                for (n, digit) in text.chars().enumerate() {
                    if n > 0 && (text.len() - n).is_multiple_of(3) {
                        out.push(',');
                    }
                    out.push(digit);
                }
                out
            };
            let (won, jeon) = (whole / 100, whole % 100);
            for (code, number, expected) in [
                ("0", number, whole.to_string()),
                ("0000000000", number, format!("{whole:010}")),
                ("#,##0\"원\"", number, format!("{}원", grouped(&whole.to_string()))),
                ("0.00", cents, format!("{won}.{jeon:02}")),
                ("#,##0.00", cents, format!("{}.{jeon:02}", grouped(&won.to_string()))),
                ("0.00%", cents / 100.0, format!("{won}.{jeon:02}%")),
            ] {
                assert_eq!(shown(code, number).as_deref(), Some(expected.as_str()), "{code} of {number}");
            }
        }
        for minute in 0..1_440 {
            let text = format!("{:02}:{:02}", minute / 60, minute % 60);
            assert_eq!(shown("hh:mm", f64::from(minute) / 1_440.0), Some(text));
        }
        for day in 61..60_000 {
            let number = f64::from(day);
            let date = moment_of(number, false).expect("a day").date();
            assert_eq!(shown("yyyy-mm-dd", number), Some(date.to_string()), "{day}");
        }
    }
}
