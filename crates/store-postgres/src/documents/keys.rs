//! The records of idempotency keys: written with an acceptance, replayed on a retry, deleted after a week.

use std::collections::HashSet;

use deadpool_postgres::Client;
use seoham_model::{InstitutionId, UnixSeconds};
use seoham_store::Result;
use seoham_store::documents::Accepted;
use seoham_store::idempotency::{KEPT_SECONDS, REMEMBERED_SECONDS, StoredRecord};
use seoham_store::parcel::Batch;
use seoham_vault::BlindIndex;
use tokio_postgres::{Error, Statement};
use uuid::Uuid;

use crate::columns::{Columns as _, Id};
use crate::failure::Doing;
use crate::session::{Param, Session};

/// Begins a transaction with records. Another transaction may be writing the same one, and may belong to a node that
/// was lost; a group of requests waits for it only for as long as a commit usually takes.
pub(super) const BEGIN_OPTIMISTIC: &str = "BEGIN; SET LOCAL lock_timeout = '50ms'";

/// The same for a request that waits alone.
pub(super) const BEGIN_PATIENT: &str = "BEGIN; SET LOCAL lock_timeout = '2s'";

/// Records deleted in one statement.
const BATCH_ROWS: i64 = 2_000;

// Ordered by key, so that two transactions cannot deadlock; what is looked up is ordered, not what is found, for which
// the plan would read all records by their index. If a transaction contains a key twice, the first record
// wins.
// A record is added only to one that is there, and that no other transaction removes meanwhile: see FORGET.
const INSERT: &str = "WITH locked AS MATERIALIZED (
      SELECT before.institution_id, before.key_tag, before.seq
      FROM (SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::integer[]) AS record (institution_id, key_tag, seq)
            ORDER BY institution_id, key_tag, seq) AS record
      CROSS JOIN LATERAL (
        SELECT institution_id, key_tag, seq FROM idempotency_records AS known
        WHERE known.institution_id = record.institution_id AND known.key_tag = record.key_tag
          AND known.seq = record.seq - 1
        FOR KEY SHARE) AS before)
    INSERT INTO idempotency_records (institution_id, key_tag, seq, recorded_at, verdicts)
    SELECT institution_id, key_tag, seq, recorded_at, verdicts
    FROM unnest($1::uuid[], $2::bytea[], $3::integer[], $4::bigint[], $5::bytea[]) WITH ORDINALITY
        AS record (institution_id, key_tag, seq, recorded_at, verdicts, place)
    WHERE seq = 0 OR EXISTS
        (SELECT 1 FROM locked
         WHERE locked.institution_id = record.institution_id AND locked.key_tag = record.key_tag
           AND locked.seq = record.seq - 1)
    ORDER BY institution_id, key_tag, seq, place
    ON CONFLICT DO NOTHING RETURNING institution_id, key_tag, seq";

/// The same for keys that are expected to be new: an existing one fails the whole transaction.
const INSERT_NEW: &str =
    "INSERT INTO idempotency_records (institution_id, key_tag, seq, recorded_at, verdicts)
    SELECT institution_id, key_tag, seq, recorded_at, verdicts
    FROM unnest($1::uuid[], $2::bytea[], $3::integer[], $4::bigint[], $5::bytea[])
        AS record (institution_id, key_tag, seq, recorded_at, verdicts)
    ORDER BY institution_id, key_tag";

/// The records of batches, by column.
#[derive(Default)]
pub(super) struct Columns<'a> {
    institutions: Vec<Uuid>,
    tags: Vec<&'a [u8]>,
    numbers: Vec<i32>,
    times: Vec<i64>,
    verdicts: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(batches: &[&'a Batch]) -> Self {
        let mut columns = Self::default();
        for batch in batches {
            let Some(record) = &batch.record else { continue };
            columns.institutions.push(batch.institution.uuid());
            columns.tags.push(&record.key_tag);
            columns.numbers.push(record.seq);
            columns.times.push(batch.accepted_at.0);
            columns.verdicts.push(&record.verdicts);
        }
        columns
    }

    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    fn params(&self) -> [Param<'_>; 5] {
        [&self.institutions, &self.tags, &self.numbers, &self.times, &self.verdicts]
    }

    /// The statement for [`Self::insert_new`], or `None` if there are no records. Prepared before the transaction is
    /// sent, because waiting for it in the middle would let the COMMIT overtake it.
    pub(super) async fn prepare_new(&self, client: &Client) -> std::result::Result<Option<Statement>, Error> {
        if self.is_empty() { Ok(None) } else { client.prepare_cached(INSERT_NEW).await.map(Some) }
    }

    /// Adds all records in the current transaction. An existing one fails it.
    pub(super) async fn insert_new(
        &self,
        client: &Client,
        statement: Option<&Statement>,
    ) -> std::result::Result<(), Error> {
        match statement {
            Some(statement) => client.execute(statement, &self.params()).await.map(drop),
            None => Ok(()),
        }
    }
}

