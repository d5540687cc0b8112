//! JSON Lines: each line is a document, apart from the constants for all lines.

use std::collections::HashSet;
use std::fmt::{self, Formatter};

use seoham_model::contract::Product;
use seoham_model::document::{CheckContext, ReadItem};
use seoham_model::{Text, UnixSeconds};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::document_builder::categories;
use crate::layout::DAY_SECONDS;
use crate::row::{Good, Problem};
use crate::template::Template;
use crate::{Cell, Layout, Member, ResultColumn, SheetError, repair};

impl Layout {
    /// The layout of JSON Lines.
    pub(crate) fn of_json(maps: &[(Member, String)], sets: &[(Member, String)]) -> Result<Self, SheetError> {
        if !maps.is_empty() {
            return Err(SheetError::new(
                "--map은 표(CSV, XLSX)에만 쓸 수 있습니다",
                "--map is for tables (CSV, XLSX) alone",
            ));
        }
        let mut constants = Vec::new();
        for (member, template) in sets {
            let constant = Template::parse(template, &[])?.constant().ok_or_else(|| {
                SheetError::new(
                    "JSON Lines의 --set은 고정된 값이어야 합니다",
                    "--set on JSON Lines must be a constant",
                )
            })?;
            let cell = Cell::of_text(&constant);
            let wrong = |text: Text| SheetError(text.about(&format_args!("--set {member}")));
            let value = match member {
                Member::ReadExpiredAt => repair::deadline(&cell).map_err(wrong)?.0.0.into(),
                Member::ReadExpiredSec => repair::whole(&cell).map_err(wrong)?.0.into(),
                Member::ReadExpiredDays => {
                    repair::whole(&cell).map_err(wrong)?.0.saturating_mul(DAY_SECONDS).into()
                }
                Member::IsRequiredVerifyName => repair::flag(&cell).map_err(wrong)?.0.into(),
                Member::CommonCategories => categories(&constant).into(),
                _ => constant.into(),
            };
            constants.push((*member, value));
        }
        Ok(Self {
            header: Vec::new(),
            sources: Vec::new(),
            constants,
            numbers_rows: false,
            birth_century: None,
            is_result: false,
        })
    }

    /// The document of a line.
    pub(crate) fn of_line(&self, line: &str, now: UnixSeconds) -> Result<Good, Vec<Problem>> {
        let malformed = |error: &serde_json::Error| {
            let column = error.column();
            vec![Problem::of_row(Text::made(
                format!("올바른 JSON이 아닙니다({column}열)"),
                format!("malformed JSON at column {column}"),
            ))]
        };
        if repeats_a_member(line) {
            return Err(vec![Problem::of_row(Text::fixed(
                "같은 항목이 두 번 있습니다. 하나만 남겨 주십시오",
                "has a member twice; leave one of them",
            ))]);
        }
        let set;
        let line = if self.constants.is_empty() && !self.is_result {
            line
        } else {
            let mut value: Value = serde_json::from_str(line).map_err(|e| malformed(&e))?;
            if let Some(object) = value.as_object_mut().filter(|_| self.is_result) {
                object.retain(|name, _| ResultColumn::of(name).is_none());
            }
            for (member, constant) in &self.constants {
                set_member(&mut value, *member, constant);
            }
            set = value.to_string();
            &set
        };
        let raw: &serde_json::value::RawValue = serde_json::from_str(line).map_err(|e| malformed(&e))?;
        let sent: Option<serde_json::Map<String, Value>> = serde_json::from_str(line).ok();
        if sent
            .is_some_and(|line| line.keys().any(|name| ResultColumn::of(name) == Some(ResultColumn::Binder)))
        {
            return Err(vec![Problem::of_row(Text::fixed(
                "이미 발송한 결과입니다(document_binder_uuid가 있습니다)",
                "is the result of a send (it has a document_binder_uuid)",
            ))]);
        }
        let item = ReadItem::read(raw);
        match item.check(CheckContext { now, product: Product::default(), bulk: true }) {
            Ok(_) => Ok(Good {
                external_document_uuid: item.external_document_uuid().unwrap_or_default(),
                json: raw.get().to_owned(),
                repairs: Vec::new(),
            }),
            Err(violations) => Err(violations.iter().map(|v| self.problem(v)).collect()),
        }
    }
}

/// Whether an object in a line has a duplicate member; a normal parser would silently keep the last one.
pub(crate) fn repeats_a_member(line: &str) -> bool {
    serde_json::from_str::<Distinct>(line).is_err_and(|error| error.to_string().starts_with(TWICE))
}

const TWICE: &str = "a member stands twice";

/// Any JSON without duplicate members.
struct Distinct;

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Distinct {
    type Value = Self;

    fn expecting(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom(TWICE));
            }
            map.next_value::<Self>()?;
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}

/// Sets a member of a document in JSON, and removes members that conflict with it.
fn set_member(document: &mut Value, member: Member, constant: &Value) {
    let deadlines = ["read_expired_at", "read_expired_sec"];
    let path = if member == Member::ReadExpiredDays { "read_expired_sec" } else { member.path() };
    let Some(object) = document.as_object_mut() else { return };
    if deadlines.contains(&path) {
        for deadline in deadlines {
            object.remove(deadline);
        }
    }
    let (object, name) = match path.split_once('.') {
        None => (Some(object), path),
        Some((outer, name)) => {
            let inner = object.entry(outer).or_insert_with(|| Value::Object(serde_json::Map::new()));
            (inner.as_object_mut(), name)
        }
    };
    if let Some(object) = object {
        object.insert(name.to_owned(), constant.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_stands_twice_is_seen_wherever_it_is() {
        for line in
            [r#"{"a":1,"a":2}"#, r#"{"b":{"a":1,"c":[],"a":null}}"#, r#"{"b":[{"a":"x","\u0061":1.5}]}"#]
        {
            assert!(repeats_a_member(line), "{line}");
        }
        for line in [r#"{"a":{"a":[true,-1,{"a":"a"}]}}"#, "[1,1]", "{", ""] {
            assert!(!repeats_a_member(line), "{line}");
        }
    }
}
