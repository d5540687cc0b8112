//! What an operator sees of the queue.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use seoham_model::{BinderId, InstitutionId, UnixSeconds};
use seoham_store::deliveries::QueueDepth;

use crate::columns::Id;

pub(super) fn depths(connection: &Connection) -> rusqlite::Result<Vec<QueueDepth>> {
    let mut found: BTreeMap<InstitutionId, (u64, i64)> = BTreeMap::new();
    for sql in [
        "SELECT institution_id, sum(last_no - first_no + 1), min(first_no)
         FROM delivery_ranges GROUP BY institution_id",
        "SELECT institution_id, count(*), min(document_no) FROM delivery_retries GROUP BY institution_id",
    ] {
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok((row.get::<_, Id<InstitutionId>>(0)?.0, row.get::<_, u64>(1)?, row.get::<_, i64>(2)?))
        })?;
        for row in rows {
            let (institution, count, oldest) = row?;
            let entry = found.entry(institution).or_insert((0, oldest));
            *entry = (entry.0 + count, entry.1.min(oldest));
        }
    }
    let mut sent_at = connection.prepare_cached("SELECT sent_at FROM documents WHERE document_no = ?1")?;
    let mut depths = Vec::with_capacity(found.len());
    for (institution, (waiting, oldest)) in found {
        let oldest_accepted_at = UnixSeconds(sent_at.query_row([oldest], |row| row.get(0))?);
        depths.push(QueueDepth { institution, waiting, oldest_accepted_at });
    }
    Ok(depths)
}

pub(super) fn given_up(
    connection: &Connection,
    before: Option<BinderId>,
    limit: usize,
) -> rusqlite::Result<Vec<BinderId>> {
    connection
        .prepare_cached(
            "SELECT document_id FROM documents WHERE notification = 2 AND (?1 IS NULL OR document_id < ?1)
             ORDER BY document_id DESC LIMIT ?2",
        )?
        .query_map(params![before.map(Id), limit], |row| Ok(row.get::<_, Id<BinderId>>(0)?.0))?
        .collect()
}
