//! Who a receiver is (SPEC 4): by ci alone, or by telephone number and birthday together, and by
//! the name too when its check is asked for.

use rusqlite::{Connection, OptionalExtension, Row, params};
use secrecy::ExposeSecret;
use seoham_model::document::{Receiver, ReceiverIdentity};
use seoham_model::person::Behaviour;
use seoham_model::{InstitutionId, PersonId};
use seoham_store::people::{Identified, Recipient};
use seoham_vault::{BlindIndex, Vault, WrappedKey};

use crate::columns::Id;

struct Known {
    person: PersonId,
    key: WrappedKey,
    birthday_tag: BlindIndex,
    name_tag: BlindIndex,
    behaviour: Behaviour,
    refused: Option<bool>,
}

pub(super) fn identify(
    connection: &Connection,
    vault: &Vault,
    institution: InstitutionId,
    receiver: &Receiver,
) -> rusqlite::Result<Identified> {
    let (sql, index, birthday) = match &receiver.identity {
        ReceiverIdentity::Ci(ci) => (BY_CI, vault.ci_index(ci.expose_secret()), None),
        ReceiverIdentity::Phone { phone_number, birthday } => {
            (BY_PHONE, vault.phone_index(phone_number.expose_secret()), Some(birthday))
        }
    };
    let found =
        connection.prepare_cached(sql)?.query_row(params![index, Id(institution)], known).optional()?;
    let Some(known) = found else { return Ok(Identified::NotFound) };

    if known.behaviour == Behaviour::Breaks {
        return Ok(Identified::Breaks);
    }
    let birthday_differs =
        birthday.is_some_and(|b| vault.birthday_tag(known.person, b.expose_secret()) != known.birthday_tag);
    let name_differs = receiver
        .verify_name
        .as_ref()
        .is_some_and(|name| vault.name_tag(known.person, name.expose_secret()) != known.name_tag);
    if birthday_differs || name_differs {
        return Ok(Identified::NotFound);
    }
    if known.refused.unwrap_or(known.behaviour == Behaviour::RefusesAll) {
        return Ok(Identified::Refused);
    }
    Ok(Identified::Found(Recipient { person: known.person, key: known.key }))
}

const BY_PHONE: &str = "SELECT person_id, wrapped_key, birthday_tag, name_tag, behaviour,
    (SELECT refused FROM refusals r WHERE r.person_id = p.person_id AND r.institution_id = ?2)
    FROM people p WHERE phone_index = ?1";
const BY_CI: &str = "SELECT person_id, wrapped_key, birthday_tag, name_tag, behaviour,
    (SELECT refused FROM refusals r WHERE r.person_id = p.person_id AND r.institution_id = ?2)
    FROM people p WHERE ci_index = ?1";

fn known(row: &Row<'_>) -> rusqlite::Result<Known> {
    Ok(Known {
        person: row.get::<_, Id<PersonId>>(0)?.0,
        key: WrappedKey(row.get(1)?),
        birthday_tag: row.get(2)?,
        name_tag: row.get(3)?,
        behaviour: Behaviour::from_number(row.get(4)?),
        refused: row.get(5)?,
    })
}
