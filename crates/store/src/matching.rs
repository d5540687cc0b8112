//! Identity resolution: which person a receiver refers to, implemented once for every store (SPEC 4).
//!
//! A store finds rows by blind index; this module interprets them.

use std::sync::Arc;

use secrecy::ExposeSecret;
use seoham_model::PersonId;
use seoham_model::document::{Receiver, ReceiverIdentity};
use seoham_model::person::Behaviour;
use seoham_vault::{BlindIndex, Vault, WrappedKey};

use crate::people::{Identified, Recipient};

/// The lookup key of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookUp {
    /// The blind index of a ci.
    Ci(BlindIndex),
    /// The blind index of a telephone number.
    Phone(BlindIndex),
}

impl LookUp {
    /// The lookup key of `receiver`.
    pub fn of(vault: &Vault, receiver: &Receiver) -> Self {
        match &receiver.identity {
            ReceiverIdentity::Ci(ci) => Self::Ci(vault.ci_index(ci.expose_secret())),
            ReceiverIdentity::Phone { phone_number, .. } => {
                Self::Phone(vault.phone_index(phone_number.expose_secret()))
            }
        }
    }

    /// The blind index itself: both kinds are keyed hashes, which do not collide in practice.
    pub fn index(self) -> BlindIndex {
        match self {
            Self::Ci(index) | Self::Phone(index) => index,
        }
    }
}

/// A store's data about the person under a receiver's blind index.
pub struct Candidate {
    /// The person.
    pub person: PersonId,
    /// Their wrapped data key.
    pub key: WrappedKey,
    /// Tag of their birthday.
    pub birthday_tag: BlindIndex,
    /// Tag of their name.
    pub name_tag: BlindIndex,
    /// Their behaviour.
    pub behaviour: Behaviour,
    /// They have joined the box.
    pub member: bool,
    /// Their refusal of the sending institution, or explicit acceptance, if any.
    pub refused: Option<bool>,
}

impl Candidate {
    /// Checks whether `receiver` refers to this person, and whether they accept the institution's documents.
    pub fn judge(&self, vault: &Vault, receiver: &Receiver) -> Identified {
        if self.behaviour == Behaviour::Breaks {
            return Identified::Breaks;
        }
        let birthday = match &receiver.identity {
            ReceiverIdentity::Ci(_) => None,
            ReceiverIdentity::Phone { birthday, .. } => Some(birthday),
        };
        let birthday_differs =
            birthday.is_some_and(|b| vault.birthday_tag(self.person, b.expose_secret()) != self.birthday_tag);
        let name = receiver.verify_name.as_ref();
        let name_differs =
            name.is_some_and(|name| vault.name_tag(self.person, name.expose_secret()) != self.name_tag);
        if birthday_differs || name_differs {
            return Identified::NotFound;
        }
        if self.refused.unwrap_or(self.behaviour == Behaviour::RefusesAll) {
            return Identified::Refused;
        }
        match vault.person_key(self.person, &self.key) {
            Ok(key) => {
                let key = Arc::new(key);
                Identified::Found(Recipient { person: self.person, key, member: self.member })
            }
            Err(error) => {
                tracing::error!(%error, person = %self.person, "a person's key");
                Identified::Breaks
            }
        }
    }
}
