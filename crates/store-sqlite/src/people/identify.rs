//! Looking receivers up by blind index; what is found is judged by the store's own rules.

use rusqlite::{Connection, OptionalExtension, Row};
use seoham_model::person::Behaviour;
use seoham_model::{InstitutionId, PersonId};
use seoham_store::matching::LookUp;
use seoham_vault::WrappedKey;

use super::known::KnownPerson;
use crate::columns::Id;

/// The person under `look_up`, with all that they said about institutions.
pub(super) fn find(connection: &Connection, look_up: LookUp) -> rusqlite::Result<Option<KnownPerson>> {
    let (sql, index) = match look_up {
        LookUp::Ci(index) => (BY_CI, index),
        LookUp::Phone(index) => (BY_PHONE, index),
    };
    let Some(mut known) = connection.prepare_cached(sql)?.query_row([index], person).optional()? else {
        return Ok(None);
    };
    let mut refusals =
        connection.prepare_cached("SELECT institution_id, refused FROM refusals WHERE person_id = ?1")?;
    let said = refusals
        .query_map([Id(known.person)], |row| Ok((row.get::<_, Id<InstitutionId>>(0)?.0, row.get(1)?)))?;
    known.refusals = said.collect::<rusqlite::Result<_>>()?;
    Ok(Some(known))
}

const BY_PHONE: &str =
    "SELECT person_id, phone_index, ci_index, wrapped_key, birthday_tag, name_tag, behaviour,
      member_since IS NOT NULL
    FROM people WHERE phone_index = ?1";
const BY_CI: &str = "SELECT person_id, phone_index, ci_index, wrapped_key, birthday_tag, name_tag, behaviour,
      member_since IS NOT NULL
    FROM people WHERE ci_index = ?1";

fn person(row: &Row<'_>) -> rusqlite::Result<KnownPerson> {
    Ok(KnownPerson {
        person: row.get::<_, Id<PersonId>>(0)?.0,
        phone_index: row.get(1)?,
        ci_index: row.get(2)?,
        key: WrappedKey(row.get(3)?),
        birthday_tag: row.get(4)?,
        name_tag: row.get(5)?,
        behaviour: Behaviour::from_number(row.get(6)?),
        member: row.get(7)?,
        refusals: Vec::new(),
    })
}
