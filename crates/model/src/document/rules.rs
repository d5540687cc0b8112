//! The rules of SPEC 4, member by member.

use secrecy::SecretString;
use serde_json::value::RawValue;

use super::category::{Categories, Category};
use super::checker::{Checker, StringRule};
use super::raw::RawDocument;
use super::{Content, Document, Own, ReadItem, Receiver, ReceiverIdentity};
use crate::clock::{SeoulDay, UnixSeconds};
use crate::contract::{Notice, Product};
use crate::link;
use crate::violation::{Rule, Violation};

/// The inputs of the rules besides the document.
#[derive(Clone, Copy, Debug)]
pub struct CheckContext {
    /// The time at which the document would be accepted.
    pub now: UnixSeconds,
    /// What the contract is: a certified one requires `hash`, and one whose notice is `none` keeps `bridge.content`.
    pub product: Product,
    /// A bulk send: `property.external_document_uuid` is required.
    pub bulk: bool,
}

/// Ten digits: the latest deadline that the contract can represent.
const DEADLINE_MAX: i64 = 9_999_999_999;
const DEADLINE_SECONDS_MAX: i64 = 99_999_999;

/// Parses a document and checks every rule of SPEC 4.
///
/// Reports all violations, not only the first; none contains a value.
pub fn check(item: &RawValue, context: CheckContext) -> Result<Document, Vec<Violation>> {
    ReadItem::read(item).check(context)
}

pub(super) fn check_item(item: &ReadItem<'_>, context: CheckContext) -> Result<Document, Vec<Violation>> {
    let mut checker = Checker::default();
    let document = read(&mut checker, item, context);
    checker.finish(document)
}

