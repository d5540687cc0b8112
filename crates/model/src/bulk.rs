//! The envelopes of sends and status queries: parses the request as a whole, before any document (SPEC 3, 5
//! and 6).

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::lang::Text;
use crate::violation::{JsonKind, Place, Rule, Violation, text};

/// The maximum number of documents or ids in one request (SPEC 5 and 6).
pub const ITEMS_MAX: usize = 100;

/// An error of the whole request; it contains the location, but never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedRequest(pub Text);

/// Splits `{"documents": […]}` into its items, each still raw.
pub fn documents(body: &[u8]) -> Result<Vec<&RawValue>, MalformedRequest> {
    items(body, "documents")
}

/// The ids of `{"document_binder_uuids": […]}`, verbatim.
pub fn document_binder_uuids(body: &[u8]) -> Result<Vec<String>, MalformedRequest> {
    let items = items(body, "document_binder_uuids")?;
    let mut ids = Vec::with_capacity(items.len());
    for (i, item) in items.into_iter().enumerate() {
        let found = crate::document::raw_kind(item);
        let broken = if found == JsonKind::String {
            match serde_json::from_str(item.get()) {
                Ok(id) => {
                    ids.push(id);
                    continue;
                }
                Err(_) => Rule::Unreadable,
            }
        } else {
            Rule::WrongType { expected: JsonKind::String, found }
        };
        let violation = Violation { member: "document_binder_uuids", index: Some(i), rule: broken };
        return Err(MalformedRequest(text(&[violation], Place::Body)));
    }
    Ok(ids)
}

/// The raw document of `{"document": {…}}`.
pub fn document(body: &[u8]) -> Result<&RawValue, MalformedRequest> {
    member(body, "document")?.ok_or_else(|| broken_member("document", Rule::Missing))
}

/// Checks that the body is `{"document": {"is_detail_read": true}}`.
pub fn is_detail_read(body: &[u8]) -> Result<(), MalformedRequest> {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow, default)]
        is_detail_read: Option<&'a RawValue>,
    }
    const MEMBER: &str = "document.is_detail_read";
    let raw = document(body)?;
    let found = crate::document::raw_kind(raw);
    if found != JsonKind::Object {
        let rule = Rule::WrongType { expected: JsonKind::Object, found };
        return Err(broken_member("document", rule));
    }
    let document: Document<'_> =
        serde_json::from_str(raw.get()).map_err(|_| broken_member("document", Rule::Unreadable))?;
    let Some(value) = document.is_detail_read else {
        return Err(broken_member(MEMBER, Rule::Missing));
    };
    match (crate::document::raw_kind(value), value.get()) {
        (_, "true") => Ok(()),
        (JsonKind::Boolean, _) => Err(MalformedRequest(Text::fixed(
            "document.is_detail_read: true여야 합니다",
            "document.is_detail_read: must be true",
        ))),
        (found, _) => Err(broken_member(MEMBER, Rule::WrongType { expected: JsonKind::Boolean, found })),
    }
}

/// Any JSON body, still raw.
pub(crate) fn any(body: &[u8]) -> Result<&RawValue, MalformedRequest> {
    serde_json::from_str(utf8(body)?).map_err(|e| malformed(&e))
}

fn broken_member(member: &'static str, rule: Rule) -> MalformedRequest {
    MalformedRequest(text(&[Violation::new(member, rule)], Place::Body))
}

fn items<'a>(body: &'a [u8], name: &'static str) -> Result<Vec<&'a RawValue>, MalformedRequest> {
    // The fast path succeeds nearly always; otherwise parse step by step, to locate the error.
    if let Some(items) = items_in_one_pass(body, name) {
        return Ok(items);
    }
    let Some(raw) = member(body, name)? else {
        return Err(broken_member(name, Rule::Missing));
    };
    let found = crate::document::raw_kind(raw);
    if found != JsonKind::Array {
        return Err(broken_member(name, Rule::WrongType { expected: JsonKind::Array, found }));
    }
    bounded_items(raw, name, ITEMS_MAX)
}

