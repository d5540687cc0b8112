//! An institution, and what changes of it (SPEC 11).

use serde::Deserialize;

use super::{NAME, Raw, form, names_null};
use crate::bulk::MalformedRequest;
use crate::document::StringRule;
use crate::ids::AgencyId;
use crate::violation::Rule;

const CONTACT: StringRule = StringRule::characters(1, 200);

/// A new institution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInstitution {
    /// Its name, 1 to 40 characters.
    pub name: String,
    /// Whom to ask about it, at most 200 characters.
    pub contact: Option<String>,
    /// The agency that administers it.
    pub agency: Option<AgencyId>,
}

/// `{"name", "contact"?, "agency_id"?}` of an institution.
pub fn institution(body: &[u8]) -> Result<NewInstitution, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        name: Raw<'a>,
        #[serde(borrow)]
        contact: Raw<'a>,
        #[serde(borrow)]
        agency_id: Raw<'a>,
    }
    form(body, |checker, form: Form<'_>| {
        let name = checker.required("name", form.name, NAME);
        let contact = checker.optional("contact", form.contact, CONTACT);
        let agency = checker.optional("agency_id", form.agency_id, StringRule::characters(1, 40));
        let known = agency.as_deref().map(AgencyId::parse);
        if known == Some(None) {
            checker.report("agency_id", Rule::UnknownAgency);
        }
        Some(NewInstitution { name: name?, contact, agency: known.flatten() })
    })
}

/// What changes of an institution; an absent member stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstitutionChange {
    /// Its name.
    pub name: Option<String>,
    /// Whom to ask about it; `Some(None)` for nobody.
    pub contact: Option<Option<String>>,
}

/// `{"name"?, "contact"?}` of an institution; a contact that is `null` is removed.
pub fn institution_change(body: &[u8]) -> Result<InstitutionChange, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        name: Raw<'a>,
        #[serde(borrow)]
        contact: Raw<'a>,
    }
    let is_removed = names_null(body, "contact");
    form(body, |checker, form: Form<'_>| {
        let name = checker.optional("name", form.name, NAME);
        let contact = checker.optional("contact", form.contact, CONTACT);
        let contact = if is_removed { Some(None) } else { contact.map(Some) };
        Some(InstitutionChange { name, contact })
    })
}
