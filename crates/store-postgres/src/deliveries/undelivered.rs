//! Notifications that the messenger did not take, for the operator.

use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::undelivered::{Failure, Kind, NoticeState, Page, Undelivered};
use seoham_store::{Result, StoreError};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::columns::{Columns, Id, uuids};
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
    let failure = match row.value::<Option<i16>>("failure")? {
        None => None,
        Some(number) => Some(Failure::from_number(number).ok_or(StoreError::Damaged("failure"))?),
    };
    let at = row.moment("at")?;
    Ok(Undelivered {
        document: row.id("document_id")?,
        institution: row.id("institution_id")?,
        attempts: row.value::<Option<i32>>("attempts")?.map(i32::unsigned_abs),
        first_attempt_at: row.moment("first_attempt_at")?,
        failure,
        state: match kind {
            Kind::Waiting => {
                NoticeState::Waiting { next_attempt_at: at.ok_or(StoreError::Damaged("not_before"))? }
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

const SEND_AGAIN: &str = "WITH asked AS MATERIALIZED (
      SELECT d.institution_id, d.document_id, d.notification
      FROM unnest($1::uuid[]) AS asked (id) JOIN documents d ON d.document_id = asked.id
      WHERE d.deadline_at > $2),
    reopened AS (
      UPDATE documents d SET notification = 0 FROM asked
      WHERE d.document_id = asked.document_id AND d.notification = 2
      RETURNING d.institution_id, d.document_id),
    forgotten AS (
      DELETE FROM given_up_notices n USING reopened WHERE n.document_id = reopened.document_id),
    queued AS (
      INSERT INTO delivery_retries (institution_id, document_id, not_before, attempts, first_attempt_at)
      SELECT institution_id, document_id, $2, 0, $2 FROM reopened ON CONFLICT DO NOTHING RETURNING document_id),
    hurried AS (
      UPDATE delivery_retries r SET not_before = $2 FROM asked
      WHERE r.institution_id = asked.institution_id AND r.document_id = asked.document_id
        AND r.not_before > $2 RETURNING r.document_id)
    SELECT document_id FROM queued UNION ALL SELECT document_id FROM hurried";

pub(super) async fn send_again(session: &Session, documents: &[BinderId], now: UnixSeconds) -> Result<usize> {
    Ok(session.write("sending again", SEND_AGAIN, &[&uuids(documents), &now.0]).await?.len())
}
