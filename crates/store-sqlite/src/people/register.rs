//! Adding and updating a person, in the writer.

use rusqlite::{Connection, OptionalExtension, Row, params};
use seoham_model::{Clock, PersonId, SeoulDay, UnixSeconds};
use seoham_store::people::{Registered, Registration};
use seoham_store::registering::{Decision, Existing, Indexes, decide};
use seoham_vault::{BlindIndex, Vault, WrappedKey};

use crate::box_index::BoxIndex;
use crate::columns::{Id, Number, moment, number};
use crate::visits::end_visits;
use crate::writer::WriteError;

/// Adds or updates a person. Returns the people who changed.
pub(crate) fn register_one(
    connection: &Connection,
    vault: &Vault,
    clock: &Clock,
    box_index: &BoxIndex,
    registration: &Registration,
    now: UnixSeconds,
) -> Result<(Vec<PersonId>, Registered), WriteError> {
    let indexes = Indexes::of(vault, registration);
    let by_phone = find(connection, "phone_index", indexes.phone)?;
    let by_ci = match indexes.ci {
        Some(index) => find(connection, "ci_index", index)?,
        None => None,
    };
    let decision = decide(vault, clock, registration, by_phone.as_ref(), by_ci.as_ref(), now)?;
    let (released, row, registered) = match decision {
        Decision::NumberTaken(since) => return Ok((Vec::new(), Registered::NumberTaken { since })),
        Decision::NumberOutdated(since) => return Ok((Vec::new(), Registered::NumberOutdated { since })),
        Decision::Write { released, row, registered } => (released, row, registered),
    };
    let mut changed = vec![row.person];
    if let Some(former) = released {
        let sql =
            "UPDATE people SET phone_index = NULL, phone_changed_at = ?2, sealed = ?3 WHERE person_id = ?1";
        connection.prepare_cached(sql)?.execute(params![Id(former.person), now.0, former.sealed])?;
        end_visits(connection, former.person)?;
        changed.push(former.person);
    }
    if row.ends_visits {
        end_visits(connection, row.person)?;
    }
    connection
        .prepare_cached(
            "INSERT INTO people (person_id, phone_index, phone_assigned_on, phone_changed_at, ci_index, birthday_tag,
                                 name_tag, sealed, pin_hash, wrapped_key, behaviour)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (person_id) DO UPDATE SET
               phone_index = excluded.phone_index, phone_assigned_on = excluded.phone_assigned_on,
               phone_changed_at = excluded.phone_changed_at, ci_index = coalesce(excluded.ci_index, ci_index),
               birthday_tag = excluded.birthday_tag, name_tag = excluded.name_tag, sealed = excluded.sealed,
               pin_hash = coalesce(excluded.pin_hash, pin_hash)",
        )?
        .execute(params![
            Id(row.person),
            indexes.phone,
            Number(row.phone_assigned_on),
            row.phone_changed_at.map(|at| at.0),
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
    Ok((changed, registered))
}

fn find(
    connection: &Connection,
    column: &'static str,
    index: BlindIndex,
) -> rusqlite::Result<Option<Existing>> {
    connection
        .prepare_cached(&format!(
            "SELECT person_id, phone_index, phone_assigned_on, phone_changed_at, ci_index, birthday_tag, name_tag,
               wrapped_key, sealed
             FROM people WHERE {column} = ?1"
        ))?
        .query_row([index], existing)
        .optional()
}

fn existing(row: &Row<'_>) -> rusqlite::Result<Existing> {
    Ok(Existing {
        person: row.get::<_, Id<PersonId>>(0)?.0,
        phone_index: row.get(1)?,
        phone_assigned_on: number::<SeoulDay>(row, 2)?,
        phone_changed_at: moment(row, 3)?,
        ci_index: row.get(4)?,
        birthday_tag: row.get(5)?,
        name_tag: row.get(6)?,
        key: WrappedKey(row.get(7)?),
        sealed: row.get(8)?,
    })
}
