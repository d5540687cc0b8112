//! An item of a request, taken apart once: for its rules, its id and its canonical form.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::raw::{Object, Raw, RawDocument, RawProperty, RawReceiver, WholeDocument, kind};
use super::{CheckContext, Document, canonical, rules};
use crate::violation::{JsonKind, Rule, Violation};

/// An object, or the rule that what stood there broke.
pub(super) type Parsed<T> = Result<T, Rule>;

/// An item of a send, not yet judged.
pub struct ReadItem<'a> {
    pub(super) raw: &'a RawValue,
    /// Its parts are kept raw only where they cannot be taken apart.
    pub(super) document: Parsed<RawDocument<'a>>,
    pub(super) receiver: Parsed<RawReceiver<'a>>,
    pub(super) property: Parsed<RawProperty<'a>>,
}

impl<'a> ReadItem<'a> {
    /// Takes an item apart.
    pub fn read(raw: &'a RawValue) -> Self {
        Self::read_whole(raw).unwrap_or_else(|| Self::read_part_by_part(raw))
    }

    /// In one pass, as nearly always; `None` where any of it is not an object or cannot be read.
    fn read_whole(raw: &'a RawValue) -> Option<Self> {
        let Object(document) = serde_json::from_str::<Object<WholeDocument<'a>>>(raw.get()).ok()?;
        let WholeDocument {
            title,
            read_expired_at,
            read_expired_sec,
            hash,
            common_categories,
            receiver,
            property,
        } = document;
        let (receiver, property) = (part(receiver), part(property));
        let document = RawDocument {
            title,
            read_expired_at,
            read_expired_sec,
            hash,
            common_categories,
            receiver: None,
            property: None,
        };
        Some(Self { raw, document: Ok(document), receiver, property })
    }

    fn read_part_by_part(raw: &'a RawValue) -> Self {
        let document: Parsed<RawDocument<'a>> = object(Some(raw));
        let part = |of: fn(&RawDocument<'a>) -> Raw<'a>| document.as_ref().ok().and_then(of);
        let (receiver, property) = (object(part(|d| d.receiver)), object(part(|d| d.property)));
        Self { raw, document, receiver, property }
    }

    /// Checks every rule of SPEC 4. All broken rules are reported, not only the first; none of them
    /// repeats a value.
    pub fn check(&self, context: CheckContext) -> Result<Document, Vec<Violation>> {
        rules::check_item(self, context)
    }

    /// Its external id, however broken the rest of it is; `None` when it cannot be read.
    pub fn external_document_uuid(&self) -> Option<String> {
        match &self.property {
            Ok(property) => serde_json::from_str(property.external_document_uuid?.get()).ok(),
            Err(_) => super::raw::external_id(self.raw),
        }
    }

    /// What it asks for, in one form (SPEC 10). The order of members, white space between them, escapes,
    /// `null` beside absence, and members that the contract does not know make no difference; any other
    /// way of writing the same does, such as the letter case of a category.
    ///
    /// An item that cannot be read is told by its text. Nothing here depends on the time, so an item
    /// stays the same after its deadline. The bytes hold personal values.
    pub fn canonical(&self) -> Vec<u8> {
        canonical::canonical(self)
    }
}

fn part<T>(part: Option<Object<T>>) -> Parsed<T> {
    part.map(|Object(part)| part).ok_or(Rule::Missing)
}

fn object<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Parsed<T> {
    let raw = raw.ok_or(Rule::Missing)?;
    match kind(raw) {
        JsonKind::Object => serde_json::from_str(raw.get()).map_err(|_| Rule::Unreadable),
        found => Err(Rule::WrongType { expected: JsonKind::Object, found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::UnixSeconds;

    /// In one pass or part by part: what is found is the same.
    #[test]
    fn both_ways_find_the_same() {
        let parts = [
            "null",
            "{}",
            "[]",
            r#"["C","01011112222"]"#,
            "7",
            r#""text""#,
            r#"{"ci":"C"}"#,
            r#"{"ci":"C","ci":"D"}"#,
            r#"{"ci":["C"],"unknown":{"deep":[{}]}}"#,
            r#"{"phone_number":"01011112222","birthday":"19800229","name":null}"#,
            r#"{"link":"https://a.example.kr/","cs_number":"02-000-0000","cs_name":"민원실","external_document_uuid":"E"}"#,
            r#"{"link":1e999,"payload":"\ud800"}"#,
        ];
        let mut items: Vec<String> = ["7", "[]", "null", r#"["T"]"#, "{}"].map(str::to_owned).to_vec();
        for receiver in parts {
            for property in parts {
                items.push(format!(
                    r#"{{"title":"T","read_expired_sec":60,"receiver":{receiver},"x":[{receiver}],"property":{property}}}"#
                ));
            }
            items.push(format!(r#"{{"receiver":{receiver},"receiver":{receiver}}}"#));
            items.push(format!(r#"{{"property":{receiver}}}"#));
        }
        let context = CheckContext { now: UnixSeconds(1_700_000_000), certified: false, bulk: true };
        let mut whole_ones = 0;
        for json in &items {
            let raw: &RawValue = serde_json::from_str(json).expect("JSON");
            let Some(whole) = ReadItem::read_whole(raw) else { continue };
            whole_ones += 1;
            let by_part = ReadItem::read_part_by_part(raw);
            assert_eq!(whole.canonical(), by_part.canonical(), "{json}");
            assert_eq!(whole.external_document_uuid(), by_part.external_document_uuid(), "{json}");
            assert_eq!(whole.check(context).err(), by_part.check(context).err(), "{json}");
        }
        // Null or an object; of a receiver, but the one with its ci twice.
        assert_eq!(whole_ones, 7 * 8 + 1 + 8, "nearly all of what is not broken");
    }
}
