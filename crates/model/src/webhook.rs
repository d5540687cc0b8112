//! The bodies of an institution's calls about its webhooks (SPEC 15).

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bulk::MalformedRequest;
use crate::document::StringRule;
use crate::event::EventType;
use crate::forms::form;
use crate::stored::NamedNumber;
use crate::violation::Rule;

/// The longest address of a webhook.
pub const URL_CHARACTERS_MAX: usize = 500;

/// A webhook to be registered.
#[derive(Debug, PartialEq, Eq)]
pub struct NewWebhook {
    /// Where to.
    pub url: String,
    /// Only events of these types; `None` for all.
    pub types: Option<BTreeSet<EventType>>,
}

type Raw<'a> = Option<&'a RawValue>;

/// `{"url", "types"?}`.
pub fn new_webhook(body: &[u8]) -> Result<NewWebhook, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        url: Raw<'a>,
        #[serde(borrow)]
        types: Raw<'a>,
    }
    form(body, |checker, form: Form<'_>| {
        let url = checker.required("url", form.url, StringRule::characters(1, URL_CHARACTERS_MAX));
        let mut types = BTreeSet::new();
        let are_known = checker.strings("types", form.types, |name| {
            EventType::from_name(name)
                .map(|known| types.insert(known))
                .map(drop)
                .ok_or(Rule::UnknownEventType)
        });
        if form.types.is_some() && are_known && types.is_empty() {
            checker.report("types", Rule::UnknownEventType);
        }
        Some(NewWebhook { url: url?, types: form.types.is_some().then_some(types) })
    })
}

/// `{"after"}`: a number of the feed.
pub fn replay(body: &[u8]) -> Result<u64, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        after: Raw<'a>,
    }
    form(body, |checker, form: Form<'_>| {
        if form.after.is_none() {
            checker.report("after", Rule::Missing);
        }
        checker.integer("after", form.after, 0, i64::MAX / 2).map(i64::unsigned_abs)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    #[test]
    fn bodies_are_read_and_mistakes_are_named() {
        let webhook = new_webhook(br#"{"url":"https://hooks.example.kr/seoham","types":["document.read"]}"#);
        assert_eq!(
            webhook.expect("good"),
            NewWebhook {
                url: "https://hooks.example.kr/seoham".to_owned(),
                types: Some(BTreeSet::from([EventType::Read])),
            }
        );
        assert_eq!(new_webhook(br#"{"url":"x","types":null}"#).expect("good").types, None);
        assert_eq!(replay(br#"{"after":0}"#).expect("good"), 0);
        for (body, member) in [
            ("{}", "url"),
            (r#"{"url":5}"#, "url"),
            (r#"{"url":"x","types":[]}"#, "types"),
            (r#"{"url":"x","types":["document.unread"]}"#, "types"),
            (r#"{"url":"x","types":"document.read"}"#, "types"),
        ] {
            let error = new_webhook(body.as_bytes()).expect_err(body);
            let text = error.0.in_lang(Lang::En);
            assert!(text.contains(member), "{body}: {text}");
            assert!(!text.contains("; "), "one mistake is named once: {text}");
        }
        assert!(replay(br#"{"after":-1}"#).is_err() && replay(b"{}").is_err());
    }
}
