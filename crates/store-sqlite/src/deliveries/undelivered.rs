//! Notifications that the messenger did not take, for the operator.

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, Row, params};
use seoham_model::{BinderId, InstitutionId, StoredNumber, UnixSeconds};
use seoham_store::documents::Notification;
use seoham_store::undelivered::{Failure, Kind, NoticeState, Page, Undelivered};

use crate::columns::{Id, Number, moment};

const WAITING: &str =
    "SELECT d.document_id, r.institution_id, r.attempts, r.first_attempt_at, r.failure, r.not_before
    FROM delivery_retries r JOIN documents d USING (document_no)";
const GIVEN_UP: &str =
    "SELECT d.document_id, d.institution_id, n.attempts, n.first_attempt_at, n.failure, n.given_up_at
    FROM documents d LEFT JOIN given_up_notices n USING (document_no)";

fn undelivered(row: &Row<'_>, kind: Kind) -> rusqlite::Result<Undelivered> {
    let failure: Option<Number<Failure>> = row.get(4)?;
    Ok(Undelivered {
        document: row.get::<_, Id<BinderId>>(0)?.0,
        institution: row.get::<_, Id<InstitutionId>>(1)?.0,
        attempts: row.get(2)?,
        first_attempt_at: moment(row, 3)?,
        failure: failure.map(|failure| failure.0),
        state: match kind {
            Kind::Waiting => NoticeState::Waiting { next_attempt_at: UnixSeconds(row.get(5)?) },
            Kind::GivenUp => NoticeState::GivenUp { given_up_at: moment(row, 5)? },
        },
    })
}

pub(super) fn list(connection: &Connection, kind: Kind, page: Page) -> rusqlite::Result<Vec<Undelivered>> {
    let (institution, before) = (page.institution.map(Id), page.before.map(Id));
    let mut values: Vec<&dyn ToSql> = vec![&page.limit];
    let (mut conditions, order) = match kind {
        Kind::Waiting => (vec!["TRUE".to_owned()], "r.document_no"),
        Kind::GivenUp => (vec!["d.notification = 2".to_owned()], "d.document_id"),
    };
    if let Some(institution) = &institution {
        values.push(institution);
        let of = if kind == Kind::Waiting { "r" } else { "d" };
        conditions.push(format!("{of}.institution_id = ?{}", values.len()));
    }
    if let Some(before) = &before {
        values.push(before);
        conditions.push(match kind {
            // Document numbers follow the order of acceptance, which is nearly the order of the ids.
            Kind::Waiting => format!(
                "r.document_no < (SELECT document_no FROM documents WHERE document_id = ?{})",
                values.len()
            ),
            Kind::GivenUp => format!("d.document_id < ?{}", values.len()),
        });
    }
    let select = if kind == Kind::Waiting { WAITING } else { GIVEN_UP };
    let sql = format!("{select} WHERE {} ORDER BY {order} DESC LIMIT ?1", conditions.join(" AND "));
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_map(&*values, |row| undelivered(row, kind))?.collect()
}

pub(super) fn one(connection: &Connection, document: BinderId) -> rusqlite::Result<Option<Undelivered>> {
    let waiting = connection
        .prepare_cached(&format!("{WAITING} WHERE d.document_id = ?1"))?
        .query_row([Id(document)], |row| undelivered(row, Kind::Waiting))
        .optional()?;
    if waiting.is_some() {
        return Ok(waiting);
    }
    connection
        .prepare_cached(&format!("{GIVEN_UP} WHERE d.document_id = ?1 AND d.notification = 2"))?
        .query_row([Id(document)], |row| undelivered(row, Kind::GivenUp))
        .optional()
}

/// Records the attempts and the failure of a notification that is given up.
pub(super) fn note_given_up(
    connection: &Connection,
    document_no: i64,
    retried: Option<(u32, UnixSeconds)>,
    failure: Option<Failure>,
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    let (before, first_attempt_at) = retried.unwrap_or((0, now));
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO given_up_notices (document_no, attempts, first_attempt_at, given_up_at, failure)
             SELECT document_no, ?2, ?3, ?4, ?5 FROM documents WHERE document_no = ?1 AND notification = 2",
        )?
        .execute(params![
            document_no,
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
    let mut find = connection.prepare_cached(
        "SELECT document_no, institution_id, notification FROM documents WHERE document_id = ?1 AND deadline_at > ?2",
    )?;
    let mut hurry = connection.prepare_cached(
        "UPDATE delivery_retries SET not_before = ?2 WHERE document_no = ?1 AND not_before > ?2",
    )?;
    let mut reopen =
        connection.prepare_cached("UPDATE documents SET notification = ?2 WHERE document_no = ?1")?;
    let mut forget = connection.prepare_cached("DELETE FROM given_up_notices WHERE document_no = ?1")?;
    let mut queue = connection.prepare_cached(
        "INSERT INTO delivery_retries (document_no, institution_id, not_before, attempts, first_attempt_at)
         VALUES (?1, ?2, ?3, 0, ?3) ON CONFLICT DO NOTHING",
    )?;
    let mut again = 0;
    for document in documents {
        let found = find
            .query_row(params![Id(*document), now.0], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Id<InstitutionId>>(1)?, row.get::<_, i64>(2)?))
            })
            .optional()?;
        let Some((document_no, institution, notification)) = found else { continue };
        if notification == Notification::GivenUp.as_number() {
            reopen.execute(params![document_no, Number(Notification::Pending)])?;
            forget.execute([document_no])?;
            again += queue.execute(params![document_no, institution, now.0])?;
        } else {
            again += hurry.execute(params![document_no, now.0])?;
        }
    }
    Ok(again)
}
