//! Finishing claims and recording the messenger's reports.

use std::collections::BTreeMap;

use seoham_model::{BinderId, UnixSeconds};
use seoham_store::deliveries::{Finished, Outcome, Receipt};
use seoham_store::documents::Notification;
use seoham_store::{Result, StoreError};
use uuid::Uuid;

use super::claim::notification;
use crate::columns::{Columns, Id};
use crate::session::Session;

const TAKEN: i16 = 0;
const RETRY: i16 = 1;
const GIVEN_UP: i16 = 2;

/// Only what is still held under its ticket is finished: a worker whose lease ran out changes
/// nothing.
const FINISH: &str = "WITH done AS (
      SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::smallint[], $5::bigint[])
        AS done (institution_id, document_id, ticket, outcome, not_before)),
    fresh AS (
      DELETE FROM deliveries q USING done
      WHERE q.institution_id = done.institution_id AND q.document_id = done.document_id
        AND q.ticket = done.ticket AND q.leased_until > clock_timestamp()
      RETURNING q.institution_id, q.document_id, done.outcome, done.not_before),
    again AS (
      DELETE FROM delivery_retries q USING done
      WHERE q.institution_id = done.institution_id AND q.document_id = done.document_id
        AND q.ticket = done.ticket AND q.leased_until > clock_timestamp() AND done.outcome <> 1
      RETURNING q.document_id, done.outcome),
    later AS (
      UPDATE delivery_retries q
      SET attempts = q.attempts + 1, not_before = done.not_before, ticket = NULL, leased_until = NULL
      FROM done
      WHERE q.institution_id = done.institution_id AND q.document_id = done.document_id
        AND q.ticket = done.ticket AND q.leased_until > clock_timestamp() AND done.outcome = 1
      RETURNING q.document_id),
    retried AS (
      INSERT INTO delivery_retries (institution_id, document_id, not_before, attempts, first_attempt_at)
      SELECT institution_id, document_id, not_before, 1, $6 FROM fresh WHERE outcome = 1
      ON CONFLICT DO NOTHING),
    given_up AS (
      UPDATE documents d SET notification = $7
      FROM (SELECT document_id, outcome FROM fresh UNION ALL SELECT document_id, outcome FROM again) AS ended
      WHERE d.document_id = ended.document_id AND ended.outcome = 2 AND d.notification = 0)
    SELECT (SELECT count(*) FROM fresh) + (SELECT count(*) FROM again) + (SELECT count(*) FROM later) AS counted";

/// Finishes what is still held; gives how many that were.
pub(super) async fn finish(session: &Session, finished: &[Finished], now: UnixSeconds) -> Result<usize> {
    let institutions: Vec<Uuid> = finished.iter().map(|f| f.institution.uuid()).collect();
    let documents: Vec<Uuid> = finished.iter().map(|f| f.document.uuid()).collect();
    let tickets: Vec<i64> = finished.iter().map(|f| i64::try_from(f.ticket).unwrap_or(0)).collect();
    let outcome = |f: &Finished| match f.outcome {
        Outcome::Taken => (TAKEN, 0),
        Outcome::Retry { not_before } => (RETRY, not_before.0),
        Outcome::GivenUp => (GIVEN_UP, 0),
    };
    let (outcomes, not_before): (Vec<i16>, Vec<i64>) = finished.iter().map(outcome).unzip();
    let given_up = notification(Notification::GivenUp);
    let rows = session
        .write(
            "finished deliveries",
            FINISH,
            &[&institutions, &documents, &tickets, &outcomes, &not_before, &now.0, &given_up],
        )
        .await?;
    let counted: i64 = rows.first().ok_or(StoreError::Damaged("a count"))?.value("counted")?;
    Ok(usize::try_from(counted).unwrap_or(0))
}

const DELIVERED: &str = "UPDATE documents d
    SET notified_at = greatest(d.sent_at, least(report.at, $3)), notification = $4
    FROM unnest($1::uuid[], $2::bigint[]) AS report (id, at)
    WHERE d.document_id = report.id AND d.notified_at IS NULL";

const FAILED: &str = "UPDATE documents d SET notification = $2
    FROM unnest($1::uuid[]) AS report (id)
    WHERE d.document_id = report.id AND d.notification = 0";

/// Records reports. Of several on one document the first counts.
pub(super) async fn record_receipts(session: &Session, receipts: &[Receipt], now: UnixSeconds) -> Result<()> {
    let (mut delivered, mut failed) = (BTreeMap::<BinderId, i64>::new(), Vec::new());
    for receipt in receipts {
        if receipt.delivered {
            delivered.entry(receipt.document).or_insert(receipt.at.0);
        } else {
            failed.push(receipt.document.uuid());
        }
    }
    if !failed.is_empty() {
        failed.sort();
        failed.dedup();
        let outcome = notification(Notification::Failed);
        session.write("reports", FAILED, &[&failed, &outcome]).await?;
    }
    if !delivered.is_empty() {
        let (ids, times): (Vec<Uuid>, Vec<i64>) =
            delivered.into_iter().map(|(id, at)| (id.uuid(), at)).unzip();
        let outcome = notification(Notification::Delivered);
        session.write("reports", DELIVERED, &[&ids, &times, &now.0, &outcome]).await?;
    }
    Ok(())
}
