//! Parses the small bodies of the operator's, the sandbox's and the messenger provider's calls (SPEC 11 to
//! 13), as carefully as documents: every wrong member is reported by name.

mod institutions;
mod receipts;
mod searches;
mod tokens;
mod volume_plans;

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bulk::{MalformedRequest, any};
use crate::card::{Card, MEMBER_CHARACTERS_MAX};
use crate::clock::{SeoulDay, UnixSeconds};
use crate::contract::{Authentication, Notice, Product};
use crate::document::{Checker, StringRule};
use crate::message::MessageTemplate;
use crate::person::{Addresses, PersonRecord, is_email, read_person};
use crate::violation::{Place, Rule, text};

/// How far one call may advance a sandbox's clock: ten years.
const ADVANCE_MAX_SECONDS: i64 = 315_360_000;

pub use institutions::{InstitutionChange, NewInstitution, institution, institution_change};
pub use receipts::{RECEIPTS_MAX, ReportedMessage, ReportedReceipt, ReportedStatus, receipts};
pub use searches::{DocumentSearch, SEARCH_DAYS_MAX, Searched, SearchedReceiver, document_search};
pub use tokens::{NewToken, TokenChange, token, token_change};
pub use volume_plans::{AnnouncedVolume, volume_plan};

type Raw<'a> = Option<&'a RawValue>;

pub(crate) fn form<'a, T: Deserialize<'a>, U>(
    body: &'a [u8],
    read: impl FnOnce(&mut Checker, T) -> Option<U>,
) -> Result<U, MalformedRequest> {
    let raw = any(body)?;
    let mut checker = Checker::default();
    let value = checker.object("", Some(raw)).and_then(|form| read(&mut checker, form));
    checker.finish(value).map_err(|violations| MalformedRequest(text(&violations, Place::Body)))
}

/// `{"phone_number"}`.
pub fn phone_number(body: &[u8]) -> Result<SecretString, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        phone_number: Raw<'a>,
    }
    form(body, |checker, form: Form<'_>| {
        let any = StringRule::characters(1, usize::MAX);
        let value = checker.required("phone_number", form.phone_number, any);
        checker.written_phone_number("phone_number", value).map(SecretString::from)
    })
}

/// `{"phone_number"}` or `{"email"}`: by which of them somebody is reached.
pub fn addresses(body: &[u8]) -> Result<Addresses, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        phone_number: Raw<'a>,
        #[serde(borrow)]
        email: Raw<'a>,
    }
    form(body, |checker, form: Form<'_>| {
        let any = StringRule::characters(1, usize::MAX);
        let email = checker.optional("email", form.email, any);
        let Some(email) = email else {
            let number = checker.required("phone_number", form.phone_number, any);
            let number = checker.written_phone_number("phone_number", number)?;
            return Some(Addresses::of_number(number.into()));
        };
        if !is_email(&email) {
            checker.report("email", Rule::Email);
        }
        Some(Addresses { phone_number: None, email: Some(email.into()) })
    })
}

/// `{"advance_seconds"}`: 0 to ten years.
pub fn advance_seconds(body: &[u8]) -> Result<u32, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        advance_seconds: Raw<'a>,
    }
    form(body, |checker, form: Form<'_>| {
        if form.advance_seconds.is_none() {
            checker.report("advance_seconds", Rule::Missing);
        }
        let seconds = checker.integer("advance_seconds", form.advance_seconds, 0, ADVANCE_MAX_SECONDS)?;
        u32::try_from(seconds).ok()
    })
}

/// A person (SPEC 11).
pub fn person(body: &[u8], now: UnixSeconds) -> Result<PersonRecord, MalformedRequest> {
    read_person(any(body)?, SeoulDay::of(now)).map_err(|v| MalformedRequest(text(&v, Place::Body)))
}

/// `{"name"}` of an operator or an agency: 1 to 40 characters.
pub fn name(body: &[u8]) -> Result<String, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        name: Raw<'a>,
    }
    form(body, |checker, form: Form<'_>| checker.required("name", form.name, NAME))
}

const NAME: StringRule = StringRule::characters(1, 40);

/// Whether the object has this member with the value `null`, which [`form`] takes for an absent one.
pub(crate) fn names_null(body: &[u8], member: &str) -> bool {
    let members: Option<std::collections::HashMap<String, Option<serde::de::IgnoredAny>>> =
        serde_json::from_slice(body).ok();
    members.is_some_and(|members| matches!(members.get(member), Some(None)))
}

