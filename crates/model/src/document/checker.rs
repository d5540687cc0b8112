//! Reads members by rules that many of them share, and collects violations.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::item::Parsed;
use super::raw::{Raw, kind};
use crate::clock::SeoulDay;
use crate::identity;
use crate::violation::{JsonKind, Rule, Violation};
use crate::visible::{is_bidirectional_control, is_visible};

/// Collects violations. Each reader returns the value, or `None`; it adds a violation if a rule is broken.
#[derive(Default)]
pub(crate) struct Checker {
    violations: Vec<Violation>,
}

/// The allowed length of a string, in Unicode scalar values, and its allowed characters.
#[derive(Clone, Copy)]
pub(crate) struct StringRule {
    min: usize,
    max: usize,
    holds: Holds,
    /// It is displayed to people, so it must not contain characters that change the text direction.
    shown: bool,
}

/// The characters allowed besides visible ones and blanks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// None.
    Line,
    /// Line breaks of any kind, and tabs.
    Lines,
    /// Any character.
    Anything,
}

impl StringRule {
    pub(crate) const fn characters(min: usize, max: usize) -> Self {
        Self { min, max, holds: Holds::Line, shown: false }
    }

    /// Several lines; CR LF and CR are line breaks like LF.
    pub(crate) const fn lines(self) -> Self {
        Self { holds: Holds::Lines, ..self }
    }

    /// Any character.
    pub(crate) const fn anything(self) -> Self {
        Self { holds: Holds::Anything, ..self }
    }

    /// It is displayed to people.
    pub(crate) const fn shown(self) -> Self {
        Self { shown: true, ..self }
    }
}

impl Checker {
    pub(crate) fn report(&mut self, member: &'static str, rule: Rule) {
        self.violations.push(Violation::new(member, rule));
    }

    fn report_element(&mut self, member: &'static str, index: usize, rule: Rule) {
        self.violations.push(Violation { member, index: Some(index), rule });
    }

