//! Identity resolution: which person a receiver or a registration refers to, implemented once for every store
//! (SPEC 4 and 11).
//!
//! A store finds rows by blind index; this module interprets them.

use std::sync::Arc;

use secrecy::ExposeSecret;
use seoham_model::document::{Receiver, ReceiverIdentity};
use seoham_model::person::Behaviour;
use seoham_model::{Clock, PersonId};
use seoham_vault::{BlindIndex, PersonKey, Vault, WrappedKey};

use crate::people::{Identified, Recipient, Registration};
use crate::sealing::{PersonPlaintext, person_row};
use crate::{Result, StoreError};

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

/// The blind indexes of a registration.
#[derive(Clone, Copy, Debug)]
pub struct Indexes {
    /// Of the telephone number.
    pub phone: BlindIndex,
    /// Of the ci, when there is one.
    pub ci: Option<BlindIndex>,
}

impl Indexes {
    /// The blind indexes of `registration`.
    pub fn of(vault: &Vault, registration: &Registration) -> Self {
        let person = &registration.person;
        Self {
            phone: vault.phone_index(person.phone_number.expose_secret()),
            ci: person.ci.as_ref().map(|ci| vault.ci_index(ci.expose_secret())),
        }
    }
}

/// A person that a registration may refer to.
#[derive(Clone)]
pub struct Existing {
    /// The person.
    pub person: PersonId,
    /// Blind index of their ci, if it is known.
    pub ci_index: Option<BlindIndex>,
    /// Tag of their birthday.
    pub birthday_tag: BlindIndex,
    /// Their wrapped data key.
    pub key: WrappedKey,
    /// Their sealed row.
    pub sealed: Vec<u8>,
}

/// The person that a registration refers to.
pub enum RegistrationMatch {
    /// Nobody known: creates a new person.
    New,
    /// This person.
    Existing(Existing),
    /// The number belongs to another person.
    NumberTaken,
}

/// The person that `registration` refers to, given the owners of its telephone number and its ci.
///
/// A known ci identifies the person. Otherwise the telephone number does, if the birthday is the same and no
/// other ci is known: a number that was reassigned to another person must never open the first person's box.
pub fn match_registration(
    vault: &Vault,
    registration: &Registration,
    by_phone: Option<Existing>,
    by_ci: Option<Existing>,
) -> RegistrationMatch {
    match (by_ci, by_phone) {
        (Some(by_ci), Some(by_phone)) if by_phone.person != by_ci.person => RegistrationMatch::NumberTaken,
        (Some(by_ci), _) => RegistrationMatch::Existing(by_ci),
        (None, Some(by_phone)) => {
            let person = &registration.person;
            let birthday = vault.birthday_tag(by_phone.person, person.birthday.expose_secret());
            let another_ci = person.ci.is_some() && by_phone.ci_index.is_some();
            if another_ci || birthday != by_phone.birthday_tag {
                RegistrationMatch::NumberTaken
            } else {
                RegistrationMatch::Existing(by_phone)
            }
        }
        (None, None) => RegistrationMatch::New,
    }
}

/// A person's row, ready to be stored.
pub struct PersonRow {
    /// The person.
    pub person: PersonId,
    /// Tag of the birthday.
    pub birthday_tag: BlindIndex,
    /// Tag of the name.
    pub name_tag: BlindIndex,
    /// The wrapped data key.
    pub key: WrappedKey,
    /// All personal data, sealed.
    pub sealed: Vec<u8>,
}

impl PersonRow {
    /// The row of a new person.
    pub fn of_new(vault: &Vault, clock: &Clock, registration: &Registration) -> Result<Self> {
        let id = PersonId::generate(clock);
        let (key, wrapped) = vault.new_person_key(id);
        Self::sealed(vault, id, &key, wrapped, registration, None)
    }

    /// The row of a known person with the data of `registration`; a ci that it lacks is kept.
    pub fn of_known(vault: &Vault, known: &Existing, registration: &Registration) -> Result<Self> {
        let key = vault.person_key(known.person, &known.key)?;
        let mut before = PersonPlaintext::open(&key, known.person, &known.sealed)?;
        Self::sealed(vault, known.person, &key, known.key.clone(), registration, before.ci.take())
    }

    fn sealed(
        vault: &Vault,
        id: PersonId,
        key: &PersonKey,
        wrapped: WrappedKey,
        registration: &Registration,
        known_ci: Option<String>,
    ) -> Result<Self> {
        let person = &registration.person;
        let plaintext = PersonPlaintext {
            phone_number: person.phone_number.expose_secret().to_owned(),
            name: person.name.expose_secret().to_owned(),
            birthday: person.birthday.expose_secret().to_owned(),
            ci: person.ci.as_ref().map(|ci| ci.expose_secret().to_owned()).or(known_ci),
        };
        let json = serde_json::to_vec(&plaintext).map_err(|e| StoreError::Failed(e.to_string()))?;
        Ok(Self {
            person: id,
            birthday_tag: vault.birthday_tag(id, person.birthday.expose_secret()),
            name_tag: vault.name_tag(id, person.name.expose_secret()),
            key: wrapped,
            sealed: key.seal(&person_row(id), &json),
        })
    }
}
