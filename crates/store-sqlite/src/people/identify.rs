//! Looking receivers up by blind index; what is found is judged by the store's own rules.

use rusqlite::{Connection, OptionalExtension, Row, params};
use seoham_model::document::Receiver;
use seoham_model::person::Behaviour;
use seoham_model::{InstitutionId, PersonId};
use seoham_store::matching::{Candidate, LookUp};
use seoham_store::people::Identified;
use seoham_vault::{Vault, WrappedKey};

use crate::columns::Id;

pub(super) fn identify(
    connection: &Connection,
    vault: &Vault,
    institution: InstitutionId,
    receiver: &Receiver,
) -> rusqlite::Result<Identified> {
    let (sql, index) = match LookUp::of(vault, receiver) {
        LookUp::Ci(index) => (BY_CI, index),
        LookUp::Phone(index) => (BY_PHONE, index),
    };
    let found =
        connection.prepare_cached(sql)?.query_row(params![index, Id(institution)], candidate).optional()?;
    Ok(found.map_or(Identified::NotFound, |candidate| candidate.judge(vault, receiver)))
}

const BY_PHONE: &str =
    "SELECT person_id, wrapped_key, birthday_tag, name_tag, behaviour, member_since IS NOT NULL,
    (SELECT refused FROM refusals r WHERE r.person_id = p.person_id AND r.institution_id = ?2)
    FROM people p WHERE phone_index = ?1";
const BY_CI: &str =
    "SELECT person_id, wrapped_key, birthday_tag, name_tag, behaviour, member_since IS NOT NULL,
    (SELECT refused FROM refusals r WHERE r.person_id = p.person_id AND r.institution_id = ?2)
    FROM people p WHERE ci_index = ?1";

fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    Ok(Candidate {
        person: row.get::<_, Id<PersonId>>(0)?.0,
        key: WrappedKey(row.get(1)?),
        birthday_tag: row.get(2)?,
        name_tag: row.get(3)?,
        behaviour: Behaviour::from_number(row.get(4)?),
        member: row.get(5)?,
        refused: row.get(6)?,
    })
}
