//! The fictitious institutions and people.

use std::collections::BTreeMap;

use seoham_model::document::{Receiver, ReceiverIdentity};
use seoham_model::person::{Behaviour, EmailChange, PersonRecord};
use seoham_model::{ContractUuid, InstitutionId, PersonId, UnixSeconds};
use seoham_store::people::Recipient;
use seoham_store::personas;

/// A sender.
pub(crate) struct Institution {
    pub(crate) id: InstitutionId,
    pub(crate) contract: ContractUuid,
    pub(crate) name: String,
}

/// A person's refusal of an institution, as far as it is known.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Refused,
    Accepted,
    Unsure,
}

/// A person, and the known facts about them.
pub(crate) struct Person {
    pub(crate) phone_number: String,
    pub(crate) birthday: String,
    pub(crate) ci: Option<String>,
    /// Set by the first lookup.
    pub(crate) id: Option<PersonId>,
    /// The earliest time at which they can have joined.
    pub(crate) joined: Option<UnixSeconds>,
    /// They certainly joined.
    pub(crate) member: bool,
    /// They are the sandbox person who receives waiting documents a while after their acceptance.
    pub(crate) later: bool,
    pub(crate) refusals: BTreeMap<usize, Refusal>,
    /// Results of earlier lookups, which may be used after they joined.
    pub(crate) old_looks: Vec<Recipient>,
    /// The documents sent to them.
    pub(crate) documents: Vec<usize>,
    /// Documents that waited when they joined and are still to be moved.
    pub(crate) to_be_moved: Vec<usize>,
}

impl Person {
    /// The fictitious person with this number.
    pub(crate) fn invented(number: usize) -> Self {
        Self {
            phone_number: format!("0107{number:07}"),
            birthday: format!("19{:02}{:02}{:02}", number % 80 + 10, number % 12 + 1, number % 28 + 1),
            ci: number.is_multiple_of(3).then(|| format!("CI-{number:08}")),
            id: None,
            joined: None,
            member: false,
            later: false,
            refusals: BTreeMap::new(),
            old_looks: Vec::new(),
            documents: Vec::new(),
            to_be_moved: Vec::new(),
        }
    }

    /// The sandbox's built-in person who joins later.
    pub(crate) fn who_joins_later() -> Self {
        let (phone_number, birthday) = (personas::JOINS_LATER.to_owned(), personas::BIRTHDAY.to_owned());
        Self { phone_number, birthday, ci: None, later: true, ..Self::invented(0) }
    }

    /// Their registration.
    pub(crate) fn record(&self, member: bool) -> PersonRecord {
        PersonRecord {
            phone_assigned_on: None,
            phone_number: self.phone_number.as_str().into(),
            name: "김가상".into(),
            birthday: self.birthday.as_str().into(),
            ci: self.ci.as_deref().map(Into::into),
            member,
            pin: None,
            email: EmailChange::Keep,
            behaviour: Behaviour::Ordinary,
        }
    }

    /// Their identification by a sender.
    pub(crate) fn receiver(&self, by_ci: bool) -> Receiver {
        let identity = match &self.ci {
            Some(ci) if by_ci => ReceiverIdentity::Ci(ci.as_str().into()),
            _ => ReceiverIdentity::Phone {
                phone_number: self.phone_number.as_str().into(),
                birthday: self.birthday.as_str().into(),
            },
        };
        Receiver { identity, verify_name: None }
    }
}
