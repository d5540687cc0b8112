//! When two items are the same document: by what they say, not by how it was written (SPEC 10).

use serde_json::Value;
use serde_json::value::RawValue;

use super::raw::{Raw, RawDocument, RawProperty, RawReceiver, kind};
use crate::violation::JsonKind;

/// The members of an item that the contract knows, in a fixed order and form: equal for two items
/// exactly when they ask for the same. The order of members, white space, escapes, `null` beside
/// absence, and members that the contract does not know make no difference.
///
/// An item that cannot be read is told by its text. Nothing here depends on the time, so an item
/// stays the same after its deadline. The bytes hold personal values.
pub fn canonical(item: &RawValue) -> Vec<u8> {
    let mut form = Vec::with_capacity(512);
    let document = match kind(item) {
        JsonKind::Object => serde_json::from_str::<RawDocument<'_>>(item.get()).ok(),
        _ => None,
    };
    let Some(document) = document else {
        put(&mut form, item.get().as_bytes());
        return form;
    };
    for member in [
        document.title,
        document.read_expired_at,
        document.read_expired_sec,
        document.hash,
        document.common_categories,
    ] {
        put_member(&mut form, member);
    }
    put_object(&mut form, document.receiver, |form, raw: &RawReceiver<'_>| {
        for member in [raw.ci, raw.phone_number, raw.name, raw.birthday, raw.is_required_verify_name] {
            put_member(form, member);
        }
    });
    put_object(&mut form, document.property, |form, raw: &RawProperty<'_>| {
        for member in
            [raw.link, raw.cs_number, raw.cs_name, raw.payload, raw.message, raw.external_document_uuid]
        {
            put_member(form, member);
        }
    });
    form
}

/// The members of an object, or its text where it is none.
fn put_object<'a, T: serde::Deserialize<'a>>(
    form: &mut Vec<u8>,
    raw: Raw<'a>,
    members: impl FnOnce(&mut Vec<u8>, &T),
) {
    let read = raw.filter(|raw| kind(raw) == JsonKind::Object).map(|raw| serde_json::from_str(raw.get()));
    match read {
        Some(Ok(object)) => members(form, &object),
        _ => put_member(form, raw),
    }
}

fn put_member(form: &mut Vec<u8>, raw: Raw<'_>) {
    let Some(raw) = raw else {
        form.push(0);
        return;
    };
    form.push(1);
    let text = raw.get();
    // Most values are strings without an escape, and these have one form already.
    let plain = kind(raw) == JsonKind::String && !text.contains('\\');
    if plain {
        return put(form, text.as_bytes());
    }
    match serde_json::from_str::<Value>(text) {
        // A map of serde_json is in the order of its keys.
        Ok(value) => put(form, value.to_string().as_bytes()),
        Err(_) => put(form, text.as_bytes()),
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
        canonical(serde_json::from_str(json).expect("JSON"))
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
