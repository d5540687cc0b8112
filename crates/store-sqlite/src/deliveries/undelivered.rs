//! Notifications that the messenger did not take, for the operator.

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, Row, params};
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::undelivered::{Failure, Kind, NoticeState, Page, Undelivered};

use super::book::Held;
use crate::columns::{Id, Number, moment};
use crate::documents::rows;

/// The columns of a kind of undelivered notifications.
fn select(kind: Kind) -> &'static str {
    match kind {
        Kind::Waiting => {
            "SELECT document_id, institution_id, attempts, first_attempt_at, failure, not_before, said FROM delivery_retries"
        }
        Kind::GivenUp => {
            "SELECT document_id, institution_id, attempts, first_attempt_at, failure, given_up_at, said FROM given_up_notices"
        }
    }
}

fn undelivered(row: &Row<'_>, kind: Kind) -> rusqlite::Result<Undelivered> {
    let failure: Option<Number<Failure>> = row.get(4)?;
    Ok(Undelivered {
        document: row.get::<_, Id<BinderId>>(0)?.0,
        institution: row.get::<_, Id<InstitutionId>>(1)?.0,
        attempts: row.get(2)?,
        first_attempt_at: moment(row, 3)?,
        failure: failure.map(|failure| failure.0),
        said: row.get(6)?,
        state: match kind {
            Kind::Waiting => NoticeState::Waiting { next_attempt_at: UnixSeconds(row.get(5)?) },
            Kind::GivenUp => NoticeState::GivenUp { given_up_at: moment(row, 5)? },
        },
    })
}

pub(super) fn list(connection: &Connection, kind: Kind, page: Page) -> rusqlite::Result<Vec<Undelivered>> {
    let (institution, before) = (page.institution.map(Id), page.before.map(Id));
    let mut values: Vec<&dyn ToSql> = vec![&page.limit];
    let mut conditions = vec!["TRUE".to_owned()];
    if let Some(institution) = &institution {
        values.push(institution);
        conditions.push(format!("institution_id = ?{}", values.len()));
    }
    if let Some(before) = &before {
        values.push(before);
        conditions.push(format!("document_id < ?{}", values.len()));
    }
    let sql =
        format!("{} WHERE {} ORDER BY document_id DESC LIMIT ?1", select(kind), conditions.join(" AND "));
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(&*values, |row| undelivered(row, kind))?.collect()
}

pub(super) fn one(connection: &Connection, document: BinderId) -> rusqlite::Result<Option<Undelivered>> {
    for kind in [Kind::Waiting, Kind::GivenUp] {
        let found = connection
            .prepare_cached(&format!("{} WHERE document_id = ?1", select(kind)))?
            .query_row([Id(document)], |row| undelivered(row, kind))
            .optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Whether the notification of a document was given up.
pub(crate) fn is_given_up(connection: &Connection, document: BinderId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM given_up_notices WHERE document_id = ?1)")?
        .query_row([Id(document)], |row| row.get(0))
}

/// Records the attempts and the failure of a notification that is given up.
pub(super) fn note_given_up(
    connection: &Connection,
    held: Held,
    retried: Option<(u32, UnixSeconds)>,
    failure: Option<Failure>,
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    let (before, first_attempt_at) = retried.unwrap_or((0, now));
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO given_up_notices
               (document_id, institution_id, attempts, first_attempt_at, given_up_at, failure)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            Id(held.document),
            Id(held.institution),
            before + 1,
            first_attempt_at.0,
            now.0,
            failure.map(Number)
        ])?;
    Ok(())
}

pub(super) fn send_again(
    connection: &Connection,
    documents: &[BinderId],
    now: UnixSeconds,
) -> rusqlite::Result<usize> {
    let mut hurry = connection.prepare_cached(
        "UPDATE delivery_retries SET not_before = ?2 WHERE document_id = ?1 AND not_before > ?2",
    )?;
    let mut reopen = connection.prepare_cached("DELETE FROM given_up_notices WHERE document_id = ?1")?;
    let mut queue = connection.prepare_cached(
        "INSERT INTO delivery_retries (document_id, institution_id, not_before, attempts, first_attempt_at)
         VALUES (?1, ?2, ?3, 0, ?3) ON CONFLICT DO NOTHING",
    )?;
    // What was given up begins with the notification again.
    let mut notify = connection.prepare_cached("DELETE FROM fallback_notices WHERE document_id = ?1")?;
    let mut again = 0;
    for document in rows::documents(connection, None, documents)?.into_values().flatten() {
        if document.is_over(now) {
            continue;
        }
        again += if reopen.execute([Id(document.id)])? > 0 {
            notify.execute([Id(document.id)])?;
            queue.execute(params![Id(document.id), Id(document.institution), now.0])?
        } else {
            hurry.execute(params![Id(document.id), now.0])?
        };
    }
    Ok(again)
}
