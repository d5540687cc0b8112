//! Parses the small bodies of the operator's, the sandbox's and the messenger provider's calls (SPEC 11 to
//! 13), as carefully as documents: every wrong member is reported by name.

use secrecy::SecretString;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bulk::{MalformedRequest, any};
use crate::card::{Card, MEMBER_CHARACTERS_MAX};
use crate::clock::{SeoulDay, UnixSeconds};
use crate::contract::{Authentication, Notice, Product};
use crate::document::{Checker, StringRule, raw_kind};
use crate::ids::{AgencyId, BinderId};
use crate::message::MessageTemplate;
use crate::network::Networks;
use crate::notification::NotificationId;
use crate::person::{PersonRecord, read_person};
use crate::violation::{JsonKind, Place, Rule, Violation, text};

/// The maximum number of receipts in one call (SPEC 13).
pub const RECEIPTS_MAX: usize = 1_000;
/// How far one call may advance a sandbox's clock: ten years.
const ADVANCE_MAX_SECONDS: i64 = 315_360_000;

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

/// Whether the object has this member with the value `null`, which [`form`] takes for an absent one.
fn names_null(body: &[u8], member: &str) -> bool {
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

/// A new token of an institution, an operator or an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// What it is for, 1 to 40 characters.
    pub label: String,
    /// From when on it is no longer valid.
    pub expires_at: Option<UnixSeconds>,
    /// From where it may be used; from anywhere without them.
    pub allowed_networks: Option<Networks>,
}

/// `{"label", "expires_at"?, "allowed_networks"?}` of a token; it must expire in the future.
pub fn token(body: &[u8], now: UnixSeconds) -> Result<NewToken, MalformedRequest> {
    let change = |checker: &mut Checker, form: TokenForm<'_>| {
        let TokenChange { label, expires_at, allowed_networks } = form.read(checker, now);
        let label = match label {
            Some(label) => label,
            None => checker.required("label", None, LABEL)?,
        };
        let (expires_at, allowed_networks) = (expires_at.flatten(), allowed_networks.flatten());
        Some(NewToken { label, expires_at, allowed_networks })
    };
    form(body, change)
}

const LABEL: StringRule = StringRule::characters(1, 40);

/// What changes of a token; an absent member stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenChange {
    /// What it is for.
    pub label: Option<String>,
    /// From when on it is no longer valid; `Some(None)` for never.
    pub expires_at: Option<Option<UnixSeconds>>,
    /// From where it may be used; `Some(None)` for anywhere.
    pub allowed_networks: Option<Option<Networks>>,
}

/// `{"label"?, "expires_at"?, "allowed_networks"?}` of a token; an end or networks that are `null` are removed.
pub fn token_change(body: &[u8], now: UnixSeconds) -> Result<TokenChange, MalformedRequest> {
    let (no_end, anywhere) = (names_null(body, "expires_at"), names_null(body, "allowed_networks"));
    form(body, |checker, form: TokenForm<'_>| {
        let mut change = form.read(checker, now);
        if no_end {
            change.expires_at = Some(None);
        }
        if anywhere {
            change.allowed_networks = Some(None);
        }
        Some(change)
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenForm<'a> {
    #[serde(borrow)]
    label: Raw<'a>,
    #[serde(borrow)]
    expires_at: Raw<'a>,
    #[serde(borrow)]
    allowed_networks: Raw<'a>,
}

impl TokenForm<'_> {
    fn read(&self, checker: &mut Checker, now: UnixSeconds) -> TokenChange {
        let label = checker.optional("label", self.label, LABEL);
        let expires_at = checker.integer("expires_at", self.expires_at, 0, 9_999_999_999).map(UnixSeconds);
        if expires_at.is_some_and(|at| at <= now) {
            checker.report("expires_at", Rule::PastDeadline);
        }
        let mut texts = Vec::new();
        checker.strings("allowed_networks", self.allowed_networks, |text| {
            texts.push(text.to_owned());
            Ok(())
        });
        let networks = Networks::parse(texts.iter().map(String::as_str));
        if self.allowed_networks.is_some() && networks.is_none() {
            checker.report("allowed_networks", Rule::Networks);
        }
        TokenChange { label, expires_at: expires_at.map(Some), allowed_networks: networks.map(Some) }
    }
}

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

/// A day, `YYYY-MM-DD`.
fn day(checker: &mut Checker, member: &'static str, raw: Raw<'_>) -> Option<SeoulDay> {
    let text = checker.required(member, raw, StringRule::characters(1, 10))?;
    let day = SeoulDay::parse(&text);
    if day.is_none() {
        checker.report(member, Rule::Day);
    }
    day
}

/// An announced volume (SPEC 9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnnouncedVolume {
    /// Its name, 1 to 40 characters.
    pub name: String,
    /// Its first day.
    pub from: SeoulDay,
    /// Its last day: not before the first, not in the past, and less than a year after the first. The first
    /// day is at most two years ahead.
    pub to: SeoulDay,
    /// Documents on each of these days.
    pub documents_per_day: u64,
    /// The maximum number of requests per second.
    pub expected_tps: u32,
    /// The purpose, 1 to 500 characters.
    pub purpose: String,
}

