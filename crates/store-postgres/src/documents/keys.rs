//! The records of idempotency keys: written with an acceptance, recalled, forgotten after a week.

use std::collections::HashSet;

use deadpool_postgres::Client;
use seoham_model::{InstitutionId, UnixSeconds};
use seoham_store::Result;
use seoham_store::documents::Accepted;
use seoham_store::idempotency::{REMEMBERED_SECONDS, StoredRecord};
use seoham_vault::BlindIndex;
use tokio_postgres::Error;
use uuid::Uuid;

use super::accept::Batch;
use crate::columns::{Columns, Id};
use crate::session::Session;

/// Records removed in one statement.
const BITE: i64 = 2_000;

// In the order of their keys, so that two transactions cannot wait for one another; of two with the
// same key in one transaction the first stays.
const INSERT: &str = "INSERT INTO idempotency_records (institution_id, key_tag, seq, recorded_at, verdicts)
    SELECT institution_id, key_tag, seq, recorded_at, verdicts
    FROM unnest($1::uuid[], $2::bytea[], $3::integer[], $4::bigint[], $5::bytea[]) WITH ORDINALITY
        AS record (institution_id, key_tag, seq, recorded_at, verdicts, place)
    ORDER BY institution_id, key_tag, seq, place
    ON CONFLICT DO NOTHING RETURNING institution_id, key_tag, seq";

/// Adds the records of `batches` to the transaction that is under way; gives for each batch whether
/// its documents may follow.
pub(super) async fn insert(client: &Client, batches: &[Batch]) -> std::result::Result<Vec<Accepted>, Error> {
    let records = || batches.iter().filter_map(|batch| batch.record.as_ref().map(|record| (batch, record)));
    let institutions: Vec<Uuid> = records().map(|(batch, _)| batch.institution.uuid()).collect();
    let tags: Vec<&[u8]> = records().map(|(_, record)| record.key_tag.as_slice()).collect();
    let numbers: Vec<i32> = records().map(|(_, record)| record.seq).collect();
    let times: Vec<i64> = records().map(|(batch, _)| batch.accepted_at.0).collect();
    let verdicts: Vec<&[u8]> = records().map(|(_, record)| record.verdicts.as_slice()).collect();
    let statement = client.prepare_cached(INSERT).await?;
    let added = client.query(&statement, &[&institutions, &tags, &numbers, &times, &verdicts]).await?;
    let mut added: HashSet<(Uuid, Vec<u8>, i32)> = added
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
        .collect::<std::result::Result<_, Error>>()?;
    Ok(batches
        .iter()
        .map(|batch| match &batch.record {
            None => Accepted::Whole,
            Some(record)
                if added.remove(&(batch.institution.uuid(), record.key_tag.to_vec(), record.seq)) =>
            {
                Accepted::Whole
            }
            Some(_) => Accepted::KeyMoved,
        })
        .collect())
}

/// All records of a key.
pub(super) async fn rows(
    session: &Session,
    institution: InstitutionId,
    key_tag: BlindIndex,
    now: UnixSeconds,
) -> Result<Vec<StoredRecord>> {
    let sql = "SELECT seq, recorded_at, verdicts FROM idempotency_records
               WHERE institution_id = $1 AND key_tag = $2 ORDER BY seq";
    let rows = session.query(sql, &[&institution.uuid(), &key_tag.as_slice()]).await?;
    rows.iter()
        .map(|row| {
            let recorded_at = UnixSeconds(row.value("recorded_at")?);
            let forgotten = now.seconds_since(recorded_at) >= REMEMBERED_SECONDS;
            Ok(StoredRecord { seq: row.value("seq")?, forgotten, verdicts: row.value("verdicts")? })
        })
        .collect()
}

/// Removes records whose time is over; `true` when there may be more.
pub(crate) async fn forget(session: &Session, now: UnixSeconds) -> Result<bool> {
    let sql = "DELETE FROM idempotency_records WHERE (institution_id, key_tag, seq) IN
                 (SELECT institution_id, key_tag, seq FROM idempotency_records
                  WHERE recorded_at <= $1 LIMIT $2) RETURNING seq";
    let over = now.plus(-REMEMBERED_SECONDS).0;
    let removed = session.write("forgetting keys", sql, &[&over, &BITE]).await?;
    Ok(i64::try_from(removed.len()).unwrap_or(BITE) == BITE)
}
