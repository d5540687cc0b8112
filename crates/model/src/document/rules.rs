//! The rules of SPEC 4, member by member.

use secrecy::SecretString;
use serde_json::value::RawValue;

use super::category::{Categories, Category};
use super::checker::{Checker, StringRule};
use super::raw::RawDocument;
use super::{Content, Document, Own, ReadItem, Receiver, ReceiverIdentity};
use crate::clock::{SeoulDay, UnixSeconds};
use crate::violation::{Rule, Violation};

/// What the rules depend on besides the document.
#[derive(Clone, Copy, Debug)]
pub struct CheckContext {
    /// When the document would be accepted.
    pub now: UnixSeconds,
    /// The contract is a certified one: `hash` is required.
    pub certified: bool,
    /// A bulk send: `property.external_document_uuid` is required.
    pub bulk: bool,
}

/// Ten digits: the greatest deadline the contract can write.
const DEADLINE_MAX: i64 = 9_999_999_999;
const DEADLINE_SECONDS_MAX: i64 = 99_999_999;

/// Reads a document and checks every rule of SPEC 4.
///
/// All broken rules are reported, not only the first; none of them repeats a value.
pub fn check(item: &RawValue, context: CheckContext) -> Result<Document, Vec<Violation>> {
    ReadItem::read(item).check(context)
}

pub(super) fn check_item(item: &ReadItem<'_>, context: CheckContext) -> Result<Document, Vec<Violation>> {
    let mut checker = Checker::default();
    let document = read(&mut checker, item, context);
    checker.finish(document)
}

fn read(checker: &mut Checker, item: &ReadItem<'_>, context: CheckContext) -> Option<Document> {
    // An item that is null or no object at all is told by the path of the item itself.
    let raw = checker.part("", &item.document)?;

    // Every part is read before any is missed, so that all that is wrong is told at once.
    let title = checker.required("title", raw.title, StringRule::characters(1, 40));
    let deadline_at = deadline(checker, raw, context.now);
    let hash = if context.certified && raw.hash.is_none() {
        checker.report("hash", Rule::RequiredByCertifiedContract);
        None
    } else if context.certified {
        checker.required("hash", raw.hash, StringRule::characters(1, 99))
    } else {
        checker.optional("hash", raw.hash, StringRule::characters(1, 99))
    };
    let categories = categories(checker, raw);
    let receiver = receiver(checker, item, context.now);
    let property = property(checker, item, context.bulk);

    let (link, cs_number, cs_name, message, own) = property?;
    Some(Document {
        content: Content { title: title?, message, link, cs_number, cs_name, categories },
        own,
        hash,
        deadline_at: deadline_at?,
        receiver: receiver?,
    })
}

fn deadline(checker: &mut Checker, raw: &RawDocument<'_>, now: UnixSeconds) -> Option<UnixSeconds> {
    if raw.read_expired_at.is_some() == raw.read_expired_sec.is_some() {
        checker.report("read_expired_at", Rule::ExactlyOneDeadline);
        return None;
    }
    if raw.read_expired_sec.is_some() {
        let seconds = checker.integer("read_expired_sec", raw.read_expired_sec, 1, DEADLINE_SECONDS_MAX)?;
        return Some(now.plus(seconds));
    }
    let at = UnixSeconds(checker.integer("read_expired_at", raw.read_expired_at, 0, DEADLINE_MAX)?);
    if at <= now {
        checker.report("read_expired_at", Rule::PastDeadline);
        return None;
    }
    Some(at)
}

fn categories(checker: &mut Checker, raw: &RawDocument<'_>) -> Categories {
    let mut categories = Categories::default();
    checker.strings("common_categories", raw.common_categories, |name| {
        categories.insert(Category::parse(name).ok_or(Rule::UnknownCategory)?);
        Ok(())
    });
    categories
}

fn receiver(checker: &mut Checker, item: &ReadItem<'_>, now: UnixSeconds) -> Option<Receiver> {
    let raw = checker.part("receiver", &item.receiver)?;
    let ci = checker.optional("receiver.ci", raw.ci, StringRule::characters(1, 88));
    let by_ci = ci.is_some();
    let verify =
        checker.boolean("receiver.is_required_verify_name", raw.is_required_verify_name).unwrap_or(false);
    if verify && by_ci && raw.name.is_none() {
        checker.report("receiver.name", Rule::RequiredForNameCheck);
    }
    let named_to_verify = verify && raw.name.is_some();
    let mut member = |name, raw, max| {
        let rule = StringRule::characters(1, max);
        let needed = !by_ci || (named_to_verify && name == "receiver.name");
        if needed { checker.required(name, raw, rule) } else { checker.optional(name, raw, rule) }
    };
    // What stands beside a ci does not identify anybody, but it must still be well-formed.
    let phone_number = member("receiver.phone_number", raw.phone_number, usize::MAX);
    let name = member("receiver.name", raw.name, 20);
    let birthday = member("receiver.birthday", raw.birthday, usize::MAX);
    let phone_number = checker.phone_number("receiver.phone_number", phone_number);
    let birthday = checker.birthday("receiver.birthday", birthday, SeoulDay::of(now));

    let identity = match ci {
        Some(ci) => ReceiverIdentity::Ci(SecretString::from(ci)),
        None => ReceiverIdentity::Phone {
            phone_number: SecretString::from(phone_number?),
            birthday: SecretString::from(birthday?),
        },
    };
    let verify_name = if verify { Some(SecretString::from(name?)) } else { None };
    Some(Receiver { identity, verify_name })
}

type Property = (String, String, String, Option<String>, Own);

fn property(checker: &mut Checker, item: &ReadItem<'_>, bulk: bool) -> Option<Property> {
    let raw = checker.part("property", &item.property)?;
    let link = checker.required("property.link", raw.link, StringRule::characters(10, 100));
    let link = link.filter(|link| {
        let absolute = is_http_url(link);
        if !absolute {
            checker.report("property.link", Rule::Url);
        }
        absolute
    });
    let cs_number = checker.required("property.cs_number", raw.cs_number, StringRule::characters(1, 20));
    let cs_name = checker.required("property.cs_name", raw.cs_name, StringRule::characters(1, 10));
    let payload = checker.optional("property.payload", raw.payload, StringRule::characters(1, 200));
    let message =
        checker.optional("property.message", raw.message, StringRule { min: 1, max: 500, multiline: true });
    let external_rule = StringRule::characters(1, 40);
    let external_document_uuid = if bulk {
        checker.required("property.external_document_uuid", raw.external_document_uuid, external_rule)
    } else {
        checker.optional("property.external_document_uuid", raw.external_document_uuid, external_rule)
    };
    let own = Own { external_document_uuid, payload };
    Some((link?, cs_number?, cs_name?, message, own))
}

fn is_http_url(text: &str) -> bool {
    // The parser forgives white space and missing slashes; a link is used as it was written, so
    // it must be right as it was written.
    let authority = ["http://", "https://"].iter().find_map(|scheme| {
        let head = text.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
    });
    authority.is_some_and(|rest| !rest.starts_with(['/', '?', '#', ':', '@']))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\')
        && url::Url::parse(text).is_ok_and(|url| url.has_host())
}
