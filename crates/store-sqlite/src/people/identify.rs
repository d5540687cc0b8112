//! Looks up the receivers of a request together, by blind index. The store's matching rules judge the results.

use std::collections::HashMap;

use rusqlite::{Connection, Row};
use seoham_model::person::Behaviour;
use seoham_model::{InstitutionId, PersonId};
use seoham_store::matching::LookUp;
use seoham_store::person_cache::CachedPerson;
use seoham_vault::{BlindIndex, WrappedKey};

use crate::columns::{Id, blobs, number};

/// The people found, by blind index.
pub(super) type Found = HashMap<BlindIndex, CachedPerson>;

/// The people under `look_ups` with all their choices about institutions, from one snapshot.
pub(super) fn find<'a>(
    connection: &Connection,
    look_ups: impl Iterator<Item = &'a LookUp>,
) -> rusqlite::Result<Found> {
    let (mut phones, mut cis) = (Vec::new(), Vec::new());
    for look_up in look_ups {
        match look_up {
            LookUp::Phone(index) => phones.push(*index),
            LookUp::Ci(index) => cis.push(*index),
        }
    }
    let snapshot = connection.unchecked_transaction()?;
    let mut found = Found::new();
    for (sql, indexes) in [(BY_PHONE, phones), (BY_CI, cis)] {
        if !indexes.is_empty() {
            let asked = blobs(indexes.iter().map(<[u8; 16]>::as_slice));
            let mut statement = snapshot.prepare_cached(sql)?;
            for row in statement.query_map([asked], |row| Ok((row.get("found_by")?, person(row)?)))? {
                let (index, known) = row?;
                found.insert(index, known);
            }
        }
    }
    let said = refusals(&snapshot, found.values().map(|known| known.person))?;
    for known in found.values_mut() {
        known.refusals = said.get(&known.person).cloned().unwrap_or_default();
    }
    Ok(found)
}

const BY_PHONE: &str =
    "SELECT p.person_id, p.phone_index, p.ci_index, p.wrapped_key, p.birthday_tag, p.name_tag,
      p.behaviour, p.member_since IS NOT NULL, p.phone_index AS found_by
    FROM rarray(?1) AS asked CROSS JOIN people p ON p.phone_index = asked.value";
const BY_CI: &str =
    "SELECT p.person_id, p.phone_index, p.ci_index, p.wrapped_key, p.birthday_tag, p.name_tag,
      p.behaviour, p.member_since IS NOT NULL, p.ci_index AS found_by
    FROM rarray(?1) AS asked CROSS JOIN people p ON p.ci_index = asked.value";
const REFUSALS: &str = "SELECT r.person_id, r.institution_id, r.refused
    FROM rarray(?1) AS asked CROSS JOIN refusals r ON r.person_id = asked.value";

fn person(row: &Row<'_>) -> rusqlite::Result<CachedPerson> {
    Ok(CachedPerson {
        person: row.get::<_, Id<PersonId>>(0)?.0,
        phone_index: row.get(1)?,
        ci_index: row.get(2)?,
        key: WrappedKey(row.get(3)?),
        birthday_tag: row.get(4)?,
        name_tag: row.get(5)?,
        behaviour: number::<Behaviour>(row, 6)?,
        member: row.get(7)?,
        refusals: Vec::new(),
    })
}

/// The choices of each of `people` about institutions.
fn refusals(
    connection: &Connection,
    people: impl Iterator<Item = PersonId>,
) -> rusqlite::Result<HashMap<PersonId, Vec<(InstitutionId, bool)>>> {
    let mut people: Vec<PersonId> = people.collect();
    // A person found under both indexes would have every choice twice.
    people.sort_unstable();
    people.dedup();
    let asked = blobs(people.iter().map(|person| person.as_bytes().as_slice()));
    let mut said: HashMap<PersonId, Vec<(InstitutionId, bool)>> = HashMap::new();
    let mut statement = connection.prepare_cached(REFUSALS)?;
    let mut rows = statement.query([asked])?;
    while let Some(row) = rows.next()? {
        let about = (row.get::<_, Id<InstitutionId>>(1)?.0, row.get(2)?);
        said.entry(row.get::<_, Id<PersonId>>(0)?.0).or_default().push(about);
    }
    Ok(said)
}
