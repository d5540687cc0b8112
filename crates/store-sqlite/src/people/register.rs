//! Adding and updating a person, in the writer.

use rusqlite::{Connection, OptionalExtension, Row, params};
use seoham_model::{Clock, PersonId, UnixSeconds};
use seoham_store::matching::{Existing, Indexes, PersonRow, RegistrationMatch, match_registration};
use seoham_store::people::{Registered, Registration};
use seoham_vault::{BlindIndex, Vault, WrappedKey};

use crate::box_index::BoxIndex;
use crate::columns::{Id, Number};
use crate::writer::WriteError;

/// Adds or updates a person. Returns who it is, unless the number belongs to somebody else.
pub(crate) fn register_one(
    connection: &Connection,
    vault: &Vault,
    clock: &Clock,
    box_index: &BoxIndex,
    registration: &Registration,
    now: UnixSeconds,
) -> Result<(Option<PersonId>, Registered), WriteError> {
    let indexes = Indexes::of(vault, registration);
    let by_phone = find(connection, "phone_index", indexes.phone)?;
    let by_ci = match indexes.ci {
        Some(index) => find(connection, "ci_index", index)?,
        None => None,
    };
    let (row, registered) = match match_registration(vault, registration, by_phone, by_ci) {
        RegistrationMatch::NumberTaken => return Ok((None, Registered::NumberTaken)),
        RegistrationMatch::New => (PersonRow::of_new(vault, clock, registration)?, Registered::Added),
        RegistrationMatch::Existing(known) => {
            (PersonRow::of_known(vault, &known, registration)?, Registered::Updated)
        }
    };
    connection
        .prepare_cached(
            "INSERT INTO people (person_id, phone_index, ci_index, birthday_tag, name_tag, sealed, pin_hash,
                                 wrapped_key, behaviour)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (person_id) DO UPDATE SET
               phone_index = excluded.phone_index, ci_index = coalesce(excluded.ci_index, ci_index),
               birthday_tag = excluded.birthday_tag, name_tag = excluded.name_tag, sealed = excluded.sealed,
               pin_hash = coalesce(excluded.pin_hash, pin_hash)",
        )?
        .execute(params![
            Id(row.person),
            indexes.phone,
            indexes.ci,
            row.birthday_tag,
            row.name_tag,
            row.sealed,
            registration.pin.as_ref().map(|pin| &pin.0),
            row.key.0,
            Number(registration.person.behaviour),
        ])?;
    if registration.person.member {
        super::join(connection, box_index, row.person, now)?;
    }
    Ok((Some(row.person), registered))
}

fn find(
    connection: &Connection,
    column: &'static str,
    index: BlindIndex,
) -> rusqlite::Result<Option<Existing>> {
    connection
        .prepare_cached(&format!(
            "SELECT person_id, ci_index, birthday_tag, wrapped_key, sealed FROM people WHERE {column} = ?1"
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
        sealed: row.get(4)?,
    })
}
