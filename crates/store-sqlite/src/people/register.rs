//! Adding and updating a person, in the writer.

use rusqlite::{Connection, OptionalExtension, Row, params};
use secrecy::ExposeSecret;
use seoham_model::{Clock, PersonId, UnixSeconds};
use seoham_store::StoreError;
use seoham_store::people::{Registered, Registration};
use seoham_store::sealing::{PersonPlain, person_row};
use seoham_vault::{BlindIndex, PersonKey, Vault, WrappedKey};

use crate::columns::Id;
use crate::writer::WriteError;

struct Existing {
    person: PersonId,
    ci_index: Option<BlindIndex>,
    birthday_tag: BlindIndex,
    key: WrappedKey,
}

pub(crate) fn register_one(
    connection: &Connection,
    vault: &Vault,
    clock: &Clock,
    registration: &Registration,
    now: UnixSeconds,
) -> Result<Registered, WriteError> {
    let person = &registration.person;
    let phone_index = vault.phone_index(person.phone_number.expose_secret());
    let ci_index = person.ci.as_ref().map(|ci| vault.ci_index(ci.expose_secret()));

    let by_phone = find(connection, "phone_index", phone_index)?;
    let by_ci = match ci_index {
        Some(index) => find(connection, "ci_index", index)?,
        None => None,
    };
    let known = match (by_ci, by_phone) {
        (Some(by_ci), by_phone) => {
            if by_phone.is_some_and(|other| other.person != by_ci.person) {
                return Ok(Registered::NumberTaken);
            }
            Some(by_ci)
        }
        (None, Some(by_phone)) => {
            let birthday = vault.birthday_tag(by_phone.person, person.birthday.expose_secret());
            let another_ci = ci_index.is_some() && by_phone.ci_index.is_some();
            if another_ci || birthday != by_phone.birthday_tag {
                return Ok(Registered::NumberTaken);
            }
            Some(by_phone)
        }
        (None, None) => None,
    };

    let (id, registered) = match known {
        Some(known) => {
            update(connection, vault, registration, &known, phone_index, ci_index)?;
            (known.person, Registered::Updated)
        }
        None => (insert(connection, vault, clock, registration, phone_index, ci_index)?, Registered::Added),
    };
    if person.member {
        super::join(connection, id, now)?;
    }
    Ok(registered)
}

fn insert(
    connection: &Connection,
    vault: &Vault,
    clock: &Clock,
    registration: &Registration,
    phone_index: BlindIndex,
    ci_index: Option<BlindIndex>,
) -> Result<PersonId, WriteError> {
    let person = &registration.person;
    let id = PersonId::generate(clock);
    let (key, wrapped) = vault.new_person_key(id);
    connection
        .prepare_cached(
            "INSERT INTO people (person_id, phone_index, ci_index, birthday_tag, name_tag, sealed, pin_hash,
                                 wrapped_key, behaviour)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            Id(id),
            phone_index,
            ci_index,
            vault.birthday_tag(id, person.birthday.expose_secret()),
            vault.name_tag(id, person.name.expose_secret()),
            sealed(&key, id, registration, None)?,
            registration.pin.as_ref().map(|pin| &pin.0),
            wrapped.0,
            person.behaviour.as_number(),
        ])?;
    Ok(id)
}

fn update(
    connection: &Connection,
    vault: &Vault,
    registration: &Registration,
    known: &Existing,
    phone_index: BlindIndex,
    ci_index: Option<BlindIndex>,
) -> Result<(), WriteError> {
    let (person, id) = (&registration.person, known.person);
    let key = vault.person_key(id, &known.key)?;
    let before: Vec<u8> = connection
        .prepare_cached("SELECT sealed FROM people WHERE person_id = ?1")?
        .query_row([Id(id)], |row| row.get(0))?;
    let before = key.open(&person_row(id), &before)?;
    let mut before: PersonPlain =
        serde_json::from_slice(&before).map_err(|_| StoreError::Damaged("a person"))?;
    connection
        .prepare_cached(
            "UPDATE people SET phone_index = ?2, ci_index = coalesce(?3, ci_index), birthday_tag = ?4,
               name_tag = ?5, sealed = ?6, pin_hash = coalesce(?7, pin_hash)
             WHERE person_id = ?1",
        )?
        .execute(params![
            Id(id),
            phone_index,
            ci_index,
            vault.birthday_tag(id, person.birthday.expose_secret()),
            vault.name_tag(id, person.name.expose_secret()),
            sealed(&key, id, registration, before.ci.take())?,
            registration.pin.as_ref().map(|pin| &pin.0),
        ])?;
    Ok(())
}

fn sealed(
    key: &PersonKey,
    id: PersonId,
    registration: &Registration,
    known_ci: Option<String>,
) -> Result<Vec<u8>, WriteError> {
    let person = &registration.person;
    let plain = PersonPlain {
        phone_number: person.phone_number.expose_secret().to_owned(),
        name: person.name.expose_secret().to_owned(),
        birthday: person.birthday.expose_secret().to_owned(),
        ci: person.ci.as_ref().map(|ci| ci.expose_secret().to_owned()).or(known_ci),
    };
    let json = serde_json::to_vec(&plain).map_err(|e| StoreError::Failed(e.to_string()))?;
    Ok(key.seal(&person_row(id), &json))
}

fn find(
    connection: &Connection,
    column: &'static str,
    index: BlindIndex,
) -> rusqlite::Result<Option<Existing>> {
    connection
        .prepare_cached(&format!(
            "SELECT person_id, ci_index, birthday_tag, wrapped_key FROM people WHERE {column} = ?1"
        ))?
        .query_row([index], existing)
        .optional()
}

fn existing(row: &Row<'_>) -> rusqlite::Result<Existing> {
    Ok(Existing {
        person: row.get::<_, Id<PersonId>>(0)?.0,
        ci_index: row.get(1)?,
        birthday_tag: row.get(2)?,
        key: WrappedKey(row.get(3)?),
    })
}
