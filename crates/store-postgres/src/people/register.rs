//! Adding and updating people, one node at a time.
//!
//! Looks up and writes people together in runs. A run ends at a person whose number, ci or identity an earlier person
//! of the same request touches, because that one can be decided only after the earlier ones are written.

use std::collections::{HashMap, HashSet};

use seoham_model::person::Behaviour;
use seoham_model::{Clock, PersonId, SeoulDay, UnixSeconds};
use seoham_store::people::{Registered, Registration};
use seoham_store::registering::{Decision, Existing, Indexes, PersonRow, ReleasedNumber, decide};
use seoham_store::{Result, StoreError};
use seoham_vault::{BlindIndex, Vault, WrappedKey};
use tokio_postgres::Row;
use uuid::Uuid;

use super::join::BECOME_MEMBERS;
use crate::columns::{Columns, Id, Number, uuids};
use crate::failure::Doing;
use crate::locks;
use crate::session::{Param, Session};

/// Registers `people` in one transaction, in order. Returns the verdicts, and those existing people who became
/// members: nothing can be waiting for new people.
pub(super) async fn register(
    session: &Session,
    vault: &Vault,
    clock: &Clock,
    people: &[Registration],
    now: UnixSeconds,
) -> Result<(Vec<Registered>, Vec<PersonId>)> {
    let begin = format!("BEGIN; {}", locks::REGISTRATION);
    let begun = session.within(Doing::Reading, session.client().batch_execute(&begin)).await;
    begun.inspect_err(|_| session.spoil())?;
    // Not before the numbers change: links of documents accepted until then are void.
    let now = clock.now().max(now);
    let mut registering =
        Registering { session, vault, clock, now, verdicts: Vec::new(), joined: Vec::new() };
    let end = match registering.all(people).await {
        Ok(()) => session.within(Doing::Writing("people"), session.client().batch_execute("COMMIT")).await,
        Err(error) => {
            session.spoil();
            Err(error)
        }
    };
    end.map(|()| (registering.verdicts, registering.joined))
}

struct Registering<'a> {
    session: &'a Session,
    vault: &'a Vault,
    clock: &'a Clock,
    now: UnixSeconds,
    verdicts: Vec<Registered>,
    joined: Vec<PersonId>,
}

