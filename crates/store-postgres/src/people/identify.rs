//! Looks up the receivers of a request by blind index, all at once. The store's matching rules judge the results.

use std::collections::HashMap;
use std::sync::Arc;

use seoham_model::document::Receiver;
use seoham_model::person::Behaviour;
use seoham_model::{InstitutionId, PersonId};
use seoham_store::matching::{Candidate, LookUp};
use seoham_store::people::Identified;
use seoham_store::{Result, StoreError};
use seoham_vault::{BlindIndex, Vault, WrappedKey};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::columns::{Columns, Id};
use crate::session::Session;

const BY_PHONE: &str =
    "SELECT p.person_id, p.phone_index AS found_by, p.wrapped_key, p.birthday_tag, p.name_tag,
      p.behaviour, p.member_since IS NOT NULL AS member, p.has_said
    FROM unnest($1::bytea[]) AS asked (found_by) JOIN people p ON p.phone_index = asked.found_by";
const BY_CI: &str = "SELECT p.person_id, p.ci_index AS found_by, p.wrapped_key, p.birthday_tag, p.name_tag,
      p.behaviour, p.member_since IS NOT NULL AS member, p.has_said
    FROM unnest($1::bytea[]) AS asked (found_by) JOIN people p ON p.ci_index = asked.found_by";
// Only for people who made a choice: most have not, and a lookup without a result costs as much.
const REFUSALS: &str = "SELECT r.person_id, r.refused
    FROM unnest($1::uuid[]) AS asked (person_id)
    JOIN refusals r ON r.person_id = asked.person_id AND r.institution_id = $2";

pub(super) async fn identify(
    session: &Session,
    vault: Arc<Vault>,
    institution: InstitutionId,
    receivers: Vec<Receiver>,
) -> Result<Vec<Identified>> {
    let look_ups: Vec<LookUp> = receivers.iter().map(|receiver| LookUp::of(&vault, receiver)).collect();
    let phone = |look_up: &LookUp| if let LookUp::Phone(index) = look_up { Some(*index) } else { None };
    let ci = |look_up: &LookUp| if let LookUp::Ci(index) = look_up { Some(*index) } else { None };
    let by_phone = found(session, BY_PHONE, look_ups.iter().filter_map(phone)).await?;
    let by_ci = found(session, BY_CI, look_ups.iter().filter_map(ci)).await?;
    let said = by_phone.values().chain(by_ci.values()).filter(|known| known.has_said);
    let refusals = refusals(session, institution, said).await?;

    let judge = move || {
        receivers
            .iter()
            .zip(&look_ups)
            .map(|(receiver, look_up)| {
                let known = match look_up {
                    LookUp::Phone(index) => by_phone.get(index),
                    LookUp::Ci(index) => by_ci.get(index),
                };
                known.map_or(Identified::NotFound, |known| {
                    known.candidate(refusals.get(&known.person).copied()).judge(&vault, receiver)
                })
            })
            .collect()
    };
    // Each takes a few microseconds of cryptography: use a blocking thread.
    tokio::task::spawn_blocking(judge)
        .await
        .map_err(|_| StoreError::Failed("identifying broke off".to_owned()))
}

/// A person found by blind index, without their refusals.
struct Known {
    person: PersonId,
    key: WrappedKey,
    birthday_tag: BlindIndex,
    name_tag: BlindIndex,
    behaviour: Behaviour,
    member: bool,
    /// They made a choice about some institution.
    has_said: bool,
}

impl Known {
    fn candidate(&self, refused: Option<bool>) -> Candidate {
        Candidate {
            person: self.person,
            key: self.key.clone(),
            birthday_tag: self.birthday_tag,
            name_tag: self.name_tag,
            behaviour: self.behaviour,
            member: self.member,
            refused,
        }
    }
}

async fn found(
    session: &Session,
    sql: &'static str,
    indexes: impl Iterator<Item = BlindIndex>,
) -> Result<HashMap<BlindIndex, Known>> {
    let indexes: Vec<BlindIndex> = indexes.collect();
    if indexes.is_empty() {
        return Ok(HashMap::new());
    }
    let asked: Vec<&[u8]> = indexes.iter().map(<[u8; 16]>::as_slice).collect();
    let known = |row: &Row| {
        let known = Known {
            person: row.id("person_id")?,
            key: WrappedKey(row.value("wrapped_key")?),
            birthday_tag: row.index("birthday_tag")?,
            name_tag: row.index("name_tag")?,
            behaviour: row.number("behaviour")?,
            member: row.value("member")?,
            has_said: row.value("has_said")?,
        };
        Ok((row.index("found_by")?, known))
    };
    session.query(sql, &[&asked]).await?.iter().map(known).collect()
}

async fn refusals<'a>(
    session: &Session,
    institution: InstitutionId,
    known: impl Iterator<Item = &'a Known>,
) -> Result<HashMap<PersonId, bool>> {
    let people: Vec<Uuid> = known.map(|known| known.person.uuid()).collect();
    if people.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = session.query(REFUSALS, &[&people, &institution.uuid()]).await?;
    rows.iter().map(|row| Ok((row.id("person_id")?, row.value("refused")?))).collect()
}
