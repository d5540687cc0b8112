//! Looks up the receivers of a request by blind index, all at once. The store's matching rules judge the results.

use std::sync::Arc;

use seoham_model::document::Receiver;
use seoham_model::{InstitutionId, PersonId};
use seoham_store::matching::LookUp;
use seoham_store::people::Identified;
use seoham_store::person_cache::{CachedPerson, FoundPeople, fill, missing};
use seoham_store::{Lane, Result, StoreError};
use seoham_vault::{BlindIndex, WrappedKey};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::columns::{Columns, Id};

/// The cache is used from so many receivers on: whether it is right has to be asked, which takes a round trip too.
const CACHED_FROM: usize = 4;

// One round trip for all receivers. What people said is looked up only for those who said something: most have not, and
// a lookup without a result costs as much.
const FOUND: &str =
    "SELECT p.person_id, p.phone_index, p.ci_index, asked.found_by, p.wrapped_key, p.birthday_tag, p.name_tag,
      p.behaviour, p.member_since IS NOT NULL AS member,
      (SELECT array_agg(r.institution_id) FROM refusals r
       WHERE p.has_said AND r.person_id = p.person_id AND r.refused) AS refused,
      (SELECT array_agg(r.institution_id) FROM refusals r
       WHERE p.has_said AND r.person_id = p.person_id AND NOT r.refused) AS accepted
    FROM unnest($1::bytea[]) AS asked (found_by) JOIN people p ON p.phone_index = ANY (ARRAY[asked.found_by])
    UNION ALL
    SELECT p.person_id, p.phone_index, p.ci_index, asked.found_by, p.wrapped_key, p.birthday_tag, p.name_tag,
      p.behaviour, p.member_since IS NOT NULL AS member,
      (SELECT array_agg(r.institution_id) FROM refusals r
       WHERE p.has_said AND r.person_id = p.person_id AND r.refused) AS refused,
      (SELECT array_agg(r.institution_id) FROM refusals r
       WHERE p.has_said AND r.person_id = p.person_id AND NOT r.refused) AS accepted
    FROM unnest($2::bytea[]) AS asked (found_by) JOIN people p ON p.ci_index = ANY (ARRAY[asked.found_by])";

pub(super) async fn identify(
    store: &PostgresStore,
    lane: Lane,
    institution: InstitutionId,
    receivers: Vec<Receiver>,
) -> Result<Vec<Identified>> {
    if receivers.is_empty() {
        return Ok(Vec::new());
    }
    let vault = Arc::clone(&store.inner.vault);
    let look_ups: Vec<LookUp> = receivers.iter().map(|receiver| LookUp::of(&vault, receiver)).collect();
    let found = find(store, lane, &look_ups).await?;
    let judge = move || {
        let judge = |(receiver, known): (&Receiver, Option<Arc<CachedPerson>>)| {
            known.map_or(Identified::NotFound, |known| known.candidate(institution).judge(&vault, receiver))
        };
        receivers.iter().zip(found).map(judge).collect()
    };
    // Each takes a few microseconds of cryptography: use a blocking thread.
    tokio::task::spawn_blocking(judge)
        .await
        .map_err(|_| StoreError::Failed("identifying broke off".to_owned()))
}

/// The people under `look_ups`, in order.
async fn find(
    store: &PostgresStore,
    lane: Lane,
    look_ups: &[LookUp],
) -> Result<Vec<Option<Arc<CachedPerson>>>> {
    if lane == Lane::Bulk {
        // What follows takes processors from people, whether or not it takes a connection.
        store.inner.sessions.precedence.after_people().await;
    }
    let cache = &store.inner.person_cache;
    let is_used = look_ups.len() >= CACHED_FROM && cache.refresh().await;
    let (mut found, version) =
        if is_used { cache.people.find(look_ups) } else { (vec![None; look_ups.len()], 0) };
    let missing = missing(&found, look_ups);
    if missing.is_empty() {
        return Ok(found);
    }
    let read = read(store, lane, &missing).await?;
    if is_used {
        cache.people.insert(version, &read);
    }
    fill(&mut found, look_ups, &read);
    Ok(found)
}

async fn read(store: &PostgresStore, lane: Lane, look_ups: &[LookUp]) -> Result<FoundPeople> {
    let phone =
        |look_up: &LookUp| if let LookUp::Phone(index) = look_up { Some(index.to_vec()) } else { None };
    let ci = |look_up: &LookUp| if let LookUp::Ci(index) = look_up { Some(index.to_vec()) } else { None };
    let phones: Vec<Vec<u8>> = look_ups.iter().filter_map(phone).collect();
    let cis: Vec<Vec<u8>> = look_ups.iter().filter_map(ci).collect();
    let session = store.inner.sessions.of(lane).await?;
    let rows = session.query(FOUND, &[&phones, &cis]).await?;
    // Both kinds of index are keyed hashes, so they do not collide in practice.
    rows.iter().map(|row| Ok((row.index("found_by")?, Arc::new(person(row)?)))).collect()
}

fn person(row: &Row) -> Result<CachedPerson> {
    let index = |column| {
        let index: Option<&[u8]> = row.value(column)?;
        index.map(|index| BlindIndex::try_from(index).map_err(|_| StoreError::damaged(column))).transpose()
    };
    let said = |column, refused| {
        let about: Option<Vec<Uuid>> = row.value(column)?;
        let said = about.into_iter().flatten().map(move |about| (InstitutionId::of(about), refused));
        Ok::<_, StoreError>(said)
    };
    Ok(CachedPerson {
        person: row.id::<PersonId>("person_id")?,
        phone_index: index("phone_index")?,
        ci_index: index("ci_index")?,
        key: WrappedKey(row.value("wrapped_key")?),
        birthday_tag: row.index("birthday_tag")?,
        name_tag: row.index("name_tag")?,
        behaviour: row.number("behaviour")?,
        member: row.value("member")?,
        refusals: said("refused", true)?.chain(said("accepted", false)?).collect(),
    })
}
