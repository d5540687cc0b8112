//! The expected results, derived from the input alone.

use std::collections::HashMap;

use secrecy::ExposeSecret;
use seoham_kit::client::StatusData;
use seoham_model::UnixSeconds;
use seoham_model::contract::Product;
use seoham_model::document::{CheckContext, Receiver, ReceiverIdentity, check};
use seoham_model::status::DocBoxStatus;
use seoham_store::personas;
use serde_json::value::RawValue;

use super::input::Person;

/// The expected result for one notice.
pub(super) struct Expected {
    /// `accepted`, or the error code.
    pub(super) verdict: &'static str,
    /// It ends up in the box; if not, it waits for the person to join.
    pub(super) received: bool,
    /// The messenger reports it as delivered.
    pub(super) notified: bool,
}

impl Expected {
    fn refused(verdict: &'static str) -> Self {
        Self { verdict, received: false, notified: false }
    }

    /// The final status of an accepted document that nobody opens.
    pub(super) fn resting_status(&self) -> DocBoxStatus {
        if self.received { DocBoxStatus::Received } else { DocBoxStatus::Sent }
    }

    /// Whether an accepted document has reached its final status.
    pub(super) fn is_settled(&self, status: &StatusData) -> bool {
        let over = matches!(status.doc_box_status, DocBoxStatus::Read | DocBoxStatus::Expired);
        over || (status.doc_box_status == self.resting_status()
            && status.user_notified_at.is_some() == self.notified)
    }
}

struct Known<'a> {
    birthday: &'a str,
    name: &'a str,
    outcome: Outcome,
}

#[derive(Clone, Copy)]
enum Outcome {
    Delivered { received: bool, notified: bool },
    Refused(&'static str),
}

pub(super) fn expect(notices: &[String], people: &[Person], now: UnixSeconds) -> Vec<Expected> {
    let mut by_phone = HashMap::new();
    let mut by_ci = HashMap::new();
    for person in people {
        let outcome = Outcome::Delivered { received: person.member, notified: true };
        by_phone.insert(
            person.phone_number.clone(),
            Known { birthday: &person.birthday, name: &person.name, outcome },
        );
        if let Some(ci) = &person.ci {
            by_ci.insert(ci.clone(), Known { birthday: &person.birthday, name: &person.name, outcome });
        }
    }
    for (number, outcome) in [
        (personas::MEMBER, Outcome::Delivered { received: true, notified: true }),
        (personas::REFUSES, Outcome::Refused("FORBIDDEN")),
        (personas::NOT_A_MEMBER, Outcome::Delivered { received: false, notified: true }),
        // The demo advances the clock by more than the ten seconds after which this person joins.
        (personas::JOINS_LATER, Outcome::Delivered { received: true, notified: true }),
        (personas::NEVER_REPORTED, Outcome::Delivered { received: true, notified: false }),
        (personas::NUMBER_REFUSED, Outcome::Delivered { received: true, notified: false }),
        (personas::BREAKS, Outcome::Refused("INTERNAL_ERROR")),
    ] {
        let known = Known { birthday: personas::BIRTHDAY, name: personas::NAME, outcome };
        by_phone.insert(number.to_owned(), known);
    }
    let context = CheckContext { now, product: Product::default(), bulk: true };
    let verdict = |notice: &String| {
        let Ok(raw) = serde_json::from_str::<&RawValue>(notice) else {
            return Expected::refused("INVALID_VALUE");
        };
        let Ok(document) = check(raw, context) else { return Expected::refused("INVALID_VALUE") };
        match find(&by_phone, &by_ci, &document.receiver) {
            None => Expected::refused("NOT_FOUND"),
            Some(Outcome::Refused(code)) => Expected::refused(code),
            Some(Outcome::Delivered { received, notified }) => {
                Expected { verdict: "accepted", received, notified }
            }
        }
    };
    notices.iter().map(verdict).collect()
}

fn find(
    by_phone: &HashMap<String, Known<'_>>,
    by_ci: &HashMap<String, Known<'_>>,
    receiver: &Receiver,
) -> Option<Outcome> {
    let known = match &receiver.identity {
        ReceiverIdentity::Ci(ci) => by_ci.get(ci.expose_secret())?,
        ReceiverIdentity::Phone { phone_number, birthday } => by_phone
            .get(phone_number.expose_secret())
            .filter(|known| known.birthday == birthday.expose_secret())?,
    };
    let same_name = receiver.verify_name.as_ref().is_none_or(|name| name.expose_secret() == known.name);
    same_name.then_some(known.outcome)
}
