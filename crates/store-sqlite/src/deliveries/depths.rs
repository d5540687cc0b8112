//! The queue as an operator sees it.

use rusqlite::Connection;
use seoham_model::{BinderId, InstitutionId};
use seoham_store::deliveries::{DEPTH_ROWS_MAX, QueueDepth};

use crate::columns::Id;

/// For one queue table: the institutions with rows, the number of documents in a bounded number of their rows, and
/// their oldest document. Takes one index step per institution, so the cost does not grow with the queue.
macro_rules! depths_of {
    ($table:literal, $documents:literal, $oldest:literal) => {
        concat!(
            "WITH RECURSIVE turn (institution_id) AS (
               SELECT min(institution_id) FROM ",
            $table,
            "
               UNION ALL
               SELECT (SELECT min(institution_id) FROM ",
            $table,
            " q WHERE q.institution_id > turn.institution_id)
               FROM turn WHERE turn.institution_id IS NOT NULL)
             SELECT institution_id,
                    (SELECT sum(documents) FROM (SELECT ",
            $documents,
            " AS documents FROM ",
            $table,
            " q
                      WHERE q.institution_id = turn.institution_id ORDER BY ",
            $oldest,
            " LIMIT ?1)),
                    (SELECT min(",
            $oldest,
            ") FROM ",
            $table,
            " q WHERE q.institution_id = turn.institution_id)
             FROM turn WHERE institution_id IS NOT NULL"
        )
    };
}

const DEPTHS: [&str; 2] = [
    depths_of!("deliveries", "length(positions)", "parcel_id"),
    depths_of!("delivery_retries", "1", "document_id"),
];

pub(super) fn depths(connection: &Connection) -> rusqlite::Result<Vec<QueueDepth>> {
    let mut counted = Vec::new();
    for sql in DEPTHS {
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map([DEPTH_ROWS_MAX], |row| {
            Ok((row.get::<_, Id<InstitutionId>>(0)?.0, row.get(1)?, row.get::<_, Id<BinderId>>(2)?.0))
        })?;
        for row in rows {
            counted.push(row?);
        }
    }
    Ok(QueueDepth::sum(counted))
}
