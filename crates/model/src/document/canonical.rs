//! Canonical form: whether two items are the same document depends on their content, not on their notation
//! (SPEC 10).

use serde_json::Value;

use super::ReadItem;
use super::raw::{Raw, RawBridge, RawDocument, RawProperty, RawReceiver, kind};
use crate::violation::JsonKind;

pub(super) fn canonical(item: &ReadItem<'_>) -> Vec<u8> {
    let mut form = Vec::with_capacity(512);
    let Ok(document) = &item.document else {
        put(&mut form, item.raw.get().as_bytes());
        return form;
    };
    // Destructured by name, so that a new member of the contract cannot be omitted silently.
    let RawDocument {
        title,
        read_expired_at,
        read_expired_sec,
        hash,
        common_categories,
        receiver: raw_receiver,
        property: raw_property,
        bridge: raw_bridge,
    } = document;
    for (number, member) in
        [(1, title), (2, read_expired_at), (3, read_expired_sec), (4, hash), (5, common_categories)]
    {
        put_member(&mut form, number, *member);
    }
    match &item.receiver {
        Ok(RawReceiver { ci, phone_number, name, birthday, is_required_verify_name }) => {
            for (number, member) in
                [(21, ci), (22, phone_number), (23, name), (24, birthday), (25, is_required_verify_name)]
            {
                put_member(&mut form, number, *member);
            }
        }
        Err(_) => put_member(&mut form, 20, *raw_receiver),
    }
    match &item.property {
        Ok(RawProperty { link, cs_number, cs_name, payload, message, external_document_uuid }) => {
            for (number, member) in [
                (41, link),
                (42, cs_number),
                (43, cs_name),
                (44, payload),
                (45, message),
                (46, external_document_uuid),
            ] {
                put_member(&mut form, number, *member);
            }
        }
        Err(_) => put_member(&mut form, 40, *raw_property),
    }
    match &item.bridge {
        Ok(RawBridge { content }) => put_member(&mut form, 61, *content),
        Err(_) => put_member(&mut form, 60, *raw_bridge),
    }
    form
}

/// The tags: a string without escapes, any other value, or an unreadable one.
const TEXT: u8 = 1;
const VALUE: u8 = 2;
const UNREADABLE: u8 = 3;

/// Adds a member under its number, which never changes. An absent member adds nothing, so that the form of
/// existing documents stays the same when the contract gets another member.
fn put_member(form: &mut Vec<u8>, number: u8, raw: Raw<'_>) {
    let Some(raw) = raw else { return };
    let json = raw.get();
    form.push(number);
    if kind(raw) == JsonKind::String && !json.contains('\\') {
        // Most strings have no escapes and can be copied as they are.
        form.push(TEXT);
        return put(form, json.trim_matches('"').as_bytes());
    }
    match serde_json::from_str::<Value>(json) {
        Ok(Value::String(text)) => {
            form.push(TEXT);
            put(form, text.as_bytes());
        }
        Ok(value) => {
            form.push(VALUE);
            // A serde_json map is sorted by key.
            put(form, value.to_string().as_bytes());
        }
        Err(_) => {
            form.push(UNREADABLE);
            put(form, json.as_bytes());
        }
    }
}

/// Adds the length first, so that different value lists never have the same encoding.
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
            (r#""title":"T","#, r#""title":"T","bridge":{"content":"T"},"#),
            (r#""title":"T","#, r#""title":"T","bridge":"T","#),
            (r#""title":"T","#, r#""title":"T","common_categories":["BILL"],"#),
        ] {
            forms.push(of(&base.replace(from, to)));
        }
        let payload = |text: &str| of(&format!(r#"{{"title":"T","property":{{"payload":{text}}}}}"#));
        forms.extend([payload(r#""\ud800""#), payload(r#""\\ud800""#), payload("1"), payload(r#""1""#)]);
        forms.extend([of("7"), of("null"), of(r#"{"title":"T","title":"T"}"#)]);
        let count = forms.len();
        forms.sort();
        forms.dedup();
        assert_eq!(forms.len(), count);
    }
}