fn read(checker: &mut Checker, item: &ReadItem<'_>, context: CheckContext) -> Option<Document> {
    // An item that is null or not an object is reported by the path of the item itself.
    let raw = checker.part("", &item.document)?;

    // Read all members before returning, so that all violations are reported together.
    let title = checker.required("title", raw.title, StringRule::characters(1, 40).shown());
    let deadline_at = deadline(checker, raw, context.now);
    let hash = if context.product.certified && raw.hash.is_none() {
        checker.report("hash", Rule::RequiredByCertifiedContract);
        None
    } else if context.product.certified {
        checker.required("hash", raw.hash, StringRule::characters(1, 99))
    } else {
        // Clients also send hashes of any kind under contracts that do not require one.
        checker.lenient(|checker| checker.optional("hash", raw.hash, StringRule::characters(1, 99)))
    };
    let categories = categories(checker, raw);
    let receiver = receiver(checker, item, context.now);
    let property = property(checker, item, context.bulk);
    let bridge = if context.product.notice == Notice::None { bridge(checker, item) } else { None };

    let (link, cs_number, cs_name, message, own) = property?;
    Some(Document {
        content: Content { title: title?, message, bridge, link, cs_number, cs_name, categories },
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
    let name_rule = StringRule::characters(1, 20);
    let verify = |checker: &mut Checker| {
        checker.flag("receiver.is_required_verify_name", raw.is_required_verify_name).unwrap_or(false)
    };
    if let Some(ci) = checker.optional("receiver.ci", raw.ci, StringRule::characters(1, 88)) {
        // The ci identifies by itself. The other members are ignored, except a name to verify.
        let verify = checker.lenient(|checker| Some(verify(checker))).unwrap_or(false);
        let name = if verify { checker.optional("receiver.name", raw.name, name_rule) } else { None };
        let verify_name = name.map(SecretString::from);
        return Some(Receiver { identity: ReceiverIdentity::Ci(SecretString::from(ci)), verify_name });
    }
    let verify = verify(checker);
    let any = StringRule::characters(1, usize::MAX);
    let phone_number = checker.required("receiver.phone_number", raw.phone_number, any);
    let name = checker.required("receiver.name", raw.name, name_rule);
    let birthday = checker.required("receiver.birthday", raw.birthday, any);
    let phone_number = checker.phone_number("receiver.phone_number", phone_number);
    let birthday = checker.past_date("receiver.birthday", birthday, SeoulDay::of(now));
    let identity = ReceiverIdentity::Phone {
        phone_number: SecretString::from(phone_number?),
        birthday: SecretString::from(birthday?),
    };
    let verify_name = if verify { Some(SecretString::from(name?)) } else { None };
    Some(Receiver { identity, verify_name })
}

type Property = (String, String, String, Option<String>, Own);

fn property(checker: &mut Checker, item: &ReadItem<'_>, bulk: bool) -> Option<Property> {
    let raw = checker.part("property", &item.property)?;
    let link = checker.required("property.link", raw.link, StringRule::characters(1, 100));
    let link = link.filter(|link| {
        let broken = link::check(link).err();
        if let Some(rule) = broken {
            checker.report("property.link", rule);
        }
        broken.is_none()
    });
    let shown = |max| StringRule::characters(1, max).shown();
    let cs_number = checker.required("property.cs_number", raw.cs_number, shown(20));
    let cs_name = checker.required("property.cs_name", raw.cs_name, shown(10));
    let payload =
        checker.optional("property.payload", raw.payload, StringRule::characters(1, 200).anything());
    let message = checker.optional("property.message", raw.message, shown(500).lines());
    let external_rule = StringRule::characters(1, 40);
    let external_document_uuid = if bulk {
        checker.required("property.external_document_uuid", raw.external_document_uuid, external_rule)
    } else {
        checker.optional("property.external_document_uuid", raw.external_document_uuid, external_rule)
    };
    let own = Own { external_document_uuid, payload };
    Some((link?, cs_number?, cs_name?, message, own))
}

/// `bridge` may be absent.
fn bridge(checker: &mut Checker, item: &ReadItem<'_>) -> Option<String> {
    let is_absent = item.document.as_ref().is_ok_and(|document| document.bridge.is_none());
    let raw = if is_absent { None } else { checker.part("bridge", &item.bridge) };
    checker.optional("bridge.content", raw?.content, StringRule::characters(1, 500).shown().lines())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::violation::JsonKind;

    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_795_359_600);

    fn document() -> Value {
        json!({
            "title": "안내", "read_expired_sec": 2_592_000,
            "receiver": { "phone_number": "01000000001", "name": "서함시험", "birthday": "19900101" },
            "property": {
                "link": "https://tax.example.kr/x", "cs_number": "02-000-0000", "cs_name": "세무과",
                "external_document_uuid": "K-1",
            },
        })
    }

    /// A document with the member at a pointer replaced, or removed if the value is null.
    fn with(pointer: &str, value: Value) -> Value {
        let mut document = document();
        let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
        document
            .pointer_mut(parent)
            .and_then(Value::as_object_mut)
            .expect("there")
            .insert(name.to_owned(), value);
        document
    }

    fn checked(document: &Value, certified: bool) -> Result<Document, Vec<(&'static str, Rule)>> {
        checked_under(document, Product { certified, ..Product::default() })
    }

    fn checked_under(document: &Value, product: Product) -> Result<Document, Vec<(&'static str, Rule)>> {
        let raw = serde_json::value::to_raw_value(document).expect("JSON");
        let context = CheckContext { now: NOW, product, bulk: true };
        check(&raw, context).map_err(|broken| broken.iter().map(|v| (v.member, v.rule)).collect())
    }

    fn broken(pointer: &str, value: Value) -> Vec<(&'static str, Rule)> {
        checked(&with(pointer, value), false).map(|_| ()).expect_err(pointer)
    }

    #[test]
    fn deadlines_are_whole_numbers_in_any_notation() {
        for seconds in [json!(2_592_000), json!(2_592_000.0), json!("2592000"), json!("0002592000")] {
            let read = checked(&with("/read_expired_sec", seconds.clone()), false).expect("good");
            assert_eq!(read.deadline_at, NOW.plus(2_592_000), "{seconds}");
        }
        let exponent: Value = serde_json::from_str("2.592e6").expect("JSON");
        assert!(checked(&with("/read_expired_sec", exponent), false).is_ok());
        let integer = |found| Rule::WrongType { expected: JsonKind::Integer, found };
        for (value, rule) in [
            (json!(1.5), integer(JsonKind::Number)),
            (json!("1.0"), integer(JsonKind::String)),
            (json!("-1"), integer(JsonKind::String)),
            (json!(""), integer(JsonKind::String)),
            (json!(" 5"), integer(JsonKind::String)),
            (json!(true), integer(JsonKind::Boolean)),
            (json!(0), Rule::Range { min: 1, max: DEADLINE_SECONDS_MAX }),
            (json!(1e30), Rule::Range { min: 1, max: DEADLINE_SECONDS_MAX }),
            (json!("99999999999999999999"), Rule::Range { min: 1, max: DEADLINE_SECONDS_MAX }),
        ] {
            assert_eq!(broken("/read_expired_sec", value.clone()), [("read_expired_sec", rule)], "{value}");
        }
    }

    #[test]
    fn a_hash_matters_to_a_certified_contract_alone() {
        for wrong in [json!(5), json!(""), json!("x".repeat(100)), json!("a\nb"), json!([])] {
            let document = with("/hash", wrong.clone());
            assert_eq!(checked(&document, false).expect("good").hash, None, "{wrong}");
            assert!(checked(&document, true).is_err(), "{wrong}");
        }
        let kept = checked(&with("/hash", json!("x".repeat(99))), false).expect("good").hash;
        assert_eq!(kept.map(|hash| hash.len()), Some(99));
        assert_eq!(
            checked(&document(), true).map(|_| ()),
            Err(vec![("hash", Rule::RequiredByCertifiedContract)])
        );
    }

    #[test]
    fn a_bridge_is_kept_where_nobody_notifies() {
        let silent = Product { notice: Notice::None, ..Product::default() };
        for (bridge, kept) in [
            (
                json!({ "content": "자세한 내용은 홈페이지에서\r\n확인해 주십시오." }),
                Some("자세한 내용은 홈페이지에서\n확인해 주십시오."),
            ),
            (json!({ "content": null }), None),
            (json!({}), None),
            (json!(null), None),
        ] {
            let read = checked_under(&with("/bridge", bridge.clone()), silent).expect("good");
            assert_eq!(read.content.bridge.as_deref(), kept, "{bridge}");
        }
        for wrong in [
            json!("x"),
            json!({ "content": 5 }),
            json!({ "content": "x".repeat(501) }),
            json!({ "content": "a\u{202e}" }),
        ] {
            let document = with("/bridge", wrong.clone());
            assert!(checked_under(&document, silent).is_err(), "{wrong}");
            for notice in [Notice::Platform, Notice::Institution] {
                let read =
                    checked_under(&document, Product { notice, ..Product::default() }).expect("dropped");
                assert_eq!(read.content.bridge, None);
            }
        }
    }

    #[test]
    fn a_ci_identifies_alone() {
        let receiver = |more: Value| {
            let mut receiver =
                json!({ "ci": "C".repeat(88), "phone_number": 5, "birthday": "x", "name": "y".repeat(50) });
            receiver.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            checked(&with("/receiver", receiver), false)
        };
        for verify in [json!(false), json!(null), json!("false"), json!(17)] {
            let read = receiver(json!({ "is_required_verify_name": verify })).expect("good").receiver;
            assert!(matches!(read.identity, ReceiverIdentity::Ci(_)) && read.verify_name.is_none());
        }
        let verified = |more| receiver(more).map(|read| read.receiver.verify_name.is_some());
        assert_eq!(verified(json!({ "is_required_verify_name": "true", "name": "서함시험" })), Ok(true));
        assert_eq!(verified(json!({ "is_required_verify_name": true, "name": null })), Ok(false));
        let long = verified(json!({ "is_required_verify_name": true }))
            .expect_err("a name that is given is checked");
        assert_eq!(long, [("receiver.name", Rule::Length { min: 1, max: 20 })]);
        // An invisible value counts as absent.
        let blank = checked(&with("/receiver", json!({ "ci": "\u{3164}" })), false).map(|_| ());
        assert_eq!(blank.expect_err("nobody is named").len(), 3);
    }

    #[test]
    fn names_are_verified_when_it_says_so_in_words() {
        for (value, verifies) in [(json!("true"), true), (json!("false"), false), (json!(true), true)] {
            let read = checked(&with("/receiver/is_required_verify_name", value), false).expect("good");
            assert_eq!(read.receiver.verify_name.is_some(), verifies);
        }
        assert!(checked(&with("/receiver/is_required_verify_name", json!("yes")), false).is_err());
    }

    #[test]
    fn texts_hold_what_their_readers_can_take() {
        let payload = "a\u{0}b\r\nc\u{202e}";
        let read = checked(&with("/property/payload", json!(payload)), false).expect("any characters");
        assert_eq!(read.own.payload.as_deref(), Some(payload));
        assert!(checked(&with("/property/payload", json!("x".repeat(201))), false).is_err());

        let read = checked(&with("/property/message", json!("a\r\nb\rc\nd\te")), false).expect("lines");
        assert_eq!(read.content.message.as_deref(), Some("a\nb\nc\nd\te"));
        let five_hundred = "\r\n".repeat(499) + "x";
        assert!(
            checked(&with("/property/message", json!(five_hundred)), false).is_ok(),
            "a line break is one"
        );
        assert_eq!(
            broken("/property/message", json!("a\u{7}")),
            [("property.message", Rule::ControlCharacter)]
        );
        for (pointer, member) in [
            ("/title", "title"),
            ("/property/message", "property.message"),
            ("/property/cs_name", "property.cs_name"),
            ("/property/cs_number", "property.cs_number"),
        ] {
            for c in ['\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}'] {
                assert_eq!(broken(pointer, json!(format!("a{c}"))), [(member, Rule::DirectionCharacter)]);
            }
        }
        for nothing in ["\u{200b}", "\u{3164}", "\u{2800}\u{ad}"] {
            assert_eq!(broken("/title", json!(nothing)), [("title", Rule::Missing)]);
        }
        assert!(checked(&with("/title", json!("\u{200b}안내")), false).is_ok());
    }
}