/// The maximum number of documents per day in a plan: a billion.
const DOCUMENTS_PER_DAY_MAX: i64 = 1_000_000_000;
const TPS_MAX: i64 = 1_000_000;
/// The maximum number of days of one plan.
const PLAN_DAYS_MAX: i32 = 366;
/// How many days ahead a plan may begin.
const PLAN_AHEAD_DAYS_MAX: i32 = 2 * 366;

/// `{"name","from","to","documents_per_day","expected_tps","purpose"}`; days are `YYYY-MM-DD` in Asia/Seoul.
pub fn volume_plan(body: &[u8], now: UnixSeconds) -> Result<AnnouncedVolume, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        name: Raw<'a>,
        #[serde(borrow)]
        from: Raw<'a>,
        #[serde(borrow)]
        to: Raw<'a>,
        #[serde(borrow)]
        documents_per_day: Raw<'a>,
        #[serde(borrow)]
        expected_tps: Raw<'a>,
        #[serde(borrow)]
        purpose: Raw<'a>,
    }
    form(body, |checker, form: Form<'_>| {
        let name = checker.required("name", form.name, StringRule::characters(1, 40));
        let (from, to) = (day(checker, "from", form.from), day(checker, "to", form.to));
        if let (Some(from), Some(to)) = (from, to)
            && (to < from
                || to < SeoulDay::of(now)
                || to.days_since(from) >= PLAN_DAYS_MAX
                || from.days_since(SeoulDay::of(now)) >= PLAN_AHEAD_DAYS_MAX)
        {
            checker.report("to", Rule::LastDay);
        }
        let mut number = |member, raw: Raw<'_>, max| {
            if raw.is_none() {
                checker.report(member, Rule::Missing);
            }
            checker.integer(member, raw, 1, max).map(i64::unsigned_abs)
        };
        let documents_per_day = number("documents_per_day", form.documents_per_day, DOCUMENTS_PER_DAY_MAX);
        let expected_tps = number("expected_tps", form.expected_tps, TPS_MAX);
        let purpose = checker.required("purpose", form.purpose, StringRule::characters(1, 500).lines());
        Some(AnnouncedVolume {
            name: name?,
            from: from?,
            to: to?,
            documents_per_day: documents_per_day?,
            expected_tps: u32::try_from(expected_tps?).ok()?,
            purpose: purpose?,
        })
    })
}

/// The messenger's report on one notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportedReceipt {
    /// The notification; `None` if the id is unknown, which is harmless.
    pub id: Option<NotificationId>,
    /// Whether the status is `delivered`; otherwise it is `failed`.
    pub delivered: bool,
    /// The time; 13 digits are milliseconds.
    pub at: UnixSeconds,
}

/// `[{"id", "status": "delivered" | "failed", "at"}]`, up to [`RECEIPTS_MAX`].
pub fn receipts(body: &[u8]) -> Result<Vec<ReportedReceipt>, MalformedRequest> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Form<'a> {
        #[serde(borrow)]
        id: Raw<'a>,
        #[serde(borrow)]
        status: Raw<'a>,
        #[serde(borrow)]
        at: Raw<'a>,
    }
    let raw = any(body)?;
    let found = raw_kind(raw);
    let broken = |index, violation: Violation| MalformedRequest(text(&[violation], Place::Element(index)));
    if found != JsonKind::Array {
        let rule = Rule::WrongType { expected: JsonKind::Array, found };
        return Err(MalformedRequest(text(&[Violation::new("", rule)], Place::Body)));
    }
    let items = crate::bulk::bounded_items(raw, "receipts", RECEIPTS_MAX)?;
    let mut receipts = Vec::with_capacity(items.len());
    for (i, item) in items.into_iter().enumerate() {
        let mut checker = Checker::default();
        let receipt = checker.object("", Some(item)).and_then(|form: Form<'_>| {
            let any = StringRule::characters(1, usize::MAX);
            let id = checker.required("id", form.id, any);
            let status = checker.required("status", form.status, any);
            if form.at.is_none() {
                checker.report("at", Rule::Missing);
            }
            let at = checker.integer("at", form.at, 0, 9_999_999_999_999)?;
            let delivered = match status?.as_str() {
                "delivered" => true,
                "failed" => false,
                _ => {
                    checker.report("status", Rule::UnknownReceiptStatus);
                    return None;
                }
            };
            let at = UnixSeconds(if at > 9_999_999_999 { at / 1000 } else { at });
            Some(ReportedReceipt { id: NotificationId::parse(&id?), delivered, at })
        });
        match checker.finish(receipt) {
            Ok(receipt) => receipts.push(receipt),
            Err(violations) => {
                let first = violations.into_iter().next();
                return Err(broken(i, first.unwrap_or(Violation::new("", Rule::Unreadable))));
            }
        }
    }
    Ok(receipts)
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

    #[test]
    fn receipts_are_read_and_strangers_kept_harmless() {
        let body =
            br#"[{"id":"x","status":"delivered","at":1700000000123},{"id":"y","status":"failed","at":5}]"#;
        let read = receipts(body).expect("good");
        assert_eq!(read[0], ReportedReceipt { id: None, delivered: true, at: UnixSeconds(1_700_000_000) });
        assert!(!read[1].delivered);
        let broken =
            receipts(br#"[{"id":"x","status":"delivered","at":1},{"id":"x","status":"late","at":1}]"#);
        assert!(broken.expect_err("bad").0.in_lang(Lang::En).starts_with("[1].status"));
        assert!(receipts(b"[]").is_err() && receipts(b"{}").is_err());
    }
}
