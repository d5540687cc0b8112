//! A person as an operator registers them (SPEC 11) and as the sandbox creates them (SPEC 12).

use email_address::{EmailAddress, Options};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use unicode_normalization::UnicodeNormalization;

use crate::clock::SeoulDay;
use crate::document::{Checker, StringRule};
use crate::forms::names_null;
use crate::identity;
use crate::stored::StoredNumber;
use crate::violation::{Rule, Violation};
use crate::visible::is_ignorable;

/// A person to add or update. Its `Debug` shows no personal data.
#[derive(Clone, Debug)]
pub struct PersonRecord {
    /// 10 or 11 digits.
    pub phone_number: SecretString,
    /// The day since which the number is this person's, if it is known. A later day than that of the number's
    /// present owner moves the number.
    pub phone_assigned_on: Option<SeoulDay>,
    /// 1 to 20 characters.
    pub name: SecretString,
    /// `YYYYMMDD`.
    pub birthday: SecretString,
    /// Connecting information, 1 to 88 characters.
    pub ci: Option<SecretString>,
    /// Whether the person has joined the box.
    pub member: bool,
    /// Six digits.
    pub pin: Option<SecretString>,
    /// What becomes of the e-mail address.
    pub email: EmailChange,
    /// The person's behaviour; anything but ordinary is only for the sandbox.
    pub behaviour: Behaviour,
}

/// What becomes of a person's e-mail address.
#[derive(Clone, Debug, Default)]
pub enum EmailChange {
    /// The known one stays.
    #[default]
    Keep,
    /// It is this one.
    Set(SecretString),
    /// The person has none.
    Remove,
}

/// How a person can be reached. Its `Debug` shows no personal data.
#[derive(Clone, Debug, Default)]
pub struct Addresses {
    /// 10 or 11 digits; absent if the number passed on to another person.
    pub phone_number: Option<SecretString>,
    /// The e-mail address, if it is known.
    pub email: Option<SecretString>,
}

impl Addresses {
    /// A telephone number alone.
    pub fn of_number(phone_number: SecretString) -> Self {
        Self { phone_number: Some(phone_number), email: None }
    }

    /// The telephone number; empty without one.
    pub fn number(&self) -> &str {
        self.phone_number.as_ref().map_or("", |number| number.expose_secret())
    }

    /// The e-mail address; empty without one.
    pub fn email(&self) -> &str {
        self.email.as_ref().map_or("", |email| email.expose_secret())
    }
}

/// The special behaviour of a sandbox person (SPEC 12).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    /// Nothing.
    #[default]
    Ordinary,
    /// Refuses every institution that they have not explicitly accepted.
    RefusesAll,
    /// Receives waiting documents 10 seconds after their acceptance.
    JoinsLater,
    /// Every item for them fails with `INTERNAL_ERROR`.
    Breaks,
}

impl StoredNumber for Behaviour {
    fn as_number(self) -> i64 {
        match self {
            Self::Ordinary => 0,
            Self::RefusesAll => 1,
            Self::JoinsLater => 2,
            Self::Breaks => 3,
        }
    }

    fn from_number(number: i64) -> Option<Self> {
        [Self::Ordinary, Self::RefusesAll, Self::JoinsLater, Self::Breaks]
            .into_iter()
            .find(|behaviour| behaviour.as_number() == number)
    }
}

