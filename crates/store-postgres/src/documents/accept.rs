//! The rows written for requests: parcels, what waits for the box index, deliveries, the daily counts, what is refused,
//! steps for the feed and deadlines, in one pipelined transaction.

use std::collections::BTreeMap;

use deadpool_postgres::Client;
use seoham_model::{InstitutionId, SeoulDay};
use seoham_store::documents::Accepted;
use seoham_store::parcel::{Batch, SealedParcel};
use tokio_postgres::Error;
use uuid::Uuid;

use super::keys;
use crate::columns::{Id, Number};
use crate::events::{ADD_EXPIRIES, outbox};
use crate::session::Param;
use crate::statistics::{self, RefusedColumns};

const PARCELS: &str = "INSERT INTO parcels (parcel_id, institution_id, contract_id, sent_at, last_deadline_at, persons,
        head, texts, parts)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[],
                         $8::bytea[], $9::bytea[])";

const PENDING: &str =
    "INSERT INTO box_pending (parcel_id, persons) SELECT * FROM unnest($1::uuid[], $2::bytea[])";

const DELIVERIES: &str = "INSERT INTO deliveries (institution_id, parcel_id, first_position, positions)
    SELECT institution_id, parcel_id, 0, positions
    FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) AS parcel (institution_id, parcel_id, positions)";

// Ordered, so that two transactions cannot deadlock.
const COUNTS: &str = "INSERT INTO daily_counts (institution_id, day, slot, accepted)
    SELECT institution_id, day, $4, accepted
    FROM unnest($1::uuid[], $2::integer[], $3::bigint[]) AS counted (institution_id, day, accepted)
    ORDER BY institution_id, day
    ON CONFLICT (institution_id, day, slot) DO UPDATE SET accepted = daily_counts.accepted + excluded.accepted";

/// Every position of a parcel, a byte each.
const POSITIONS: [u8; 128] = {
    let mut positions = [0; 128];
    let mut position = 0;
    while position < positions.len() {
        #[allow(clippy::cast_possible_truncation, reason = "below 128")]
        let number = position as u8;
        positions[position] = number;
        position += 1;
    }
    positions
};

/// Parcels by column.
#[derive(Default)]
struct Columns<'a> {
    id: Vec<Uuid>,
    institution: Vec<Uuid>,
    contract: Vec<Uuid>,
    sent_at: Vec<i64>,
    last_deadline_at: Vec<i64>,
    persons: Vec<&'a [u8]>,
    head: Vec<&'a [u8]>,
    texts: Vec<&'a [u8]>,
    parts: Vec<&'a [u8]>,
    positions: Vec<&'static [u8]>,
    due_at: Vec<i64>,
    told_to: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn of(batches: &[&'a Batch]) -> Self {
        let mut columns = Self::default();
        for parcel in batches.iter().filter_map(|batch| batch.parcel.as_ref()) {
            columns.id.push(parcel.id.uuid());
            columns.institution.push(parcel.institution.uuid());
            columns.contract.push(parcel.contract.uuid());
            columns.sent_at.push(parcel.sent_at.0);
            columns.last_deadline_at.push(parcel.last_deadline_at.0);
            columns.persons.push(&parcel.persons);
            columns.head.push(&parcel.head);
            columns.texts.push(&parcel.texts);
            columns.parts.push(&parcel.parts);
            let expiry = parcel.expiry();
            columns.due_at.push(expiry.due_at.0);
            columns.told_to.push(expiry.told_to.0);
            columns.positions.push(&POSITIONS[..usize::from(parcel.count).min(POSITIONS.len())]);
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
    let begin = if records.is_empty() { "BEGIN" } else { keys::BEGIN_OPTIMISTIC };
    insert_rows(client, batches, &records, slot, begin).await
}

/// Writes batches whose records may already exist, in one transaction. Returns the result of each batch after the
/// COMMIT. The documents of a batch with an existing record are left out, so this waits for the records before it
/// sends the documents.
pub(super) async fn insert_unless_known(
    client: &Client,
    batches: &[&Batch],
    slot: i16,
    begin: &str,
) -> Result<Vec<Accepted>, Error> {
    let work = async {
        let (begun, accepted) =
            futures_util::join!(client.batch_execute(begin), keys::insert(client, batches));
        begun?;
        let accepted = accepted?;
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

/// Pipelines `begin`, the rows of `batches` and the COMMIT.
async fn insert_rows(
    client: &Client,
    batches: &[&Batch],
    records: &keys::Columns<'_>,
    slot: i16,
    begin: &str,
) -> Result<(), Error> {
    let columns = Columns::of(batches);
    let (institutions, days, counts) = counts(batches);
    let parcels = batches.iter().filter_map(|batch| batch.parcel.as_ref());
    let steps = outbox::StepColumns::of(parcels.flat_map(SealedParcel::steps));
    let statements = futures_util::try_join!(
        client.prepare_cached(PARCELS),
        client.prepare_cached(PENDING),
        client.prepare_cached(DELIVERIES),
        client.prepare_cached(COUNTS),
        client.prepare_cached(outbox::ADD),
        client.prepare_cached(ADD_EXPIRIES),
    )?;
    let refused = RefusedColumns::of(batches);
    let refused_statement =
        if refused.is_empty() { None } else { Some(client.prepare_cached(statistics::ADD).await?) };
    let record_statement = records.prepare_new(client).await?;
    let of_parcels: [Param<'_>; 9] = [
        &columns.id,
        &columns.institution,
        &columns.contract,
        &columns.sent_at,
        &columns.last_deadline_at,
        &columns.persons,
        &columns.head,
        &columns.texts,
        &columns.parts,
    ];
    let of_pending: [Param<'_>; 2] = [&columns.id, &columns.persons];
    let of_deliveries: [Param<'_>; 3] = [&columns.institution, &columns.id, &columns.positions];
    let of_counts: [Param<'_>; 4] = [&institutions, &days, &counts, &slot];
    let of_expiries: [Param<'_>; 3] = [&columns.due_at, &columns.id, &columns.told_to];
    let of_steps = steps.params();
    let of_refused = refused.params(&slot);
    let count_refused = async {
        match &refused_statement {
            Some(statement) => client.execute(statement, &of_refused).await,
            None => Ok(0),
        }
    };
    // Polled together, they are sent together in this order, before the first reply arrives. If one fails, the server
    // rejects the rest and the COMMIT. All replies are awaited, so that the error is that of the first that failed and
    // not the rejection of a later one.
    let replies = futures_util::join!(
        client.batch_execute(begin),
        records.insert_new(client, record_statement.as_ref()),
        client.execute(&statements.0, &of_parcels),
        client.execute(&statements.1, &of_pending),
        client.execute(&statements.2, &of_deliveries),
        client.execute(&statements.3, &of_counts),
        client.execute(&statements.4, &of_steps),
        client.execute(&statements.5, &of_expiries),
        count_refused,
        client.batch_execute("COMMIT"),
    );
    replies.0?;
    replies.1?;
    for reply in [replies.2, replies.3, replies.4, replies.5, replies.6, replies.7, replies.8] {
        reply?;
    }
    replies.9
}

fn counts(batches: &[&Batch]) -> (Vec<Uuid>, Vec<Number<SeoulDay>>, Vec<i64>) {
    let mut counts: BTreeMap<(InstitutionId, SeoulDay), i64> = BTreeMap::new();
    for batch in batches.iter().filter(|batch| batch.parcel.is_some()) {
        let day = SeoulDay::of(batch.accepted_at);
        let count = i64::try_from(batch.documents()).unwrap_or(i64::MAX);
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