/// The items of a valid body; `None` for any other.
fn items_in_one_pass<'a>(body: &'a [u8], name: &str) -> Option<Vec<&'a RawValue>> {
    let mut reader = serde_json::Deserializer::from_str(std::str::from_utf8(body).ok()?);
    let visitor = MemberVisitor { name, seed: ItemsVisitor { max: ITEMS_MAX } };
    let items = reader.deserialize_map(visitor).ok()??;
    reader.end().ok()?;
    (1..=ITEMS_MAX).contains(&items.count).then_some(items.kept)
}

/// The elements of an array of 1 to `max` elements.
pub(crate) fn bounded_items<'a>(
    raw: &'a RawValue,
    name: &str,
    max: usize,
) -> Result<Vec<&'a RawValue>, MalformedRequest> {
    let mut reader = serde_json::Deserializer::from_str(raw.get());
    let visitor = ItemsVisitor { max };
    let items = reader.deserialize_seq(visitor).map_err(|e| malformed(&e))?;
    if items.count == 0 || items.count > max {
        return Err(MalformedRequest(Text::made(
            format!("{name}: 1개 이상 {max}개 이하여야 합니다({}개)", items.count),
            format!("{name}: must hold 1 to {max} items, found {}", items.count),
        )));
    }
    Ok(items.kept)
}

/// One member of the body's object, `None` when absent or null.
fn member<'a>(body: &'a [u8], name: &str) -> Result<Option<&'a RawValue>, MalformedRequest> {
    // Validate the whole body first: an error in a skipped part is an error too.
    let whole = any(body)?;
    let found = crate::document::raw_kind(whole);
    if found != JsonKind::Object {
        let (ko, en) = ("요청 본문은 JSON 객체여야 합니다", "the request body must be a JSON object");
        return Err(MalformedRequest(Text::fixed(ko, en)));
    }
    let mut reader = serde_json::Deserializer::from_str(whole.get());
    let visitor = MemberVisitor { name, seed: PhantomData::<Option<&RawValue>> };
    let found = reader.deserialize_map(visitor).map_err(|e| malformed(&e))?;
    Ok(found.flatten())
}

fn utf8(body: &[u8]) -> Result<&str, MalformedRequest> {
    std::str::from_utf8(body).map_err(|e| {
        let at = e.valid_up_to();
        MalformedRequest(Text::made(
            format!("요청 본문이 올바른 UTF-8이 아닙니다({at}번째 바이트)"),
            format!("the request body is not valid UTF-8 (at byte {at})"),
        ))
    })
}

fn malformed(error: &serde_json::Error) -> MalformedRequest {
    let (line, column) = (error.line(), error.column());
    MalformedRequest(Text::made(
        format!("올바른 JSON이 아닙니다({line}행 {column}열)"),
        format!("malformed JSON at line {line}, column {column}"),
    ))
}

/// Deserialises one member of an object by its seed; `None` if it is absent.
struct MemberVisitor<'n, S> {
    name: &'n str,
    seed: S,
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for MemberVisitor<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut seed, mut found) = (Some(self.seed), None);
        while let Some(key) = map.next_key::<String>()? {
            if key != self.name {
                map.next_value::<IgnoredAny>()?;
            } else if let Some(seed) = seed.take() {
                found = Some(map.next_value_seed(seed)?);
            } else {
                return Err(serde::de::Error::custom("a member given twice"));
            }
        }
        Ok(found)
    }
}

/// The first items of an array, and their total number; the rest is skipped without keeping it.
struct Items<'a> {
    kept: Vec<&'a RawValue>,
    count: usize,
}

struct ItemsVisitor {
    max: usize,
}

impl<'de> DeserializeSeed<'de> for ItemsVisitor {
    type Value = Items<'de>;

    fn deserialize<D: Deserializer<'de>>(self, items: D) -> Result<Self::Value, D::Error> {
        items.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = Items<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<'de>, A::Error> {
        let mut items = Items { kept: Vec::new(), count: 0 };
        while items.count < self.max {
            let Some(item) = seq.next_element()? else { return Ok(items) };
            items.kept.push(item);
            items.count += 1;
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            items.count += 1;
        }
        Ok(items)
    }
}

