//! Registration: which person a registration refers to, and what is written for it, decided once for every store
//! (SPEC 11).
//!
//! A store finds people by blind index and writes rows; this module decides.

use secrecy::ExposeSecret;
use seoham_model::person::EmailChange;
use seoham_model::{Clock, PersonId, SeoulDay, Text, UnixSeconds};
use seoham_vault::{BlindIndex, PersonKey, Vault, WrappedKey};

use crate::people::{Registered, Registration};
use crate::sealing::{PersonPlaintext, person_row};
use crate::{Result, StoreError};

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
    /// Blind index of their telephone number, if they have one.
    pub phone_index: Option<BlindIndex>,
    /// The day since which the number is theirs.
    pub phone_assigned_on: SeoulDay,
    /// When their number last changed.
    pub phone_changed_at: Option<UnixSeconds>,
    /// Blind index of their ci, if it is known.
    pub ci_index: Option<BlindIndex>,
    /// Tag of their birthday.
    pub birthday_tag: BlindIndex,
    /// Tag of their name.
    pub name_tag: BlindIndex,
    /// Their wrapped data key.
    pub key: WrappedKey,
    /// Their sealed row.
    pub sealed: Vec<u8>,
}

/// What a registration comes to.
pub enum Decision {
    /// These rows are written, in this order.
    Write {
        /// The former owner of the number, who has none from now on.
        released: Option<ReleasedNumber>,
        /// The person.
        row: PersonRow,
        /// The result.
        registered: Registered,
    },
    /// Nothing is written: the number belongs to another person, since this day.
    NumberTaken(SeoulDay),
    /// Nothing is written: the person has another number, which was assigned later, on this day.
    NumberOutdated(SeoulDay),
}

/// A former owner of a telephone number. All their visits end.
pub struct ReleasedNumber {
    /// The person.
    pub person: PersonId,
    /// All personal data but the number, sealed.
    pub sealed: Vec<u8>,
}

/// A person's row, ready to be stored.
pub struct PersonRow {
    /// The person.
    pub person: PersonId,
    /// The day since which the number is theirs.
    pub phone_assigned_on: SeoulDay,
    /// When their number last changed.
    pub phone_changed_at: Option<UnixSeconds>,
    /// A known person's number changed: all their visits end, because links went to the former number.
    pub ends_visits: bool,
    /// Tag of the birthday.
    pub birthday_tag: BlindIndex,
    /// Tag of the name.
    pub name_tag: BlindIndex,
    /// The wrapped data key.
    pub key: WrappedKey,
    /// All personal data, sealed.
    pub sealed: Vec<u8>,
}

/// What `registration` comes to at `now`, given the owners of its telephone number and its ci.
///
/// A known ci identifies the person. Otherwise the telephone number does, if the birthday is the same and no other
/// ci is known; not if the number was assigned later and the name is another, too. A number that belongs to another
/// person moves only if the registration says that it was assigned later than to its present owner: the former owner's
/// box can then no longer be entered by it. A number that was assigned earlier than the one that a person has by now
/// does not replace it.
pub fn decide(
    vault: &Vault,
    clock: &Clock,
    registration: &Registration,
    by_phone: Option<&Existing>,
    by_ci: Option<&Existing>,
    now: UnixSeconds,
) -> Result<Decision> {
    let same_by_phone = by_phone.filter(|owner| is_of(vault, registration, owner));
    let known = by_ci.or(same_by_phone);
    let former_owner = by_phone.filter(|owner| known.is_none_or(|known| known.person != owner.person));
    let assigned_on = registration.person.phone_assigned_on;
    if let Some(owner) = former_owner
        && assigned_on.is_none_or(|day| day <= owner.phone_assigned_on)
    {
        return Ok(Decision::NumberTaken(owner.phone_assigned_on));
    }
    if let Some(known) = known
        && known.phone_index.is_some_and(|index| index != Indexes::of(vault, registration).phone)
        && assigned_on.is_some_and(|day| day < known.phone_assigned_on)
    {
        return Ok(Decision::NumberOutdated(known.phone_assigned_on));
    }
    let released = former_owner.map(|owner| ReleasedNumber::of(vault, owner)).transpose()?;
    let row = match known {
        Some(known) => PersonRow::of_known(vault, known, registration, now)?,
        None => PersonRow::of_new(vault, clock, registration, now)?,
    };
    let registered = match (&released, known) {
        (Some(former), _) => Registered::NumberMoved { from: former.person },
        (None, Some(_)) => Registered::Updated,
        (None, None) => Registered::Added,
    };
    Ok(Decision::Write { released, row, registered })
}

/// Why a number that was assigned earlier than the person's present one is not registered.
pub fn number_outdated(since: SeoulDay) -> Text {
    Text::made(
        format!(
            "phone_assigned_on: 이 사람에게는 {since}에 받은 다른 번호가 있습니다. 이 번호가 맞으면 phone_assigned_on을 \
             그 뒤의 날짜로 고치거나 빼 주십시오"
        ),
        format!(
            "phone_assigned_on: the person has another number since {since}; if this one is right, give a later day \
             or none"
        ),
    )
}