/// Parses a person from `{"phone_number","phone_assigned_on"?,"name","birthday","ci"?,"email"?,"member":bool,"pin"?}`.
pub fn read_person(json: &RawValue, today: SeoulDay) -> Result<PersonRecord, Vec<Violation>> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct RawPerson<'a> {
        #[serde(borrow)]
        phone_number: Option<&'a RawValue>,
        #[serde(borrow)]
        phone_assigned_on: Option<&'a RawValue>,
        #[serde(borrow)]
        name: Option<&'a RawValue>,
        #[serde(borrow)]
        birthday: Option<&'a RawValue>,
        #[serde(borrow)]
        ci: Option<&'a RawValue>,
        #[serde(borrow)]
        member: Option<&'a RawValue>,
        #[serde(borrow)]
        pin: Option<&'a RawValue>,
        #[serde(borrow)]
        email: Option<&'a RawValue>,
    }
    let mut checker = Checker::default();
    let Some(raw) = checker.object::<RawPerson<'_>>("", Some(json)) else {
        return checker.finish(None);
    };
    let any = StringRule::characters(1, usize::MAX);
    let phone_number = checker.required("phone_number", raw.phone_number, any);
    let phone_number = checker.written_phone_number("phone_number", phone_number);
    let phone_assigned_on = checker.optional("phone_assigned_on", raw.phone_assigned_on, any);
    let phone_assigned_on = checker.written_past_date("phone_assigned_on", phone_assigned_on, today);
    let name = checker.required("name", raw.name, StringRule::characters(1, 20));
    let birthday = checker.required("birthday", raw.birthday, any);
    let birthday = checker.written_past_date("birthday", birthday, today);
    let ci = checker.optional("ci", raw.ci, StringRule::characters(1, 88));
    let member = checker.boolean("member", raw.member);
    if raw.member.is_none() {
        checker.report("member", Rule::Missing);
    }
    let pin = checker.optional("pin", raw.pin, any);
    if pin.as_ref().is_some_and(|pin| !is_pin(pin)) {
        checker.report("pin", Rule::PinDigits);
    }
    let email = checker.optional("email", raw.email, any);
    if email.as_ref().is_some_and(|email| !is_email(email)) {
        checker.report("email", Rule::Email);
    }
    let person = (|| {
        Some(PersonRecord {
            phone_number: phone_number?.into(),
            phone_assigned_on: phone_assigned_on.and_then(|day| SeoulDay::from_yyyymmdd(day.parse().ok()?)),
            name: identity::name(&name?).0.into(),
            birthday: birthday?.into(),
            ci: ci.map(SecretString::from),
            member: member?,
            pin: pin.map(SecretString::from),
            email: match email {
                Some(email) => EmailChange::Set(email.into()),
                None if names_null(json.get().as_bytes(), "email") => EmailChange::Remove,
                None => EmailChange::Keep,
            },
            behaviour: Behaviour::Ordinary,
        })
    })();
    checker.finish(person)
}

/// An address that every mail server takes: ASCII, with a domain that has a name.
pub(crate) fn is_email(text: &str) -> bool {
    let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
    text.is_ascii() && EmailAddress::parse_with_options(text, options).is_ok()
}

fn is_pin(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The canonical form for comparing names: composed (NFC), with white space trimmed and collapsed, and
/// without invisible characters. Clients on some systems send decomposed Korean.
pub fn normalized_name(name: &str) -> String {
    let composed: String = name.nfc().filter(|c| !is_ignorable(*c)).collect();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixSeconds;

    fn read(json: &str) -> Result<PersonRecord, Vec<Violation>> {
        let raw: &RawValue = serde_json::from_str(json).expect("JSON");
        read_person(raw, SeoulDay::of(UnixSeconds(1_795_359_600)))
    }

    #[test]
    fn a_person_is_read() {
        let person = read(
            r#"{"phone_number":"01000000001","name":"서함시험","birthday":"19900101","member":true,"pin":"135790","x":1}"#,
        )
        .expect("a good person");
        assert!(person.member);
        assert!(!format!("{person:?}").contains("서함시험"), "no personal value in Debug");
    }

    #[test]
    fn every_defect_is_told() {
        let broken = read(
            r#"{"phone_number":"1","phone_assigned_on":"2099-01-01","birthday":"20990101","member":"yes","pin":"12"}"#,
        )
        .expect_err("a bad person");
        let members: Vec<_> = broken.iter().map(|v| v.member).collect();
        assert_eq!(members, ["phone_number", "phone_assigned_on", "name", "birthday", "member", "pin"]);
    }

    #[test]
    fn an_address_is_one_that_mail_reaches() {
        let with = |more: &str| {
            let known = r#""phone_number":"01000000001","name":"김하나","birthday":"19900101","member":true"#;
            read(&format!("{{{known}{more}}}"))
        };
        let of = |email: &str| with(&format!(r#","email":"{email}""#));
        for email in ["hana@example.kr", "hana.kim+tax@mail.example.kr"] {
            let person = of(email).expect("a good address");
            assert!(matches!(person.email, EmailChange::Set(own) if own.expose_secret() == email));
        }
        assert!(matches!(with(r#","email":null"#).expect("good").email, EmailChange::Remove));
        for kept in [String::new(), r#","email":" ""#.to_owned()] {
            assert!(matches!(with(&kept).expect("good").email, EmailChange::Keep), "{kept}");
        }
        for email in [
            "hana",
            "hana@",
            "@example.kr",
            "hana@example",
            "hana@[127.0.0.1]",
            "김하나@example.kr",
            "김하나 <hana@example.kr>",
            "a@b.kr,c@d.kr",
            "hana@example.kr\\r\\nBcc: x@y.kr",
            " hana@example.kr",
        ] {
            let broken = of(email).expect_err(email);
            assert_eq!(broken[0].member, "email", "{email}");
        }
    }

    #[test]
    fn decomposed_names_are_equal() {
        assert_eq!(normalized_name(" \u{1112}\u{1169}\u{11bc}길동 "), "홍길동");
        assert_eq!(normalized_name("홍\u{200b}길\u{3164}동\u{feff}"), "홍길동");
    }
}