/// The external ids that occur more than once in a request (SPEC 5).
pub fn repeated<'a>(external_ids: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for id in external_ids {
        *counts.entry(id).or_default() += 1;
    }
    counts.into_iter().filter(|(_, n)| *n > 1).map(|(id, _)| id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    fn reason(body: &str) -> String {
        documents(body.as_bytes()).expect_err("malformed").0.in_lang(Lang::En).to_owned()
    }

    #[test]
    fn what_is_not_as_it_should_be_is_not_passed_over() {
        let wrong = [
            r#"{"documents":[1]}x"#,
            r#"{"documents":[1],"documents":[2]}"#,
            r#"{"documents":[1],"x":tru}"#,
            r#"{"documents":{"a":1}}"#,
            r#"{"documents":null}"#,
            r#"{"documents":[]}"#,
            r#"{"x":[1]}"#,
            "[[1]]",
            r#"{"documents":[1,]}"#,
        ];
        for body in wrong {
            assert!(items_in_one_pass(body.as_bytes(), "documents").is_none(), "{body}");
            assert!(documents(body.as_bytes()).is_err(), "{body}");
        }
        let many = format!(r#"{{"documents":[{}1]}}"#, "1,".repeat(ITEMS_MAX));
        assert!(items_in_one_pass(many.as_bytes(), "documents").is_none());
        let right = r#" {"x":[{}], "\u0064ocuments": [ {"a" : 1} , "\ud800", 1e999 ] } "#;
        let found = items_in_one_pass(right.as_bytes(), "documents").expect("all is right");
        let found: Vec<_> = found.iter().map(|item| item.get()).collect();
        assert_eq!(found, [r#"{"a" : 1}"#, r#""\ud800""#, "1e999"]);
    }

    #[test]
    fn items_are_kept_apart() {
        let body = br#"{"x":{"y":[1]},"documents":[{"a":1},7,null,"s"]}"#;
        let items: Vec<_> = documents(body).expect("well-formed").iter().map(|r| r.get()).collect();
        assert_eq!(items, [r#"{"a":1}"#, "7", "null", r#""s""#]);
    }

    #[test]
    fn a_broken_request_is_told_by_line_and_column() {
        assert_eq!(reason("{\"documents\":[\n1,]}"), "malformed JSON at line 2, column 3");
        assert_eq!(reason("{\"documents\":[1]} x"), "malformed JSON at line 1, column 19");
        assert!(reason("").starts_with("malformed JSON"));
        assert_eq!(reason("[]"), "the request body must be a JSON object");
        assert!(reason(r#"{"documents":{}}"#).contains("documents: must be an array"));
        assert!(reason(r#"{"documents":[]}"#).contains("found 0"));
        assert!(reason(r#"{"documents":null}"#).contains("documents: is required"));
        assert!(reason(r#"{"documents":[1],"documents":[2]}"#).starts_with("malformed JSON"));
    }

    #[test]
    fn one_too_many_is_counted() {
        let body = format!(r#"{{"documents":[{}]}}"#, vec!["1"; 101].join(","));
        assert!(reason(&body).contains("found 101"));
    }

    #[test]
    fn invalid_utf8_is_told_by_its_byte() {
        let broken = documents(b"{\"documents\":[\"\xff\"]}").expect_err("not UTF-8");
        assert!(broken.0.in_lang(Lang::En).contains("at byte 15"));
    }

    #[test]
    fn reads_are_reported_by_true_alone() {
        assert!(is_detail_read(br#"{"document":{"is_detail_read":true,"x":1}}"#).is_ok());
        for bad in [
            r#"{"document":{"is_detail_read":false}}"#,
            r#"{"document":{"is_detail_read":"true"}}"#,
            r#"{"document":{"is_detail_read":null}}"#,
            r#"{"document":{}}"#,
            r#"{"document":[true]}"#,
            "{}",
        ] {
            assert!(is_detail_read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