/// `{"authentication": "pin"|"certificate"|"none", "certified"?: bool, "notice"?: "platform"|"institution"|"none"}`.
pub fn product(body: &[u8]) -> Result<Product, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        authentication: Raw<'a>,
        #[serde(borrow)]
        certified: Raw<'a>,
        #[serde(borrow)]
        notice: Raw<'a>,
    }
    form(body, |checker, form: Form<'_>| {
        let any = StringRule::characters(1, usize::MAX);
        let certified = checker.boolean("certified", form.certified).unwrap_or(false);
        let notice = match checker.optional("notice", form.notice, any) {
            Some(name) => Notice::from_name(&name),
            None => Some(Notice::Platform),
        };
        if notice.is_none() {
            checker.report("notice", Rule::UnknownNotice);
        }
        let name = checker.required("authentication", form.authentication, any)?;
        let authentication = Authentication::from_name(&name);
        if authentication.is_none() {
            checker.report("authentication", Rule::UnknownAuthentication);
        }
        Some(Product { authentication: authentication?, certified, notice: notice? })
    })
}

/// A template of SPEC 13.
pub fn template(body: &[u8]) -> Result<MessageTemplate, MalformedRequest> {
    MessageTemplate::parse(body).map_err(MalformedRequest)
}

/// `{"amount"?, "due"?}`: the members of a JSON payload that the box shows. Without either it shows none.
pub fn card(body: &[u8]) -> Result<Card, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        amount: Raw<'a>,
        #[serde(borrow)]
        due: Raw<'a>,
    }
    form(body, |checker, form: Form<'_>| {
        let name = StringRule::characters(1, MEMBER_CHARACTERS_MAX);
        let amount = checker.optional("amount", form.amount, name);
        let due = checker.optional("due", form.due, name);
        Some(Card { amount, due })
    })
}

/// A day, `YYYY-MM-DD`.
fn day(checker: &mut Checker, member: &'static str, raw: Raw<'_>) -> Option<SeoulDay> {
    let text = checker.required(member, raw, StringRule::characters(1, 10))?;
    let day = SeoulDay::parse(&text);
    if day.is_none() {
        checker.report(member, Rule::Day);
    }
    day
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::Lang;

    #[test]
    fn forms_tell_the_wrong_member() {
        let reason = |broken: MalformedRequest| broken.0.in_lang(Lang::En).to_owned();
        let now = UnixSeconds(1_000);
        assert_eq!(reason(name(b"{}").expect_err("no name")), "name: is required and missing or blank");
        assert!(reason(product(br#"{"authentication":"x"}"#).expect_err("bad")).contains("authentication"));
        assert!(
            reason(product(br#"{"authentication":"pin","notice":"x"}"#).expect_err("bad")).contains("notice")
        );
        assert_eq!(product(br#"{"authentication":"pin"}"#).expect("good"), Product::default());
        assert!(token(br#"{"label":"a","expires_at":1001}"#, now).is_ok());
        assert!(token(br#"{"label":"a","expires_at":1000}"#, now).is_err());
        assert!(token(br#"{"allowed_networks":["203.0.113.7"]}"#, now).is_err(), "no label");
        let made = token(br#"{"label":"a","allowed_networks":["203.0.113.7"]}"#, now).expect("good");
        assert_eq!(
            made.allowed_networks.map(|networks| networks.to_string()),
            Some("203.0.113.7/32".to_owned())
        );
        for wrong in ["[]", "\"203.0.113.7\"", "[\"x\"]", "[5]"] {
            let body = format!(r#"{{"label":"a","allowed_networks":{wrong}}}"#);
            assert!(reason(token(body.as_bytes(), now).expect_err(wrong)).contains("allowed_networks"));
        }
        let change = token_change(br#"{"expires_at":null,"allowed_networks":null}"#, now).expect("good");
        assert_eq!(
            (change.label, change.expires_at, change.allowed_networks),
            (None, Some(None), Some(None))
        );
        assert_eq!(token_change(b"{}", now).expect("good"), TokenChange::default());
        let change = institution_change("{\"contact\":null,\"name\":\"가\"}".as_bytes()).expect("good");
        assert_eq!(change, InstitutionChange { name: Some("가".to_owned()), contact: Some(None) });
        assert_eq!(institution_change(b"{}").expect("good"), InstitutionChange::default());
        assert!(
            reason(institution(br#"{"name":"a","agency_id":"x"}"#).expect_err("bad")).contains("agency_id")
        );
        assert_eq!(advance_seconds(br#"{"advance_seconds":60}"#).expect("good"), 60);
        assert!(advance_seconds(br#"{"advance_seconds":-1}"#).is_err());
        assert!(advance_seconds(b"{}").is_err());
        assert!(phone_number(br#"{"phone_number":"010-1111-2222"}"#).is_ok(), "as people write it");
        assert!(phone_number(br#"{"phone_number":"010-1111"}"#).is_err());
    }
}