    /// Returns the value if there is no violation.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Violation>> {
        match value {
            Some(value) if self.violations.is_empty() => Ok(value),
            _ => Err(self.violations),
        }
    }

    /// Deserialises `raw` as `T` if it is of kind `expected`.
    fn typed<'a, T: Deserialize<'a>>(
        &mut self,
        member: &'static str,
        raw: &'a RawValue,
        expected: JsonKind,
    ) -> Option<T> {
        let found = kind(raw);
        if found != expected {
            self.report(member, Rule::WrongType { expected, found });
            return None;
        }
        let value = serde_json::from_str(raw.get()).ok();
        if value.is_none() {
            self.report(member, Rule::Unreadable);
        }
        value
    }

    /// A required object that was already parsed.
    pub(super) fn part<'p, T>(&mut self, member: &'static str, part: &'p Parsed<T>) -> Option<&'p T> {
        part.as_ref().inspect_err(|rule| self.report(member, **rule)).ok()
    }

    /// A required object.
    pub(crate) fn object<'a, T: Deserialize<'a>>(&mut self, member: &'static str, raw: Raw<'a>) -> Option<T> {
        let Some(raw) = raw else {
            self.report(member, Rule::Missing);
            return None;
        };
        self.typed(member, raw, JsonKind::Object)
    }

    /// An optional string; one without visible characters counts as absent.
    pub(crate) fn optional(
        &mut self,
        member: &'static str,
        raw: Raw<'_>,
        rule: StringRule,
    ) -> Option<String> {
        let mut value: String = self.typed(member, raw?, JsonKind::String)?;
        if !is_visible(&value) {
            return None;
        }
        if rule.holds == Holds::Lines && value.contains('\r') {
            value = value.replace("\r\n", "\n").replace('\r', "\n");
        }
        let allowed = |c: char| match rule.holds {
            Holds::Line => !c.is_control(),
            Holds::Lines => !c.is_control() || c == '\n' || c == '\t',
            Holds::Anything => true,
        };
        if !value.chars().all(allowed) {
            self.report(member, Rule::ControlCharacter);
            return None;
        }
        if rule.shown && value.contains(is_bidirectional_control) {
            self.report(member, Rule::DirectionCharacter);
            return None;
        }
        if !(rule.min..=rule.max).contains(&value.chars().count()) {
            self.report(member, Rule::Length { min: rule.min, max: rule.max });
            return None;
        }
        Some(value)
    }

    /// A required string.
    pub(crate) fn required(
        &mut self,
        member: &'static str,
        raw: Raw<'_>,
        rule: StringRule,
    ) -> Option<String> {
        let before = self.violations.len();
        let value = self.optional(member, raw, rule);
        if value.is_none() && self.violations.len() == before {
            self.report(member, Rule::Missing);
        }
        value
    }

    /// An optional integer within a range, in any notation: `30`, `30.0`, `3e1`, `"30"`. A number too large
    /// to parse is out of range.
    pub(crate) fn integer(&mut self, member: &'static str, raw: Raw<'_>, min: i64, max: i64) -> Option<i64> {
        let raw = raw?;
        let Some(value) = integer_of(raw) else {
            self.report(member, Rule::WrongType { expected: JsonKind::Integer, found: kind(raw) });
            return None;
        };
        let is_within = (min..=max).contains(&value);
        if !is_within {
            self.report(member, Rule::Range { min, max });
        }
        is_within.then_some(value)
    }

    /// An optional `true` or `false`.
    pub(crate) fn boolean(&mut self, member: &'static str, raw: Raw<'_>) -> Option<bool> {
        self.typed(member, raw?, JsonKind::Boolean)
    }

    /// An optional `true` or `false`, also as a string.
    pub(crate) fn flag(&mut self, member: &'static str, raw: Raw<'_>) -> Option<bool> {
        match raw?.get() {
            "\"true\"" => Some(true),
            "\"false\"" => Some(false),
            _ => self.boolean(member, raw),
        }
    }

    /// The result of `read`; if it is invalid, `None` without a violation.
    pub(crate) fn lenient<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let before = self.violations.len();
        let value = read(self);
        let broken = self.violations.len() > before;
        self.violations.truncate(before);
        value.filter(|_| !broken)
    }

    /// An array of strings; an absent one is empty. `each` parses an element. Returns whether nothing was reported.
    pub(crate) fn strings(
        &mut self,
        member: &'static str,
        raw: Raw<'_>,
        mut each: impl FnMut(&str) -> Result<(), Rule>,
    ) -> bool {
        let Some(raw) = raw else { return true };
        let Some(elements) = self.typed::<Vec<&RawValue>>(member, raw, JsonKind::Array) else { return false };
        for (i, element) in elements.into_iter().enumerate() {
            let found = kind(element);
            let broken = if found == JsonKind::String {
                match serde_json::from_str::<String>(element.get()) {
                    Ok(text) => each(&text).err(),
                    Err(_) => Some(Rule::Unreadable),
                }
            } else {
                Some(Rule::WrongType { expected: JsonKind::String, found })
            };
            if let Some(rule) = broken {
                // Report only one: an array can be as long as the body.
                self.report_element(member, i, rule);
                return false;
            }
        }
        true
    }

    /// A telephone number: 10 or 11 digits.
    pub(crate) fn phone_number(&mut self, member: &'static str, value: Option<String>) -> Option<String> {
        let value = value?;
        if (10..=11).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit()) {
            return Some(value);
        }
        self.report(member, Rule::PhoneDigits);
        None
    }

    /// A telephone number in any notation that people use.
    pub(crate) fn written_phone_number(
        &mut self,
        member: &'static str,
        value: Option<String>,
    ) -> Option<String> {
        let digits = identity::phone_number(&value?).ok().map(|(digits, _)| digits);
        if digits.is_none() {
            self.report(member, Rule::PhoneDigits);
        }
        digits
    }

    /// A birthday or another past date in any notation that people use, with a four-digit year or an unambiguous
    /// century: `YYYYMMDD`.
    pub(crate) fn written_past_date(
        &mut self,
        member: &'static str,
        value: Option<String>,
        today: SeoulDay,
    ) -> Option<String> {
        let digits = identity::birthday(&value?, None).ok().map(|(digits, _)| digits);
        if digits.is_none() {
            self.report(member, Rule::Date);
        }
        self.past_date(member, digits, today)
    }

    /// A birthday or another past date: `YYYYMMDD`, a real date, not after `today`.
    pub(crate) fn past_date(
        &mut self,
        member: &'static str,
        value: Option<String>,
        today: SeoulDay,
    ) -> Option<String> {
        let value = value?;
        match parse_date(&value) {
            None => self.report(member, Rule::Date),
            Some(date) if date > today.date() => self.report(member, Rule::FutureDate),
            Some(_) => return Some(value),
        }
        None
    }
}

/// The integer value in any notation; `None` if it is not an integer. A number too large to parse becomes the
/// maximum, which is out of every range.
fn integer_of(raw: &RawValue) -> Option<i64> {
    let or_greatest = |text: &str| text.parse().unwrap_or(i64::MAX);
    match kind(raw) {
        JsonKind::Integer => Some(or_greatest(raw.get())),
        JsonKind::Number => raw.get().parse().ok().filter(|number: &f64| number.fract() == 0.0).map(whole),
        JsonKind::String => {
            let text: String = serde_json::from_str(raw.get()).ok()?;
            let is_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            is_digits.then(|| or_greatest(&text))
        }
        _ => None,
    }
}

/// A number without a fraction; the maximum if it is too large to be exact.
fn whole(number: f64) -> i64 {
    const CERTAIN_BELOW: f64 = 9_007_199_254_740_992.0;
    #[allow(clippy::cast_possible_truncation, reason = "it has no fraction and is less than 2^53")]
    if number.abs() < CERTAIN_BELOW { number as i64 } else { i64::MAX }
}

fn parse_date(text: &str) -> Option<jiff::civil::Date> {
    if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| text[range].parse::<i16>().ok();
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    if year == 0 {
        return None;
    }
    jiff::civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_dates_are_dates() {
        for good in ["20240229", "19000101", "19991231"] {
            assert!(parse_date(good).is_some(), "{good}");
        }
        for bad in
            ["20230229", "19991301", "19990100", "1999123", "199912310", "1999-1-1", "00000101", "١٩٩٠٠١٠١"]
        {
            assert!(parse_date(bad).is_none(), "{bad}");
        }
    }
}
