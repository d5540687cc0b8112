//! Adding and updating people, one node at a time.

use seoham_model::{Clock, PersonId, UnixSeconds};
use seoham_store::Result;
use seoham_store::matching::{Existing, Indexes, Meant, PersonRow, meant};
use seoham_store::people::{Registered, Registration};
use seoham_vault::{BlindIndex, Vault, WrappedKey};
use tokio_postgres::Row;

use super::join::BECOME_MEMBER;
use crate::columns::{Columns, Id};
use crate::failure::Doing;
use crate::session::Session;

/// Registers `people` in one transaction; gives the verdicts and who became a member.
pub(super) async fn register(
    session: &Session,
    vault: &Vault,
    clock: &Clock,
    people: &[Registration],
    now: UnixSeconds,
) -> Result<(Vec<Registered>, Vec<PersonId>)> {
    // Two that register the same person at once would both find nobody.
    let begin = "BEGIN; SELECT pg_advisory_xact_lock(7306080, 2)";
    let begun = session.within(Doing::Reading, session.client().batch_execute(begin)).await;
    begun.inspect_err(|_| session.spoil())?;
    let mut registered = Vec::with_capacity(people.len());
    let mut joined = Vec::new();
    let written = async {
        for registration in people {
            registered.push(one(session, vault, clock, registration, now, &mut joined).await?);
        }
        Ok(())
    };
    let end = match written.await {
        Ok(()) => session.within(Doing::Writing("people"), session.client().batch_execute("COMMIT")).await,
        Err(error) => {
            session.spoil();
            Err(error)
        }
    };
    end.map(|()| (registered, joined))
}

const UPSERT: &str =
    "INSERT INTO people (person_id, phone_index, ci_index, birthday_tag, name_tag, sealed, pin_hash,
      wrapped_key, behaviour)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (person_id) DO UPDATE SET
      phone_index = excluded.phone_index, ci_index = coalesce(excluded.ci_index, people.ci_index),
      birthday_tag = excluded.birthday_tag, name_tag = excluded.name_tag, sealed = excluded.sealed,
      pin_hash = coalesce(excluded.pin_hash, people.pin_hash)";

async fn one(
    session: &Session,
    vault: &Vault,
    clock: &Clock,
    registration: &Registration,
    now: UnixSeconds,
    joined: &mut Vec<PersonId>,
) -> Result<Registered> {
    let indexes = Indexes::of(vault, registration);
    let by_phone = find(session, BY_PHONE, indexes.phone).await?;
    let by_ci = match indexes.ci {
        Some(index) => find(session, BY_CI, index).await?,
        None => None,
    };
    let (row, registered) = match meant(vault, registration, by_phone, by_ci) {
        Meant::NumberTaken => return Ok(Registered::NumberTaken),
        Meant::New => (PersonRow::of_new(vault, clock, registration)?, Registered::Added),
        Meant::Known(known) => (PersonRow::of_known(vault, &known, registration)?, Registered::Updated),
    };
    let behaviour = i16::try_from(registration.person.behaviour.as_number()).unwrap_or(0);
    let upsert = session.prepare(UPSERT).await?;
    session
        .within(
            Doing::Reading,
            session.client().execute(
                &upsert,
                &[
                    &row.person.uuid(),
                    &indexes.phone.as_slice(),
                    &indexes.ci.as_ref().map(<[u8; 16]>::as_slice),
                    &row.birthday_tag.as_slice(),
                    &row.name_tag.as_slice(),
                    &row.sealed,
                    &registration.pin.as_ref().map(|pin| pin.0.as_str()),
                    &row.key.0,
                    &behaviour,
                ],
            ),
        )
        .await?;
    if registration.person.member
        && !session.query(BECOME_MEMBER, &[&row.person.uuid(), &now.0]).await?.is_empty()
    {
        joined.push(row.person);
    }
    Ok(registered)
}

const BY_PHONE: &str =
    "SELECT person_id, ci_index, birthday_tag, wrapped_key, sealed FROM people WHERE phone_index = $1";
const BY_CI: &str =
    "SELECT person_id, ci_index, birthday_tag, wrapped_key, sealed FROM people WHERE ci_index = $1";

async fn find(session: &Session, sql: &'static str, index: BlindIndex) -> Result<Option<Existing>> {
    let found = session.query_opt(sql, &[&index.as_slice()]).await?;
    found.as_ref().map(existing).transpose()
}

fn existing(row: &Row) -> Result<Existing> {
    let ci_index: Option<&[u8]> = row.value("ci_index")?;
    Ok(Existing {
        person: row.id("person_id")?,
        ci_index: ci_index.and_then(|index| index.try_into().ok()),
        birthday_tag: row.index("birthday_tag")?,
        key: WrappedKey(row.value("wrapped_key")?),
        sealed: row.value("sealed")?,
    })
}
