//! A search for documents of an institution, with its reason.

use secrecy::SecretString;
use serde::Deserialize;

use super::{Raw, day, form};
use crate::bulk::MalformedRequest;
use crate::clock::SeoulDay;
use crate::document::StringRule;
use crate::ids::BinderId;
use crate::violation::Rule;

/// A search for documents of an institution.
#[derive(Debug)]
pub struct DocumentSearch {
    /// What is searched for.
    pub searched: Searched,
    /// Why, 1 to 200 characters: it is logged.
    pub reason: String,
}

/// What is searched for.
#[derive(Debug)]
pub enum Searched {
    /// Documents for a person.
    Receiver {
        /// The person.
        receiver: SearchedReceiver,
        /// Older than this one.
        before: Option<BinderId>,
    },
    /// Documents with an external id.
    ExternalId {
        /// The external id.
        external_document_uuid: String,
        /// The first day on which they may have been accepted.
        from: SeoulDay,
        /// The last one, at most [`SEARCH_DAYS_MAX`] days in all.
        to: SeoulDay,
        /// In parcels after that of this document.
        after: Option<BinderId>,
    },
}

/// A person who is searched for.
#[derive(Debug)]
pub enum SearchedReceiver {
    /// By the telephone number.
    PhoneNumber(SecretString),
    /// By the ci.
    Ci(SecretString),
}

/// The most days of one search.
pub const SEARCH_DAYS_MAX: i32 = 31;

/// `{"reason", "receiver": {"phone_number"} | {"ci"}, "before"?}`, or `{"reason", "external_document_uuid", "from", "to",
/// "after"?}`.
pub fn document_search(body: &[u8]) -> Result<DocumentSearch, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        reason: Raw<'a>,
        #[serde(borrow)]
        receiver: Raw<'a>,
        #[serde(borrow)]
        before: Raw<'a>,
        #[serde(borrow)]
        external_document_uuid: Raw<'a>,
        #[serde(borrow)]
        from: Raw<'a>,
        #[serde(borrow)]
        to: Raw<'a>,
        #[serde(borrow)]
        after: Raw<'a>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct OfReceiver<'a> {
        #[serde(borrow)]
        phone_number: Raw<'a>,
        #[serde(borrow)]
        ci: Raw<'a>,
    }
    form(body, |checker, form: Form<'_>| {
        let any = StringRule::characters(1, usize::MAX);
        let reason = checker.required("reason", form.reason, StringRule::characters(1, 200));
        if form.receiver.is_some() == form.external_document_uuid.is_some() {
            checker.report("receiver", Rule::ReceiverOrExternalId);
            return None;
        }
        let mut cursor = |member, raw| {
            let text = checker.optional(member, raw, any)?;
            let id = BinderId::parse(&text);
            if id.is_none() {
                checker.report(member, Rule::Binder);
            }
            id
        };
        let (before, after) = (cursor("before", form.before), cursor("after", form.after));
        let searched = if form.receiver.is_some() {
            let of: OfReceiver<'_> = checker.object("receiver", form.receiver)?;
            let receiver = if let Some(ci) = checker.optional("receiver.ci", of.ci, any) {
                SearchedReceiver::Ci(ci.into())
            } else {
                let number = checker.required("receiver.phone_number", of.phone_number, any);
                let number = checker.written_phone_number("receiver.phone_number", number)?;
                SearchedReceiver::PhoneNumber(number.into())
            };
            Searched::Receiver { receiver, before }
        } else {
            let external_document_uuid =
                checker.required("external_document_uuid", form.external_document_uuid, any);
            let (from, to) = (day(checker, "from", form.from), day(checker, "to", form.to));
            let (from, to) = (from?, to?);
            if to < from || to.days_since(from) >= SEARCH_DAYS_MAX {
                checker.report("to", Rule::SearchDays);
            }
            Searched::ExternalId { external_document_uuid: external_document_uuid?, from, to, after }
        };
        Some(DocumentSearch { searched, reason: reason? })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    #[test]
    fn a_search_says_what_and_why() {
        let read = |body: &str| document_search(body.as_bytes());
        let by_number =
            read(r#"{"reason":"민원","receiver":{"phone_number":"010-1111-2222"}}"#).expect("good");
        assert!(matches!(
            by_number.searched,
            Searched::Receiver { receiver: SearchedReceiver::PhoneNumber(_), .. }
        ));
        assert!(!format!("{by_number:?}").contains("1111"), "no personal value in Debug");
        let by_ci = read(r#"{"reason":"민원","receiver":{"ci":"C"}}"#).expect("good");
        assert!(matches!(by_ci.searched, Searched::Receiver { receiver: SearchedReceiver::Ci(_), .. }));
        assert!(
            read(r#"{"reason":"민원","external_document_uuid":"A","from":"2026-11-01","to":"2026-12-01"}"#)
                .is_ok()
        );
        for (wrong, member) in [
            (r#"{"receiver":{"ci":"C"}}"#, "reason"),
            (r#"{"reason":"a"}"#, "receiver"),
            (r#"{"reason":"a","receiver":{"ci":"C"},"external_document_uuid":"A"}"#, "receiver"),
            (r#"{"reason":"a","receiver":{}}"#, "receiver.phone_number"),
            (r#"{"reason":"a","receiver":{"ci":"C"},"before":"x"}"#, "before"),
            (r#"{"reason":"a","external_document_uuid":"A","from":"2026-11-01"}"#, "to"),
            (r#"{"reason":"a","external_document_uuid":"A","from":"2026-11-01","to":"2026-12-02"}"#, "to"),
        ] {
            let says = read(wrong).expect_err(wrong).0.in_lang(Lang::En).to_owned();
            assert!(says.starts_with(member), "{says}");
        }
    }
}
