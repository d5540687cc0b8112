//! The JSON shape of a document, with each member kept as raw text.
//!
//! Members are parsed one by one from their raw text, so that a member of the wrong type is reported by its
//! path together with the others, without invalidating the rest of the item. Unknown members are skipped
//! without recursion, however deeply they nest.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::violation::JsonKind;

/// A member's raw text; `None` when absent or `null`.
pub(crate) type Raw<'a> = Option<&'a RawValue>;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawDocument<'a> {
    #[serde(borrow)]
    pub(super) title: Raw<'a>,
    #[serde(borrow)]
    pub(super) read_expired_at: Raw<'a>,
    #[serde(borrow)]
    pub(super) read_expired_sec: Raw<'a>,
    #[serde(borrow)]
    pub(super) hash: Raw<'a>,
    #[serde(borrow)]
    pub(super) common_categories: Raw<'a>,
    #[serde(borrow)]
    pub(super) receiver: Raw<'a>,
    #[serde(borrow)]
    pub(super) property: Raw<'a>,
    #[serde(borrow)]
    pub(super) bridge: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawReceiver<'a> {
    #[serde(borrow)]
    pub(super) ci: Raw<'a>,
    #[serde(borrow)]
    pub(super) phone_number: Raw<'a>,
    #[serde(borrow)]
    pub(super) name: Raw<'a>,
    #[serde(borrow)]
    pub(super) birthday: Raw<'a>,
    #[serde(borrow)]
    pub(super) is_required_verify_name: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawProperty<'a> {
    #[serde(borrow)]
    pub(super) link: Raw<'a>,
    #[serde(borrow)]
    pub(super) cs_number: Raw<'a>,
    #[serde(borrow)]
    pub(super) cs_name: Raw<'a>,
    #[serde(borrow)]
    pub(super) payload: Raw<'a>,
    #[serde(borrow)]
    pub(super) message: Raw<'a>,
    #[serde(borrow)]
    pub(super) external_document_uuid: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RawBridge<'a> {
    #[serde(borrow)]
    pub(super) content: Raw<'a>,
}

/// The kind of the value in `raw`, from its first byte.
pub(crate) fn kind(raw: &RawValue) -> JsonKind {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'{') => JsonKind::Object,
        Some(b'[') => JsonKind::Array,
        Some(b'"') => JsonKind::String,
        Some(b't' | b'f') => JsonKind::Boolean,
        Some(b'n') | None => JsonKind::Null,
        Some(_) if text.contains(['.', 'e', 'E']) => JsonKind::Number,
        Some(_) => JsonKind::Integer,
    }
}

/// The external id of an item, even if the rest is invalid; `None` if it is unreadable.
pub(super) fn external_id(item: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        property: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Property<'a> {
        #[serde(borrow)]
        external_document_uuid: &'a RawValue,
    }
    if kind(item) != JsonKind::Object {
        return None;
    }
    let item: Item<'_> = serde_json::from_str(item.get()).ok()?;
    if kind(item.property) != JsonKind::Object {
        return None;
    }
    let property: Property<'_> = serde_json::from_str(item.property.get()).ok()?;
    serde_json::from_str(property.external_document_uuid.get()).ok()
}
