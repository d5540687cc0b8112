//! Notifications that the messenger did not accept, for the operator.

use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::undelivered::{Failure, Kind, NoticeState, Page, Undelivered};
use seoham_store::{Result, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::columns::{Columns, Id, Number, uuids};
use crate::session::{Param, Session};

const WAITING: &str =
    "SELECT document_id, institution_id, attempts, first_attempt_at, failure, not_before AS at
    FROM delivery_retries
    WHERE ($1::uuid IS NULL OR institution_id = $1) AND ($2::uuid IS NULL OR document_id < $2)
      AND ($4::uuid IS NULL OR document_id = $4)
    ORDER BY document_id DESC LIMIT $3";

const GIVEN_UP: &str = "SELECT d.document_id, d.institution_id, n.attempts, n.first_attempt_at, n.failure,
           n.given_up_at AS at
    FROM documents d LEFT JOIN given_up_notices n USING (document_id)
    WHERE d.notification = 2 AND ($1::uuid IS NULL OR d.institution_id = $1)
      AND ($2::uuid IS NULL OR d.document_id < $2) AND ($4::uuid IS NULL OR d.document_id = $4)
    ORDER BY d.document_id DESC LIMIT $3";

fn undelivered(row: &Row, kind: Kind) -> Result<Undelivered> {
    let failure: Option<Number<Failure>> = row.value("failure")?;
    let at = row.moment("at")?;
    Ok(Undelivered {
        document: row.id("document_id")?,
        institution: row.id("institution_id")?,
        attempts: row.value::<Option<i32>>("attempts")?.map(i32::unsigned_abs),
        first_attempt_at: row.moment("first_attempt_at")?,
        failure: failure.map(|failure| failure.0),
        state: match kind {
            Kind::Waiting => {
                NoticeState::Waiting { next_attempt_at: at.ok_or(StoreError::damaged("not_before"))? }
            }
            Kind::GivenUp => NoticeState::GivenUp { given_up_at: at },
        },
    })
}

async fn read(
    session: &Session,
    kind: Kind,
    page: Page,
    document: Option<BinderId>,
) -> Result<Vec<Undelivered>> {
    let sql = if kind == Kind::Waiting { WAITING } else { GIVEN_UP };
    let institution: Option<Uuid> = page.institution.map(|id: InstitutionId| id.uuid());
    let before: Option<Uuid> = page.before.map(|id| id.uuid());
    let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
    let document: Option<Uuid> = document.map(|id| id.uuid());
    let params: [Param<'_>; 4] = [&institution, &before, &limit, &document];
    session.query(sql, &params).await?.iter().map(|row| undelivered(row, kind)).collect()
}

pub(super) async fn list(session: &Session, kind: Kind, page: Page) -> Result<Vec<Undelivered>> {
    read(session, kind, page, None).await
}

pub(super) async fn one(session: &Session, document: BinderId) -> Result<Option<Undelivered>> {
    for kind in [Kind::Waiting, Kind::GivenUp] {
        let page = Page { limit: 1, ..Page::default() };
        if let Some(found) = read(session, kind, page, Some(document)).await?.pop() {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

const SEND_AGAIN: &str = include_str!("send_again.sql");

pub(super) async fn send_again(session: &Session, documents: &[BinderId], now: UnixSeconds) -> Result<usize> {
    Ok(session.write("sending again", SEND_AGAIN, &[&uuids(documents), &now.0]).await?.len())
}
