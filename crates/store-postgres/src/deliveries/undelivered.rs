//! Notifications that the messenger did not accept, for the operator.

use seoham_model::{BinderId, UnixSeconds};
use seoham_store::undelivered::{Failure, Kind, NoticeState, Page, Undelivered};
use seoham_store::{Result, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::columns::{Columns, Id, Number};
use crate::documents::rows;
use crate::session::Session;

/// The statements for one kind of undelivered notifications. Each has its own index: a condition that may not apply would
/// keep a plan from using one.
struct Statements {
    all: &'static str,
    of_institution: &'static str,
    one: &'static str,
}

macro_rules! statements {
    ($table:literal, $at:literal) => {
        Statements {
            all: statements!(@select $table, $at, "document_id < $1 ORDER BY document_id DESC LIMIT $2"),
            of_institution: statements!(@select $table, $at,
                "institution_id = $3 AND document_id < $1 ORDER BY document_id DESC LIMIT $2"),
            one: statements!(@select $table, $at, "document_id = $1"),
        }
    };
    (@select $table:literal, $at:literal, $condition:literal) => {
        concat!(
            "SELECT document_id, institution_id, attempts, first_attempt_at, failure, said, ", $at, " AS at FROM ", $table,
            " WHERE ", $condition
        )
    };
}

fn statements(kind: Kind) -> Statements {
    match kind {
        Kind::Waiting => statements!("delivery_retries", "not_before"),
        Kind::GivenUp => statements!("given_up_notices", "given_up_at"),
    }
}

fn undelivered(row: &Row, kind: Kind) -> Result<Undelivered> {
    let failure: Option<Number<Failure>> = row.value("failure")?;
    let at = row.moment("at")?;
    Ok(Undelivered {
        document: row.id("document_id")?,
        institution: row.id("institution_id")?,
        attempts: row.value::<Option<i32>>("attempts")?.map(i32::unsigned_abs),
        first_attempt_at: row.moment("first_attempt_at")?,
        failure: failure.map(|failure| failure.0),
        said: row.value("said")?,
        state: match kind {
            Kind::Waiting => {
                NoticeState::Waiting { next_attempt_at: at.ok_or(StoreError::damaged("not_before"))? }
            }
            Kind::GivenUp => NoticeState::GivenUp { given_up_at: at },
        },
    })
}

pub(super) async fn list(session: &Session, kind: Kind, page: Page) -> Result<Vec<Undelivered>> {
    let before = page.before.map_or(Uuid::max(), |id| id.uuid());
    let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
    let statements = statements(kind);
    let rows = match page.institution {
        None => session.query(statements.all, &[&before, &limit]).await?,
        Some(institution) => {
            session.query(statements.of_institution, &[&before, &limit, &institution.uuid()]).await?
        }
    };
    rows.iter().map(|row| undelivered(row, kind)).collect()
}

pub(super) async fn one(session: &Session, document: BinderId) -> Result<Option<Undelivered>> {
    for kind in [Kind::Waiting, Kind::GivenUp] {
        if let Some(row) = session.query_opt(statements(kind).one, &[&document.uuid()]).await? {
            return undelivered(&row, kind).map(Some);
        }
    }
    Ok(None)
}

const SEND_AGAIN: &str = include_str!("send_again.sql");

pub(super) async fn send_again(session: &Session, documents: &[BinderId], now: UnixSeconds) -> Result<usize> {
    let found = rows::documents(session, None, documents).await?;
    let open = found.values().flatten().filter(|document| !document.is_over(now));
    let (ids, institutions): (Vec<Uuid>, Vec<Uuid>) =
        open.map(|document| (document.id.uuid(), document.institution.uuid())).unzip();
    Ok(session.write("sending again", SEND_AGAIN, &[&ids, &institutions, &now.0]).await?.len())
}
