//! The rows written for acceptances: documents, their texts, deliveries and the daily counts, in one pipelined
//! transaction.

use std::collections::BTreeMap;

use deadpool_postgres::Client;
use seoham_model::{ContractUuid, InstitutionId, SeoulDay, UnixSeconds};
use seoham_store::documents::Accepted;
use seoham_store::idempotency::Record;
use seoham_store::sealing::{SealedContent, SealedDocument};
use tokio_postgres::Error;
use uuid::Uuid;

use super::keys;
use crate::columns::{Id, Number};
use crate::deliveries::parcels::{self, Parcels};
use crate::session::Param;

/// The sealed documents of one request.
pub(crate) struct Batch {
    pub(crate) institution: InstitutionId,
    pub(crate) contract: ContractUuid,
    pub(crate) accepted_at: UnixSeconds,
    pub(crate) contents: Vec<SealedContent>,
    pub(crate) documents: Vec<SealedDocument>,
    pub(crate) record: Option<Record>,
}

const CONTENTS: &str = "INSERT INTO contents (content_id, sealed)
    SELECT * FROM unnest($1::uuid[], $2::bytea[])";

const DOCUMENTS: &str =
    "INSERT INTO documents (document_id, institution_id, contract_id, person_id, content_id,
        sealed, hash, deadline_at, sent_at, received_at)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::bytea[], $7::text[],
                         $8::bigint[], $9::bigint[], $10::bigint[])";

// Ordered, so that two transactions cannot deadlock.
const COUNTS: &str = "INSERT INTO daily_counts (institution_id, day, slot, accepted)
    SELECT institution_id, day, $4, accepted
    FROM unnest($1::uuid[], $2::integer[], $3::bigint[]) AS counted (institution_id, day, accepted)
    ORDER BY institution_id, day
    ON CONFLICT (institution_id, day, slot) DO UPDATE SET accepted = daily_counts.accepted + excluded.accepted";

#[derive(Default)]
struct Columns<'a> {
    id: Vec<Uuid>,
    institution: Vec<Uuid>,
    contract: Vec<Uuid>,
    person: Vec<Uuid>,
    content: Vec<Option<Uuid>>,
    sealed: Vec<&'a [u8]>,
    hash: Vec<Option<&'a str>>,
    deadline_at: Vec<i64>,
    sent_at: Vec<i64>,
    received_at: Vec<Option<i64>>,
}

