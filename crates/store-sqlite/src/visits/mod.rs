//! Visits of people to their box: code that links, sessions and secrets share.

mod links;
mod secrets;
mod sessions;

use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::{PersonId, UnixSeconds};
use seoham_store::attempts::{FORGOTTEN, Proof, Secret, Tries};
use seoham_store::visits::Attempt;
use seoham_vault::PinHash;

use crate::columns::{Id, moment};

/// Maximum number of expired links and sessions deleted when a new one is added.
const CLEARED_AT_ONCE: usize = 20;

/// Deletes some expired links and sessions.
pub(crate) fn clear_ended(connection: &Connection, now: UnixSeconds) -> rusqlite::Result<()> {
    clear(connection, "login_links", "token_hash", now)?;
    clear(connection, "new_pin_links", "token_hash", now)?;
    clear(connection, "sessions", "session_hash", now)
}

/// Deletes some expired rows of one table.
fn clear(
    connection: &Connection,
    table: &'static str,
    key: &'static str,
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    let sql = format!(
        "DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE expires_at <= ?1 LIMIT ?2)"
    );
    connection.prepare_cached(&sql)?.execute(params![now.0, CLEARED_AT_ONCE])?;
    Ok(())
}

fn end_sessions(connection: &Connection, person: PersonId) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM sessions WHERE person_id = ?1")?.execute([Id(person)])?;
    Ok(())
}

/// Ends all sessions of a person, and deletes every link that could start one.
pub(crate) fn end_visits(connection: &Connection, person: PersonId) -> rusqlite::Result<()> {
    end_sessions(connection, person)?;
    for sql in [
        "DELETE FROM login_links WHERE person_id = ?1 AND used_at IS NULL",
        "DELETE FROM new_pin_links WHERE person_id = ?1",
    ] {
        connection.prepare_cached(sql)?.execute([Id(person)])?;
    }
    Ok(())
}

/// The columns that hold a proof's failed attempts and its lock.
fn columns(proof: Proof) -> (&'static str, &'static str) {
    match proof {
        Proof::Pin => ("failures", "locked_until"),
        Proof::Certificate => ("certificate_failures", "certificate_locked_until"),
        Proof::Birthday => ("birthday_failures", "birthday_locked_until"),
    }
}

fn tries(connection: &Connection, person: PersonId, proof: Proof) -> rusqlite::Result<Tries> {
    let (failures, locked_until) = columns(proof);
    let sql = format!("SELECT {failures}, {locked_until} FROM authentications WHERE person_id = ?1");
    let found = connection
        .prepare_cached(&sql)?
        .query_row([Id(person)], |row| Ok(Tries { failures: row.get(0)?, locked_until: moment(row, 1)? }))
        .optional()?;
    Ok(found.unwrap_or_default())
}

fn keep_tries(connection: &Connection, person: PersonId, proof: Proof, tries: Tries) -> rusqlite::Result<()> {
    let (failures, locked_until) = columns(proof);
    let sql = format!(
        "INSERT INTO authentications (person_id, {failures}, {locked_until}) VALUES (?1, ?2, ?3)
         ON CONFLICT (person_id) DO UPDATE
         SET {failures} = excluded.{failures}, {locked_until} = excluded.{locked_until}"
    );
    let until = tries.locked_until.map(|until| until.0);
    connection.prepare_cached(&sql)?.execute(params![Id(person), tries.failures, until])?;
    Ok(())
}

/// The hash of a secret; `None` if it is not set, or if the PIN was reset.
fn secret_hash(
    connection: &Connection,
    person: PersonId,
    secret: Secret,
) -> rusqlite::Result<Option<String>> {
    let sql = match secret {
        Secret::Pin => "SELECT pin_hash FROM people WHERE person_id = ?1",
        Secret::Certificate => "SELECT certificate_hash FROM authentications WHERE person_id = ?1",
    };
    let found: Option<Option<String>> =
        connection.prepare_cached(sql)?.query_row([Id(person)], |row| row.get(0)).optional()?;
    Ok(found.flatten().filter(|hash| hash != FORGOTTEN))
}

fn begin_attempt(
    connection: &Connection,
    person: PersonId,
    secret: Secret,
    now: UnixSeconds,
) -> rusqlite::Result<Attempt> {
    let Some(hash) = secret_hash(connection, person, secret)? else { return Ok(Attempt::NotSet) };
    match tries(connection, person, secret.into())?.begin(now) {
        Err(until) => Ok(Attempt::Locked { until }),
        Ok(tries) => {
            keep_tries(connection, person, secret.into(), tries)?;
            Ok(Attempt::Allowed { hash: PinHash(hash), left: tries.left() })
        }
    }
}
