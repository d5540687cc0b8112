//! The people that are always there in a sandbox (SPEC 12).

use secrecy::{ExposeSecret, SecretString};
use seoham_model::person::{Behaviour, PersonRecord};
use seoham_vault::{PinHash, hash_pin};

use crate::people::Registration;

/// Notified within seconds.
pub const MEMBER: &str = "01000000001";
/// Refuses every institution.
pub const REFUSES: &str = "01000000002";
/// Not a member.
pub const NOT_A_MEMBER: &str = "01000000003";
/// Not a member; takes what waits 10 seconds after it was accepted.
pub const JOINS_LATER: &str = "01000000004";
/// A member about whom the messenger never reports.
pub const NEVER_REPORTED: &str = "01000000005";
/// A member whose number the messenger refuses for good.
pub const NUMBER_REFUSED: &str = "01000000006";
/// Every item is an `INTERNAL_ERROR`.
pub const BREAKS: &str = "01000000007";

/// Seconds after which [`JOINS_LATER`] takes a document.
pub const JOINS_LATER_SECONDS: i64 = 10;

/// The name of all of them.
pub const NAME: &str = "서함시험";
/// The birthday of all of them.
pub const BIRTHDAY: &str = "19900101";
/// The PIN of all of them.
pub const PIN: &str = "135790";

/// All of them, to be registered when a sandbox is created. Hashes a PIN: call it where blocking
/// is allowed.
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
    ]
    .into_iter()
    .map(|(phone_number, member, behaviour)| Registration {
        person: PersonRecord {
            phone_number: phone_number.into(),
            name: NAME.into(),
            birthday: BIRTHDAY.into(),
            ci: Some(format!("SANDBOX-CI-{}", &phone_number[10..]).into()),
            member,
            pin: None,
            behaviour,
        },
        pin: Some(PinHash(pin.0.clone())),
    })
    .collect()
}

/// Whether registering `person` could change one of them: a number or a ci of theirs.
pub fn is_reserved(person: &PersonRecord) -> bool {
    const NUMBERS: [&str; 7] =
        [MEMBER, REFUSES, NOT_A_MEMBER, JOINS_LATER, NEVER_REPORTED, NUMBER_REFUSED, BREAKS];
    let number = person.phone_number.expose_secret();
    let ci_digit = person.ci.as_ref().and_then(|ci| ci.expose_secret().strip_prefix("SANDBOX-CI-"));
    NUMBERS.iter().any(|theirs| number == *theirs || ci_digit == Some(&theirs[10..]))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            person.phone_number = "01000000008".into();
            person.ci = Some("SANDBOX-CI-8".into());
            assert!(!is_reserved(&person), "nobody's");
        }
    }
}