impl<'a> Columns<'a> {
    fn of(batches: &[&'a Batch]) -> Self {
        let mut columns = Self::default();
        for batch in batches {
            for document in &batch.documents {
                columns.id.push(document.id.uuid());
                columns.institution.push(batch.institution.uuid());
                columns.contract.push(batch.contract.uuid());
                columns.person.push(document.person.uuid());
                columns.content.push(document.content.as_ref().map(Id::uuid));
                columns.sealed.push(&document.sealed);
                columns.hash.push(document.hash.as_deref());
                columns.deadline_at.push(document.deadline_at);
                columns.sent_at.push(batch.accepted_at.0);
                columns.received_at.push(document.member.then_some(batch.accepted_at.0));
            }
        }
        columns
    }
}

/// Whether every record of `batches` is the first for its key.
pub(super) fn are_new(batches: &[&Batch]) -> bool {
    batches.iter().filter_map(|batch| batch.record.as_ref()).all(|record| record.seq == 0)
}

/// Writes `batches` in one pipelined transaction and returns after its COMMIT. A key that already exists makes it
/// fail, and nothing is written.
pub(super) async fn insert(client: &Client, batches: &[&Batch], slot: i16) -> Result<(), Error> {
    let records = keys::Columns::of(batches);
    let begin = if records.is_empty() { "BEGIN" } else { BEGIN_AND_WAIT_SHORTLY };
    insert_rows(client, batches, &records, slot, begin).await
}

/// Writes batches whose records may already exist, in one transaction. Returns the result of each batch after the
/// COMMIT. The documents of a batch with an existing record are left out, so this waits for the records before it
/// sends the documents.
pub(super) async fn insert_unless_known(
    client: &Client,
    batches: &[&Batch],
    slot: i16,
) -> Result<Vec<Accepted>, Error> {
    let work = async {
        let ((), accepted) = futures_util::try_join!(
            client.batch_execute(BEGIN_AND_WAIT_SHORTLY),
            keys::insert(client, batches)
        )?;
        let whole = batches.iter().zip(&accepted).filter(|(_, a)| **a == Accepted::Whole);
        let whole: Vec<&Batch> = whole.map(|(batch, _)| *batch).collect();
        insert_rows(client, &whole, &keys::Columns::default(), slot, "").await?;
        Ok(accepted)
    };
    let written = work.await;
    if written.is_err() {
        // If it failed before the COMMIT was sent, the transaction is still open: roll it back, because the
        // connection returns to the pool.
        let _ = client.batch_execute("ROLLBACK").await;
    }
    written
}

/// Another transaction may be writing the same record and may belong to a node that was lost. The timeout limits the
/// wait for it.
const BEGIN_AND_WAIT_SHORTLY: &str = "BEGIN; SET LOCAL lock_timeout = '2s'";

/// Pipelines `begin`, the rows of `batches` and the COMMIT.
async fn insert_rows(
    client: &Client,
    batches: &[&Batch],
    records: &keys::Columns<'_>,
    slot: i16,
    begin: &str,
) -> Result<(), Error> {
    let columns = Columns::of(batches);
    let (content_ids, content_texts): (Vec<Uuid>, Vec<&[u8]>) =
        batches.iter().flat_map(|b| &b.contents).map(|c| (c.id.uuid(), c.sealed.as_slice())).unzip();
    let (institutions, days, counts) = counts(batches);

    let statements = futures_util::try_join!(
        client.prepare_cached(CONTENTS),
        client.prepare_cached(DOCUMENTS),
        client.prepare_cached(parcels::INSERT),
        client.prepare_cached(COUNTS),
    )?;
    let record_statement = records.prepare_new(client).await?;
    let of_contents: [Param<'_>; 2] = [&content_ids, &content_texts];
    let of_documents: [Param<'_>; 10] = [
        &columns.id,
        &columns.institution,
        &columns.contract,
        &columns.person,
        &columns.content,
        &columns.sealed,
        &columns.hash,
        &columns.deadline_at,
        &columns.sent_at,
        &columns.received_at,
    ];
    let queued = batches.iter().flat_map(|b| b.documents.iter().map(|d| (b.institution, d.id.uuid())));
    let parcels = Parcels::of(queued);
    let of_deliveries = parcels.params();
    let of_counts: [Param<'_>; 4] = [&institutions, &days, &counts, &slot];
    // Polled together, they are sent together in this order, before the first reply arrives. If one fails, the server
    // rejects the rest and the COMMIT.
    futures_util::try_join!(
        client.batch_execute(begin),
        records.insert_new(client, record_statement.as_ref()),
        client.execute(&statements.0, &of_contents),
        client.execute(&statements.1, &of_documents),
        client.execute(&statements.2, &of_deliveries),
        client.execute(&statements.3, &of_counts),
        client.batch_execute("COMMIT"),
    )?;
    Ok(())
}

fn counts(batches: &[&Batch]) -> (Vec<Uuid>, Vec<Number<SeoulDay>>, Vec<i64>) {
    let mut counts: BTreeMap<(InstitutionId, SeoulDay), i64> = BTreeMap::new();
    for batch in batches.iter().filter(|batch| !batch.documents.is_empty()) {
        let day = SeoulDay::of(batch.accepted_at);
        let count = i64::try_from(batch.documents.len()).unwrap_or(i64::MAX);
        *counts.entry((batch.institution, day)).or_default() += count;
    }
    let (mut institutions, mut days, mut accepted) = (Vec::new(), Vec::new(), Vec::new());
    for ((institution, day), count) in counts {
        institutions.push(institution.uuid());
        days.push(Number(day));
        accepted.push(count);
    }
    (institutions, days, accepted)
}