/// Adds the records of `batches` in the current transaction. Returns for each batch whether to add its documents.
pub(super) async fn insert(client: &Client, batches: &[&Batch]) -> std::result::Result<Vec<Accepted>, Error> {
    let statement = client.prepare_cached(INSERT).await?;
    let added = client.query(&statement, &Columns::of(batches).params()).await?;
    let mut added: HashSet<(Uuid, Vec<u8>, i32)> = added
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
        .collect::<std::result::Result<_, Error>>()?;
    let accepted = |batch: &&Batch| match &batch.record {
        Some(record) if !added.remove(&(batch.institution.uuid(), record.key_tag.to_vec(), record.seq)) => {
            Accepted::KeyMoved
        }
        _ => Accepted::Whole,
    };
    Ok(batches.iter().map(accepted).collect())
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

// `recorded_at + 0` keeps the planner from the index by time, of which it would read all younger records for each key.
/// Locks records that are old enough. A transaction that adds to such a key has locked its last record, and ends first.
const LOCK_OLD: &str = "SELECT old.institution_id, old.key_tag, old.seq FROM idempotency_records old
    WHERE old.recorded_at <= $1 AND NOT EXISTS
      (SELECT 1 FROM idempotency_records young
       WHERE young.institution_id = ANY (ARRAY[old.institution_id]) AND young.key_tag = old.key_tag
         AND young.recorded_at + 0 > $1)
    ORDER BY old.recorded_at LIMIT $2 FOR UPDATE OF old SKIP LOCKED";

/// Deletes locked records whose key has no younger one by now: a statement of its own sees what was added before the
/// lock.
const FORGET: &str = "DELETE FROM idempotency_records AS old
    USING unnest($1::uuid[], $2::bytea[], $3::integer[]) AS locked (institution_id, key_tag, seq)
    WHERE old.institution_id = ANY (ARRAY[locked.institution_id]) AND old.key_tag = locked.key_tag AND old.seq = locked.seq
      AND NOT EXISTS (SELECT 1 FROM idempotency_records young
                      WHERE young.institution_id = ANY (ARRAY[old.institution_id])
                        AND young.key_tag = old.key_tag AND young.recorded_at + 0 > $4)";

/// Deletes records of expired keys. Returns `true` if there may be more.
pub(crate) async fn forget(session: &Session, now: UnixSeconds) -> Result<bool> {
    let over = now.plus(-KEPT_SECONDS).0;
    let doing = Doing::Writing("forgetting keys");
    let (lock, delete) = (session.prepare(LOCK_OLD).await?, session.prepare(FORGET).await?);
    let client = session.client();
    let work = async {
        client.batch_execute("BEGIN").await?;
        let old = client.query(&lock, &[&over, &BATCH_ROWS]).await?;
        let (mut institutions, mut tags, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for row in &old {
            institutions.push(row.try_get::<_, Uuid>(0)?);
            tags.push(row.try_get::<_, Vec<u8>>(1)?);
            numbers.push(row.try_get::<_, i32>(2)?);
        }
        let params: [Param<'_>; 4] = [&institutions, &tags, &numbers, &over];
        let removed = client.execute(&delete, &params).await?;
        client.batch_execute("COMMIT").await?;
        Ok(removed)
    };
    let removed = session.within(doing, work).await.inspect_err(|_| session.spoil())?;
    Ok(removed == BATCH_ROWS.unsigned_abs())
}
