//! Reads members by the rules that many of them share, and collects what is broken.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::item::Parsed;
use super::raw::{Raw, kind};
use crate::clock::SeoulDay;
use crate::violation::{JsonKind, Rule, Violation};

/// Collects violations; each reader gives the value, or `None` and, where a rule broke, a
/// violation.
#[derive(Default)]
pub(crate) struct Checker {
    violations: Vec<Violation>,
}

/// How long a string may be, in Unicode scalar values, and whether it may hold line breaks.
#[derive(Clone, Copy)]
pub(crate) struct StringRule {
    pub(crate) min: usize,
    pub(crate) max: usize,
    pub(crate) multiline: bool,
}

impl StringRule {
    pub(crate) const fn characters(min: usize, max: usize) -> Self {
        Self { min, max, multiline: false }
    }
}

impl Checker {
    pub(crate) fn report(&mut self, member: &'static str, rule: Rule) {
        self.violations.push(Violation::new(member, rule));
    }

    fn report_element(&mut self, member: &'static str, index: usize, rule: Rule) {
        self.violations.push(Violation { member, index: Some(index), rule });
    }

    /// Whether nothing is broken so far.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Violation>> {
        match value {
            Some(value) if self.violations.is_empty() => Ok(value),
            _ => Err(self.violations),
        }
    }

    /// `raw` as `T` if it is of kind `expected`.
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

    /// An object that was read before, required.
    pub(super) fn part<'p, T>(&mut self, member: &'static str, part: &'p Parsed<T>) -> Option<&'p T> {
        part.as_ref().inspect_err(|rule| self.report(member, **rule)).ok()
    }

    /// An object, required.
    pub(crate) fn object<'a, T: Deserialize<'a>>(&mut self, member: &'static str, raw: Raw<'a>) -> Option<T> {
        let Some(raw) = raw else {
            self.report(member, Rule::Missing);
            return None;
        };
        self.typed(member, raw, JsonKind::Object)
    }

    /// A string that may be absent; white space alone counts as absent.
    pub(crate) fn optional(
        &mut self,
        member: &'static str,
        raw: Raw<'_>,
        rule: StringRule,
    ) -> Option<String> {
        let value: String = self.typed(member, raw?, JsonKind::String)?;
        if value.trim().is_empty() {
            return None;
        }
        let allowed = |c: char| !c.is_control() || (rule.multiline && (c == '\n' || c == '\t'));
        if !value.chars().all(allowed) {
            self.report(member, Rule::ControlCharacter);
            return None;
        }
        if !(rule.min..=rule.max).contains(&value.chars().count()) {
            self.report(member, Rule::Length { min: rule.min, max: rule.max });
            return None;
        }
        Some(value)
    }

    /// A string that must be there.
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

    /// An integer within a range that may be absent; a number too great to read is out of range.
    pub(crate) fn integer(&mut self, member: &'static str, raw: Raw<'_>, min: i64, max: i64) -> Option<i64> {
        let raw = raw?;
        let found = kind(raw);
        if found != JsonKind::Integer {
            self.report(member, Rule::WrongType { expected: JsonKind::Integer, found });
            return None;
        }
        let value = raw.get().parse().ok().filter(|v| (min..=max).contains(v));
        if value.is_none() {
            self.report(member, Rule::Range { min, max });
        }
        value
    }

    /// `true` or `false`, or `None` when absent.
    pub(crate) fn boolean(&mut self, member: &'static str, raw: Raw<'_>) -> Option<bool> {
        self.typed(member, raw?, JsonKind::Boolean)
    }

    /// An array of strings; absent is empty. `each` says what an element means.
    pub(crate) fn strings(
        &mut self,
        member: &'static str,
        raw: Raw<'_>,
        mut each: impl FnMut(&str) -> Result<(), Rule>,
    ) {
        let Some(raw) = raw else { return };
        let Some(elements) = self.typed::<Vec<&RawValue>>(member, raw, JsonKind::Array) else { return };
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
                // One is enough: an array can be as long as the body.
                self.report_element(member, i, rule);
                return;
            }
        }
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

    /// A birthday: `YYYYMMDD`, a real date, not after `today`.
    pub(crate) fn birthday(
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
