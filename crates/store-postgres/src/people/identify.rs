//! Looks up the receivers of a request by blind index, all at once. The store's matching rules judge the results.

use std::collections::HashMap;
use std::sync::Arc;

use seoham_model::InstitutionId;
use seoham_model::document::Receiver;
use seoham_store::matching::{Candidate, LookUp};
use seoham_store::people::Identified;
use seoham_store::{Result, StoreError};
use seoham_vault::{BlindIndex, Vault, WrappedKey};
use tokio_postgres::Row;

use crate::columns::{Columns, Id};
use crate::session::Session;

// One round trip for all receivers. Refusals are looked up only for people who made a choice: most have not, and a lookup
// without a result costs as much.
const FOUND: &str =
    "SELECT p.person_id, asked.found_by, p.wrapped_key, p.birthday_tag, p.name_tag, p.behaviour,
      p.member_since IS NOT NULL AS member,
      (SELECT r.refused FROM refusals r
       WHERE p.has_said AND r.person_id = p.person_id AND r.institution_id = $3) AS refused
    FROM unnest($1::bytea[]) AS asked (found_by) JOIN people p ON p.phone_index = asked.found_by
    UNION ALL
    SELECT p.person_id, asked.found_by, p.wrapped_key, p.birthday_tag, p.name_tag, p.behaviour,
      p.member_since IS NOT NULL AS member,
      (SELECT r.refused FROM refusals r
       WHERE p.has_said AND r.person_id = p.person_id AND r.institution_id = $3) AS refused
    FROM unnest($2::bytea[]) AS asked (found_by) JOIN people p ON p.ci_index = asked.found_by";

pub(super) async fn identify(
    session: &Session,
    vault: Arc<Vault>,
    institution: InstitutionId,
    receivers: Vec<Receiver>,
) -> Result<Vec<Identified>> {
    let look_ups: Vec<LookUp> = receivers.iter().map(|receiver| LookUp::of(&vault, receiver)).collect();
    let phone =
        |look_up: &LookUp| if let LookUp::Phone(index) = look_up { Some(index.to_vec()) } else { None };
    let ci = |look_up: &LookUp| if let LookUp::Ci(index) = look_up { Some(index.to_vec()) } else { None };
    let phones: Vec<Vec<u8>> = look_ups.iter().filter_map(phone).collect();
    let cis: Vec<Vec<u8>> = look_ups.iter().filter_map(ci).collect();
    if look_ups.is_empty() {
        return Ok(Vec::new());
    }
    let found = session.query(FOUND, &[&phones, &cis, &institution.uuid()]).await?;
    // Both kinds of index are keyed hashes, so they do not collide in practice.
    let found = found.iter().map(|row| Ok((row.index("found_by")?, candidate(row)?)));
    let found: HashMap<BlindIndex, Candidate> = found.collect::<Result<_>>()?;

    let judge = move || {
        let judge = |(receiver, look_up): (&Receiver, &LookUp)| {
            let known = found.get(&look_up.index());
            known.map_or(Identified::NotFound, |known| known.judge(&vault, receiver))
        };
        receivers.iter().zip(&look_ups).map(judge).collect()
    };
    // Each takes a few microseconds of cryptography: use a blocking thread.
    tokio::task::spawn_blocking(judge)
        .await
        .map_err(|_| StoreError::Failed("identifying broke off".to_owned()))
}

fn candidate(row: &Row) -> Result<Candidate> {
    Ok(Candidate {
        person: row.id("person_id")?,
        key: WrappedKey(row.value("wrapped_key")?),
        birthday_tag: row.index("birthday_tag")?,
        name_tag: row.index("name_tag")?,
        behaviour: row.number("behaviour")?,
        member: row.value("member")?,
        refused: row.value("refused")?,
    })
}
