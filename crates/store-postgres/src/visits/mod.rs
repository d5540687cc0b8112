//! Visits of people to their box: code that links, sessions and secrets share.

mod links;
mod secrets;
mod sessions;

use seoham_model::{PersonId, UnixSeconds};
use seoham_store::attempts::{FORGOTTEN, LinkRequests, Proof, Secret, Tries};
use seoham_store::{Result, StoreError};

use crate::columns::{Columns, Id};
use crate::session::{Param, Session};

/// How often to retry a write that lost a race: more than could race at the same time.
const TRIES_MAX: u32 = 64;

/// The hash of a secret; `None` if it is not set, or if the PIN was reset.
async fn secret_hash(connection: &Session, person: PersonId, secret: Secret) -> Result<Option<String>> {
    let sql = match secret {
        Secret::Pin => "SELECT pin_hash AS hash FROM people WHERE person_id = $1",
        Secret::Certificate => "SELECT certificate_hash AS hash FROM authentications WHERE person_id = $1",
    };
    let found = connection.query_opt(sql, &[&person.uuid()]).await?;
    let hash: Option<String> = found.map(|row| row.value("hash")).transpose()?.flatten();
    Ok(hash.filter(|hash| hash != FORGOTTEN))
}

/// The statements for the columns that hold a proof's failed attempts and its lock.
struct Counted {
    read: &'static str,
    change: &'static str,
    insert: &'static str,
    reset: &'static str,
}

macro_rules! counted {
    ($failures:literal, $locked_until:literal) => {
        Counted {
            read: concat!(
                "SELECT ",
                $failures,
                " AS failures, ",
                $locked_until,
                " AS locked_until
                 FROM authentications WHERE person_id = $1"
            ),
            change: concat!(
                "UPDATE authentications SET ",
                $failures,
                " = $4, ",
                $locked_until,
                " = $5
                 WHERE person_id = $1 AND ",
                $failures,
                " = $2 AND ",
                $locked_until,
                " IS NOT DISTINCT FROM $3
                 RETURNING person_id"
            ),
            insert: concat!(
                "INSERT INTO authentications (person_id, ",
                $failures,
                ", ",
                $locked_until,
                ")
                 SELECT $1, $4, $5 WHERE $2::bigint = 0 AND $3::bigint IS NULL ON CONFLICT DO NOTHING
                 RETURNING person_id"
            ),
            reset: concat!(
                "UPDATE authentications SET ",
                $failures,
                " = 0, ",
                $locked_until,
                " = NULL WHERE person_id = $1"
            ),
        }
    };
}

fn counted(proof: Proof) -> Counted {
    match proof {
        Proof::Pin => counted!("failures", "locked_until"),
        Proof::Certificate => counted!("certificate_failures", "certificate_locked_until"),
        Proof::Birthday => counted!("birthday_failures", "birthday_locked_until"),
    }
}

/// Begins an attempt. Returns the stored state, or until when it is locked.
async fn begin(
    connection: &Session,
    person: PersonId,
    proof: Proof,
    now: UnixSeconds,
) -> Result<std::result::Result<Tries, UnixSeconds>> {
    let sql = counted(proof).read;
    for _ in 0..TRIES_MAX {
        let found = connection.query_opt(sql, &[&person.uuid()]).await?;
        let before = match &found {
            Some(row) => {
                Tries { failures: row.value("failures")?, locked_until: row.moment("locked_until")? }
            }
            None => Tries::default(),
        };
        let after = match before.begin(now) {
            Ok(after) => after,
            Err(until) => return Ok(Err(until)),
        };
        if keep_tries(connection, person, proof, (found.is_some(), before), after).await? {
            return Ok(Ok(after));
        }
    }
    Err(StoreError::Overloaded)
}

async fn succeed(connection: &Session, person: PersonId, proof: Proof) -> Result<()> {
    connection.write("an attempt", counted(proof).reset, &[&person.uuid()]).await.map(drop)
}

/// Stores `after` if the stored state is still the one that it follows from, so that concurrent attempts are counted
/// one after the other. Returns `false` if another attempt was faster.
async fn keep_tries(
    connection: &Session,
    person: PersonId,
    proof: Proof,
    (is_there, before): (bool, Tries),
    after: Tries,
) -> Result<bool> {
    let sql = if is_there { counted(proof).change } else { counted(proof).insert };
    let until = |tries: Tries| tries.locked_until.map(|until| until.0);
    let (was, is) = (until(before), until(after));
    let params: [Param<'_>; 5] = [&person.uuid(), &before.failures, &was, &after.failures, &is];
    Ok(!connection.write("an attempt", sql, &params).await?.is_empty())
}

/// Deletes some expired links and requests for links.
pub(crate) async fn clear(connection: &Session, now: UnixSeconds) -> Result<()> {
    let links = "DELETE FROM login_links WHERE token_hash = ANY (ARRAY
        (SELECT token_hash FROM login_links WHERE expires_at <= $1 LIMIT 20 FOR UPDATE SKIP LOCKED))";
    connection.write("ended links", links, &[&now.0]).await?;
    let pins = "DELETE FROM new_pin_links WHERE token_hash = ANY (ARRAY
        (SELECT token_hash FROM new_pin_links WHERE expires_at <= $1 LIMIT 20 FOR UPDATE SKIP LOCKED))";
    connection.write("ended links", pins, &[&now.0]).await?;
    let requests = "DELETE FROM link_requests WHERE phone_index = ANY (ARRAY
        (SELECT phone_index FROM link_requests WHERE last_at <= $1 LIMIT 20 FOR UPDATE SKIP LOCKED))";
    let day = LinkRequests::forgotten_at(UnixSeconds(0)).0;
    connection.write("requests for links", requests, &[&now.plus(-day).0]).await.map(drop)
}
