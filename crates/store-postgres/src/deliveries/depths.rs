//! The depth of the queue. Takes one index step for each institution with rows and reads a bounded number of rows of
//! each, so the cost does not grow with the queue.

use seoham_store::Result;
use seoham_store::deliveries::{DEPTH_ROWS_MAX, QueueDepth};

use crate::columns::Columns;
use crate::session::Session;

/// The institutions with rows in `table`. For each, the number of documents in up to `$1` rows, and its oldest
/// document.
macro_rules! depths_of {
    ($table:literal, $documents:literal, $oldest:literal) => {
        concat!(
            "WITH RECURSIVE turn AS (
               (SELECT institution_id FROM ",
            $table,
            " ORDER BY institution_id LIMIT 1)
               UNION ALL
               SELECT (SELECT q.institution_id FROM ",
            $table,
            " q WHERE q.institution_id > turn.institution_id
                       ORDER BY q.institution_id LIMIT 1)
               FROM turn WHERE turn.institution_id IS NOT NULL)
             SELECT turn.institution_id, first_rows.waiting, oldest.document_id AS oldest
             FROM turn
             CROSS JOIN LATERAL (
               SELECT coalesce(sum(documents), 0)::bigint AS waiting FROM (
                 SELECT ",
            $documents,
            " AS documents FROM ",
            $table,
            " q
                 WHERE q.institution_id = turn.institution_id ORDER BY ",
            $oldest,
            " LIMIT $1) AS counted) AS first_rows
             CROSS JOIN LATERAL (
               SELECT ",
            $oldest,
            " AS document_id FROM ",
            $table,
            " q
               WHERE q.institution_id = turn.institution_id ORDER BY ",
            $oldest,
            " LIMIT 1) AS oldest
             WHERE turn.institution_id IS NOT NULL"
        )
    };
}

const DEPTHS: [&str; 2] = [
    depths_of!("deliveries", "length(positions)", "q.parcel_id"),
    depths_of!("delivery_retries", "1", "q.document_id"),
];

pub(super) async fn depths(session: &Session) -> Result<Vec<QueueDepth>> {
    let mut counted = Vec::new();
    for sql in DEPTHS {
        for row in session.query(sql, &[&i64::from(DEPTH_ROWS_MAX)]).await? {
            let waiting = row.value::<i64>("waiting")?.unsigned_abs();
            counted.push((row.id("institution_id")?, waiting, row.id("oldest")?));
        }
    }
    Ok(QueueDepth::sum(counted))
}