impl Registering<'_> {
    async fn all(&mut self, mut people: &[Registration]) -> Result<()> {
        while !people.is_empty() {
            let done = self.run(people).await?;
            people = &people[done..];
        }
        Ok(())
    }

    /// Registers as many people from the front as do not touch each other. Returns how many.
    async fn run(&mut self, people: &[Registration]) -> Result<usize> {
        let indexes: Vec<Indexes> = people.iter().map(|person| Indexes::of(self.vault, person)).collect();
        let mut seen = HashSet::new();
        let apart = indexes.iter().take_while(|own| {
            let phone_is_new = seen.insert(own.phone);
            phone_is_new && own.ci.is_none_or(|ci| seen.insert(ci))
        });
        let indexes = &indexes[..apart.count()];
        let by_phone = self.find(BY_PHONE, indexes.iter().map(|own| own.phone)).await?;
        let by_ci = self.find(BY_CI, indexes.iter().filter_map(|own| own.ci)).await?;

        let (mut written, mut touched, mut joining) = (Rows::default(), HashSet::new(), Vec::new());
        let (mut released, mut ended) = (Vec::new(), Vec::new());
        let before = self.verdicts.len();
        for (registration, own) in people.iter().zip(indexes) {
            let phone_of = by_phone.get(&own.phone);
            let ci_of = own.ci.and_then(|ci| by_ci.get(&ci));
            if phone_of.iter().chain(&ci_of).any(|known| touched.contains(&known.person)) {
                break;
            }
            let decision = decide(self.vault, self.clock, registration, phone_of, ci_of, self.now)?;
            let (former, row, verdict) = match decision {
                Decision::NumberTaken(since) => {
                    self.verdicts.push(Registered::NumberTaken { since });
                    continue;
                }
                Decision::NumberOutdated(since) => {
                    self.verdicts.push(Registered::NumberOutdated { since });
                    continue;
                }
                Decision::Write { released, row, registered } => (released, row, registered),
            };
            let member = registration.person.member;
            if member && verdict != Registered::Added {
                joining.push(row.person);
            }
            touched.insert(row.person);
            touched.extend(former.as_ref().map(|former| former.person));
            let visited = former.as_ref().map(|former| former.person);
            ended.extend(visited.into_iter().chain(row.ends_visits.then_some(row.person)));
            released.extend(former);
            written.push(own, row, registration, member.then_some(self.now.0));
            self.verdicts.push(verdict);
        }
        self.release(&released).await?;
        self.write(&written).await?;
        // Last: the rows of people are locked now, so that a link that is being added to one is seen, or refused.
        self.end_visits(&ended).await?;
        if !joining.is_empty() {
            let became = self.session.query(BECOME_MEMBERS, &[&uuids(&joining), &self.now.0]).await?;
            for row in &became {
                self.joined.push(row.id("person_id")?);
            }
        }
        Ok(self.verdicts.len() - before)
    }

    async fn find(
        &self,
        sql: &'static str,
        indexes: impl Iterator<Item = BlindIndex>,
    ) -> Result<HashMap<BlindIndex, Existing>> {
        let indexes: Vec<BlindIndex> = indexes.collect();
        if indexes.is_empty() {
            return Ok(HashMap::new());
        }
        let asked: Vec<&[u8]> = indexes.iter().map(<[u8; 16]>::as_slice).collect();
        let existing = |row: &Row| Ok((row.index("found_by")?, existing(row)?));
        self.session.query(sql, &[&asked]).await?.iter().map(existing).collect()
    }

    /// Takes their numbers from their former owners.
    async fn release(&self, released: &[ReleasedNumber]) -> Result<()> {
        if released.is_empty() {
            return Ok(());
        }
        let people: Vec<Uuid> = released.iter().map(|former| former.person.uuid()).collect();
        let sealed: Vec<&[u8]> = released.iter().map(|former| former.sealed.as_slice()).collect();
        self.session.query(RELEASE, &[&people, &sealed, &self.now.0]).await.map(drop)
    }

    async fn end_visits(&self, people: &[PersonId]) -> Result<()> {
        if people.is_empty() {
            return Ok(());
        }
        self.session.query(END_VISITS, &[&uuids(people)]).await.map(drop)
    }

    async fn write(&self, rows: &Rows<'_>) -> Result<()> {
        if rows.person.is_empty() {
            return Ok(());
        }
        let params: [Param<'_>; 12] = [
            &rows.person,
            &rows.phone,
            &rows.phone_assigned_on,
            &rows.phone_changed_at,
            &rows.ci,
            &rows.birthday_tag,
            &rows.name_tag,
            &rows.sealed,
            &rows.pin,
            &rows.key,
            &rows.behaviour,
            &rows.member_since,
        ];
        self.session.query(UPSERT, &params).await.map(drop)
    }
}

// An import grants membership and never removes it. Existing people become members by BECOME_MEMBERS.
const UPSERT: &str =
    "INSERT INTO people (person_id, phone_index, phone_assigned_on, phone_changed_at, ci_index, birthday_tag,
      name_tag, sealed, pin_hash, wrapped_key, behaviour, member_since)
    SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::integer[], $4::bigint[], $5::bytea[], $6::bytea[], $7::bytea[],
      $8::bytea[], $9::text[], $10::bytea[], $11::smallint[], $12::bigint[])
    ON CONFLICT (person_id) DO UPDATE SET
      phone_index = excluded.phone_index, phone_assigned_on = excluded.phone_assigned_on,
      phone_changed_at = excluded.phone_changed_at, ci_index = coalesce(excluded.ci_index, people.ci_index),
      birthday_tag = excluded.birthday_tag, name_tag = excluded.name_tag, sealed = excluded.sealed,
      pin_hash = coalesce(excluded.pin_hash, people.pin_hash)";

