//! When two items are the same document: by what they say, not by how it was written (SPEC 10).

use serde_json::Value;

use super::ReadItem;
use super::raw::{Raw, RawDocument, RawProperty, RawReceiver, kind};
use crate::violation::JsonKind;

pub(super) fn canonical(item: &ReadItem<'_>) -> Vec<u8> {
    let mut form = Vec::with_capacity(512);
    let Ok(document) = &item.document else {
        put(&mut form, item.raw.get().as_bytes());
        return form;
    };
    let RawDocument { title, read_expired_at, read_expired_sec, hash, common_categories, .. } = document;
    for member in [title, read_expired_at, read_expired_sec, hash, common_categories] {
        put_member(&mut form, *member);
    }
    match &item.receiver {
        Ok(RawReceiver { ci, phone_number, name, birthday, is_required_verify_name }) => {
            for member in [ci, phone_number, name, birthday, is_required_verify_name] {
                put_member(&mut form, *member);
            }
        }
        Err(_) => put_member(&mut form, document.receiver),
    }
    match &item.property {
        Ok(RawProperty { link, cs_number, cs_name, payload, message, external_document_uuid }) => {
            for member in [link, cs_number, cs_name, payload, message, external_document_uuid] {
                put_member(&mut form, *member);
            }
        }
        Err(_) => put_member(&mut form, document.property),
    }
    form
}

/// Absent, a text without its escapes, or any other value.
const ABSENT: u8 = 0;
const TEXT: u8 = 1;
const VALUE: u8 = 2;

fn put_member(form: &mut Vec<u8>, raw: Raw<'_>) {
    let Some(raw) = raw else {
        form.push(ABSENT);
        return;
    };
    let json = raw.get();
    if kind(raw) == JsonKind::String {
        // Most have no escape, and stand between their quotation marks as they are.
        let decoded = if json.contains('\\') { serde_json::from_str::<String>(json).ok() } else { None };
        let plain = json.trim_matches('"');
        form.push(TEXT);
        return put(form, decoded.as_deref().unwrap_or(plain).as_bytes());
    }
    form.push(VALUE);
    match serde_json::from_str::<Value>(json) {
        // A map of serde_json is in the order of its keys.
        Ok(value) => put(form, value.to_string().as_bytes()),
        Err(_) => put(form, json.as_bytes()),
    }
}

/// With its length, so that no two lists of values run into one another.
fn put(form: &mut Vec<u8>, bytes: &[u8]) {
    form.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    form.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Vec<u8> {
        ReadItem::read(serde_json::from_str(json).expect("JSON")).canonical()
    }

    #[test]
    fn what_is_said_counts_not_how() {
        let first = of(r#"{"title":"고지서","read_expired_sec":60,"receiver":{"ci":"C","name":null},
            "property":{"link":"https://a.example.kr/","payload":"a\"b"},"x":1}"#);
        let same = of(r#"{"y":{"x":[]},"property":{"payload":"a\u0022b","link":"https:\/\/a.example.kr/"},
            "receiver":{"ci":"C"},"read_expired_sec":60,"title":"\uace0지서"}"#);
        assert_eq!(first, same);
    }

    #[test]
    fn every_member_counts() {
        let base = r#"{"title":"T","read_expired_sec":60,"receiver":{"ci":"C"},"property":{"link":"L"}}"#;
        let mut forms = vec![of(base)];
        for (from, to) in [
            (r#""T""#, r#""U""#),
            ("60", "61"),
            ("read_expired_sec", "read_expired_at"),
            (r#""C""#, r#""D""#),
            (r#""ci""#, r#""name""#),
            (r#""L""#, r#""M""#),
            (r#""link""#, r#""message""#),
            (r#"{"ci":"C"}"#, "null"),
            (r#"{"ci":"C"}"#, r#""C""#),
            (r#""title":"T","#, r#""title":["T"],"#),
            (r#""title":"T","#, r#""title":"T","hash":"T","#),
            (r#""title":"T","#, r#""title":"T","common_categories":["BILL"],"#),
        ] {
            forms.push(of(&base.replace(from, to)));
        }
        forms.extend([of("7"), of("null"), of(r#"{"title":"T","title":"T"}"#)]);
        let count = forms.len();
        forms.sort();
        forms.dedup();
        assert_eq!(forms.len(), count);
    }
}
