//! An item of a request, parsed once for its rules, its id and its canonical form.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::raw::{Raw, RawBridge, RawDocument, RawProperty, RawReceiver, kind};
use super::{CheckContext, Document, canonical, rules};
use crate::violation::{JsonKind, Rule, Violation};

/// A parsed object, or the rule that it violates.
pub(super) type Parsed<T> = Result<T, Rule>;

/// An item of a send, not yet validated.
pub struct ReadItem<'a> {
    pub(super) raw: &'a RawValue,
    pub(super) document: Parsed<RawDocument<'a>>,
    pub(super) receiver: Parsed<RawReceiver<'a>>,
    pub(super) property: Parsed<RawProperty<'a>>,
    pub(super) bridge: Parsed<RawBridge<'a>>,
}

impl<'a> ReadItem<'a> {
    /// Parses an item.
    pub fn read(raw: &'a RawValue) -> Self {
        let document: Parsed<RawDocument<'a>> = object(Some(raw));
        let part = |of: fn(&RawDocument<'a>) -> Raw<'a>| document.as_ref().ok().and_then(of);
        let (receiver, property) = (object(part(|d| d.receiver)), object(part(|d| d.property)));
        let bridge = object(part(|d| d.bridge));
        Self { raw, document, receiver, property, bridge }
    }

    /// Checks every rule of SPEC 4. Reports all violations, not only the first; none contains a value.
    pub fn check(&self, context: CheckContext) -> Result<Document, Vec<Violation>> {
        rules::check_item(self, context)
    }

    /// Its external id, even if the rest is invalid; `None` if it is unreadable.
    pub fn external_document_uuid(&self) -> Option<String> {
        match &self.property {
            Ok(property) => serde_json::from_str(property.external_document_uuid?.get()).ok(),
            Err(_) => super::raw::external_id(self.raw),
        }
    }

    /// Its content in canonical form (SPEC 10). The order of members, white space, escapes, `null` or absent,
    /// and unknown members make no difference; any other difference in notation does, such as the letter case
    /// of a category.
    ///
    /// An unreadable item is represented by its text. Nothing here depends on the time, so the form stays the
    /// same after the item's deadline. The bytes contain personal values.
    pub fn canonical(&self) -> Vec<u8> {
        canonical::canonical(self)
    }
}

fn object<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Parsed<T> {
    let raw = raw.ok_or(Rule::Missing)?;
    match kind(raw) {
        JsonKind::Object => serde_json::from_str(raw.get()).map_err(|_| Rule::Unreadable),
        found => Err(Rule::WrongType { expected: JsonKind::Object, found }),
    }
}