/// Why a number that belongs to another person since a day is not registered.
pub fn number_taken(since: SeoulDay) -> Text {
    Text::made(
        format!(
            "phone_number: {since}부터 생년월일이나 CI가 다른 사람의 번호입니다. 그 뒤에 주인이 바뀌었으면 번호를 \
             받은 날을 phone_assigned_on에 넣어 주십시오"
        ),
        format!(
            "phone_number: since {since} it belongs to a person with another birthday or ci; if it was assigned \
             later than that, give the day as phone_assigned_on"
        ),
    )
}

/// The owner of the registration's number is the person that it is about, as far as its ci is unknown.
fn is_of(vault: &Vault, registration: &Registration, owner: &Existing) -> bool {
    let person = &registration.person;
    let another_ci = person.ci.is_some() && owner.ci_index.is_some();
    let another_birthday =
        vault.birthday_tag(owner.person, person.birthday.expose_secret()) != owner.birthday_tag;
    // Two people of one birthday: the next owner of a number must not get the box of the former.
    let is_later = person.phone_assigned_on.is_some_and(|day| day > owner.phone_assigned_on);
    let next_owner = is_later && vault.name_tag(owner.person, person.name.expose_secret()) != owner.name_tag;
    !another_ci && !another_birthday && !next_owner
}

impl ReleasedNumber {
    fn of(vault: &Vault, owner: &Existing) -> Result<Self> {
        let key = vault.person_key(owner.person, &owner.key)?;
        let mut plaintext = PersonPlaintext::open(&key, owner.person, &owner.sealed)?;
        plaintext.phone_number = None;
        Ok(Self { person: owner.person, sealed: sealed(&key, owner.person, &plaintext)? })
    }
}

impl PersonRow {
    fn of_new(vault: &Vault, clock: &Clock, registration: &Registration, now: UnixSeconds) -> Result<Self> {
        let id = PersonId::generate(clock);
        let (key, wrapped) = vault.new_person_key(id);
        let assigned_on = registration.person.phone_assigned_on.unwrap_or(SeoulDay::of(now));
        let number = Number { assigned_on, changed_at: None, is_changed: false };
        Self::sealed(vault, id, &key, wrapped, registration, number, Known::default())
    }

    /// The row of a known person with the data of `registration`; a ci or an e-mail address that it lacks is kept.
    fn of_known(
        vault: &Vault,
        known: &Existing,
        registration: &Registration,
        now: UnixSeconds,
    ) -> Result<Self> {
        let key = vault.person_key(known.person, &known.key)?;
        let mut before = PersonPlaintext::open(&key, known.person, &known.sealed)?;
        let number = Number::of_known(known, Indexes::of(vault, registration).phone, registration, now);
        let kept = Known { ci: before.ci.take(), email: before.email.take() };
        Self::sealed(vault, known.person, &key, known.key.clone(), registration, number, kept)
    }

    fn sealed(
        vault: &Vault,
        id: PersonId,
        key: &PersonKey,
        wrapped: WrappedKey,
        registration: &Registration,
        number: Number,
        known: Known,
    ) -> Result<Self> {
        let person = &registration.person;
        let plaintext = PersonPlaintext {
            phone_number: Some(person.phone_number.expose_secret().to_owned()),
            name: person.name.expose_secret().to_owned(),
            birthday: person.birthday.expose_secret().to_owned(),
            ci: person.ci.as_ref().map(|ci| ci.expose_secret().to_owned()).or(known.ci),
            email: match &person.email {
                EmailChange::Keep => known.email,
                EmailChange::Set(email) => Some(email.expose_secret().to_owned()),
                EmailChange::Remove => None,
            },
        };
        Ok(Self {
            person: id,
            phone_assigned_on: number.assigned_on,
            phone_changed_at: number.changed_at,
            ends_visits: number.is_changed,
            birthday_tag: vault.birthday_tag(id, person.birthday.expose_secret()),
            name_tag: vault.name_tag(id, person.name.expose_secret()),
            key: wrapped,
            sealed: sealed(key, id, &plaintext)?,
        })
    }
}

/// What is known of a person and kept unless a registration replaces it.
#[derive(Default)]
struct Known {
    ci: Option<String>,
    email: Option<String>,
}

/// Since when a number is a person's.
#[derive(Clone, Copy)]
struct Number {
    assigned_on: SeoulDay,
    changed_at: Option<UnixSeconds>,
    is_changed: bool,
}

impl Number {
    /// A day that is not given is the day of the import, or stays if the number does.
    fn of_known(known: &Existing, index: BlindIndex, registration: &Registration, now: UnixSeconds) -> Self {
        let is_changed = known.phone_index != Some(index);
        let (assigned_on, changed_at) = if is_changed {
            (SeoulDay::of(now), Some(now))
        } else {
            (known.phone_assigned_on, known.phone_changed_at)
        };
        let assigned_on = registration.person.phone_assigned_on.unwrap_or(assigned_on);
        Self { assigned_on, changed_at, is_changed }
    }
}

fn sealed(key: &PersonKey, id: PersonId, plaintext: &PersonPlaintext) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(plaintext).map_err(|e| StoreError::Failed(e.to_string()))?;
    Ok(key.seal(&person_row(id), &json))
}
