//! An item of a request, taken apart once: for its rules, its id and its canonical form.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::raw::{Raw, RawDocument, RawProperty, RawReceiver, kind};
use super::{CheckContext, Document, canonical, rules};
use crate::violation::{JsonKind, Rule, Violation};

/// An object, or the rule that what stood there broke.
pub(super) type Parsed<T> = Result<T, Rule>;

/// An item of a send, not yet judged.
pub struct ReadItem<'a> {
    pub(super) raw: &'a RawValue,
    pub(super) document: Parsed<RawDocument<'a>>,
    pub(super) receiver: Parsed<RawReceiver<'a>>,
    pub(super) property: Parsed<RawProperty<'a>>,
}

impl<'a> ReadItem<'a> {
    /// Takes an item apart.
    pub fn read(raw: &'a RawValue) -> Self {
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

fn object<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Parsed<T> {
    let raw = raw.ok_or(Rule::Missing)?;
    match kind(raw) {
        JsonKind::Object => serde_json::from_str(raw.get()).map_err(|_| Rule::Unreadable),
        found => Err(Rule::WrongType { expected: JsonKind::Object, found }),
    }
}