const RELEASE: &str = "UPDATE people p SET phone_index = NULL, phone_changed_at = $3, sealed = former.sealed
    FROM unnest($1::uuid[], $2::bytea[]) AS former (person_id, sealed)
    WHERE p.person_id = ANY (ARRAY[former.person_id])";

const END_VISITS: &str = "WITH ended AS (DELETE FROM sessions WHERE person_id = ANY($1)),
      unasked AS (DELETE FROM login_links WHERE used_at IS NULL AND person_id = ANY($1))
    DELETE FROM new_pin_links WHERE person_id = ANY($1)";

/// Rows of people to write, by column.
#[derive(Default)]
struct Rows<'a> {
    person: Vec<Uuid>,
    phone: Vec<Vec<u8>>,
    phone_assigned_on: Vec<Number<SeoulDay>>,
    phone_changed_at: Vec<Option<i64>>,
    ci: Vec<Option<Vec<u8>>>,
    birthday_tag: Vec<Vec<u8>>,
    name_tag: Vec<Vec<u8>>,
    sealed: Vec<Vec<u8>>,
    pin: Vec<Option<&'a str>>,
    key: Vec<Vec<u8>>,
    behaviour: Vec<Number<Behaviour>>,
    member_since: Vec<Option<i64>>,
}

impl<'a> Rows<'a> {
    fn push(
        &mut self,
        indexes: &Indexes,
        row: PersonRow,
        registration: &'a Registration,
        member_since: Option<i64>,
    ) {
        self.person.push(row.person.uuid());
        self.phone.push(indexes.phone.to_vec());
        self.phone_assigned_on.push(Number(row.phone_assigned_on));
        self.phone_changed_at.push(row.phone_changed_at.map(|at| at.0));
        self.ci.push(indexes.ci.map(|index| index.to_vec()));
        self.birthday_tag.push(row.birthday_tag.to_vec());
        self.name_tag.push(row.name_tag.to_vec());
        self.sealed.push(row.sealed);
        self.pin.push(registration.pin.as_ref().map(|pin| pin.0.as_str()));
        self.key.push(row.key.0);
        self.behaviour.push(Number(registration.person.behaviour));
        self.member_since.push(member_since);
    }
}

const BY_PHONE: &str =
    "SELECT p.person_id, p.phone_index, p.phone_assigned_on, p.phone_changed_at, p.ci_index,
      p.birthday_tag, p.name_tag, p.wrapped_key, p.sealed, p.phone_index AS found_by
    FROM unnest($1::bytea[]) AS asked (found_by) JOIN people p ON p.phone_index = ANY (ARRAY[asked.found_by])";
const BY_CI: &str = "SELECT p.person_id, p.phone_index, p.phone_assigned_on, p.phone_changed_at, p.ci_index,
      p.birthday_tag, p.name_tag, p.wrapped_key, p.sealed, p.ci_index AS found_by
    FROM unnest($1::bytea[]) AS asked (found_by) JOIN people p ON p.ci_index = ANY (ARRAY[asked.found_by])";

fn existing(row: &Row) -> Result<Existing> {
    let index = |column| {
        let index: Option<&[u8]> = row.value(column)?;
        index.map(|index| index.try_into().map_err(|_| StoreError::damaged(column))).transpose()
    };
    Ok(Existing {
        person: row.id("person_id")?,
        phone_index: index("phone_index")?,
        phone_assigned_on: row.number("phone_assigned_on")?,
        phone_changed_at: row.moment("phone_changed_at")?,
        ci_index: index("ci_index")?,
        birthday_tag: row.index("birthday_tag")?,
        name_tag: row.index("name_tag")?,
        key: WrappedKey(row.value("wrapped_key")?),
        sealed: row.value("sealed")?,
    })
}
