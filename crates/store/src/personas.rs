//! The built-in people of a sandbox (SPEC 12).

use secrecy::{ExposeSecret, SecretString};
use seoham_model::person::{Behaviour, EmailChange, PersonRecord};
use seoham_vault::{PinHash, hash_pin};

use crate::people::Registration;

/// Notified within seconds.
pub const MEMBER: &str = "01000000001";
/// Refuses every institution.
pub const REFUSES: &str = "01000000002";
/// Not a member.
pub const NOT_A_MEMBER: &str = "01000000003";
/// Not a member; receives waiting documents 10 seconds after their acceptance.
pub const JOINS_LATER: &str = "01000000004";
/// A member about whom the messenger never reports.
pub const NEVER_REPORTED: &str = "01000000005";
/// A member whose number the messenger rejects permanently.
pub const NUMBER_REFUSED: &str = "01000000006";
/// Every item for them fails with `INTERNAL_ERROR`.
pub const BREAKS: &str = "01000000007";

/// The first request with an item for it is rejected with 429, once per external id.
pub const THROTTLES: &str = "01000000008";
/// The same with 503.
pub const UNAVAILABLE: &str = "01000000009";
/// The request is accepted, but its connection is closed without a response, once per external id.
pub const LOSES_THE_ANSWER: &str = "01000000010";
/// The response takes [`ANSWERS_SLOWLY_SECONDS`].
pub const ANSWERS_SLOWLY: &str = "01000000011";

/// The delay of a response for [`ANSWERS_SLOWLY`], in seconds.
pub const ANSWERS_SLOWLY_SECONDS: u64 = 10;

/// Seconds after which [`JOINS_LATER`] receives a document.
pub const JOINS_LATER_SECONDS: i64 = 10;

/// The name of all of them.
pub const NAME: &str = "서함시험";
/// The birthday of all of them.
pub const BIRTHDAY: &str = "19900101";
/// The PIN of all of them.
pub const PIN: &str = "135790";

/// The number of the persona with this CI.
pub fn number_of_ci(ci: &str) -> Option<&'static str> {
    NUMBERS.into_iter().find(|number| ci_of(number) == ci)
}

const NUMBERS: [&str; 11] = [
    MEMBER,
    REFUSES,
    NOT_A_MEMBER,
    JOINS_LATER,
    NEVER_REPORTED,
    NUMBER_REFUSED,
    BREAKS,
    THROTTLES,
    UNAVAILABLE,
    LOSES_THE_ANSWER,
    ANSWERS_SLOWLY,
];

/// Their number without `010` and leading zeros.
fn ci_of(number: &str) -> String {
    format!("SANDBOX-CI-{}", number.trim_start_matches("010").trim_start_matches('0'))
}

/// The registrations of all personas, for creating a sandbox. Hashes a PIN: call it where blocking is
/// allowed.
pub fn registrations() -> Vec<Registration> {
    let pin = hash_pin(&SecretString::from(PIN));
    [
        (MEMBER, true, Behaviour::Ordinary),
        (REFUSES, true, Behaviour::RefusesAll),
        (NOT_A_MEMBER, false, Behaviour::Ordinary),
        (JOINS_LATER, false, Behaviour::JoinsLater),
        (NEVER_REPORTED, true, Behaviour::Ordinary),
        (NUMBER_REFUSED, true, Behaviour::Ordinary),
        (BREAKS, true, Behaviour::Breaks),
        (THROTTLES, true, Behaviour::Ordinary),
        (UNAVAILABLE, true, Behaviour::Ordinary),
        (LOSES_THE_ANSWER, true, Behaviour::Ordinary),
        (ANSWERS_SLOWLY, true, Behaviour::Ordinary),
    ]
    .into_iter()
    .map(|(phone_number, member, behaviour)| Registration {
        person: PersonRecord {
            phone_assigned_on: None,
            phone_number: phone_number.into(),
            name: NAME.into(),
            birthday: BIRTHDAY.into(),
            ci: Some(ci_of(phone_number).into()),
            member,
            pin: None,
            email: EmailChange::Keep,
            behaviour,
        },
        pin: Some(PinHash(pin.0.clone())),
    })
    .collect()
}

/// Whether registering `person` could change a persona, because it uses a number or a ci of one.
pub fn is_reserved(person: &PersonRecord) -> bool {
    let number = person.phone_number.expose_secret();
    let by_ci = person.ci.as_ref().and_then(|ci| number_of_ci(ci.expose_secret()));
    NUMBERS.contains(&number) || by_ci.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_of_the_sandbox_is_registered_under_number_and_ci() {
        let registered: Vec<String> = registrations()
            .iter()
            .map(|registration| registration.person.phone_number.expose_secret().to_owned())
            .collect();
        assert_eq!(registered, NUMBERS);
        assert_eq!(number_of_ci("SANDBOX-CI-1"), Some(MEMBER));
        assert_eq!(number_of_ci("SANDBOX-CI-10"), Some(LOSES_THE_ANSWER));
        assert_eq!(number_of_ci("SANDBOX-CI-0"), None);
    }

    #[test]
    fn their_numbers_and_their_cis_are_reserved() {
        for registration in registrations() {
            let mut person = registration.person;
            assert!(is_reserved(&person));
            let number = std::mem::replace(&mut person.phone_number, "01000000099".into());
            assert!(is_reserved(&person), "by the ci");
            person.ci = None;
            assert!(!is_reserved(&person));
            person.phone_number = number;
            assert!(is_reserved(&person), "by the number");
            person.phone_number = "01000000012".into();
            person.ci = Some("SANDBOX-CI-12".into());
            assert!(!is_reserved(&person), "nobody's");
        }
    }
}
