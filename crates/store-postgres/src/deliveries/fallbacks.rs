//! Our own fallback: which documents have begun one.

use std::collections::HashSet;

use seoham_model::{BinderId, UnixSeconds};
use seoham_store::Result;
use seoham_store::deliveries::may_fall_back;

use super::claim::senders;
use crate::columns::{Columns, uuids};
use crate::documents::rows;
use crate::session::Session;

/// $1 are documents, $2 is now.
const BEGIN: &str = "INSERT INTO fallback_notices (document_id, institution_id, begun_at)
    SELECT asked.id, p.institution_id, $2
    FROM unnest($1::uuid[]) AS asked (id) JOIN parcels p ON p.parcel_id = ANY (ARRAY[parcel_of(asked.id)])
    ORDER BY asked.id ON CONFLICT DO NOTHING";

/// The same, and queues those that had not begun. What waits already is due now, and nobody holds it any more: whoever did
/// gave the messenger what did not arrive.
const QUEUE: &str = "WITH begun AS (
      INSERT INTO fallback_notices (document_id, institution_id, begun_at)
      SELECT asked.id, p.institution_id, $2
      FROM unnest($1::uuid[]) AS asked (id) JOIN parcels p ON p.parcel_id = ANY (ARRAY[parcel_of(asked.id)])
      ORDER BY asked.id ON CONFLICT DO NOTHING RETURNING document_id, institution_id)
    INSERT INTO delivery_retries (institution_id, document_id, not_before, attempts, first_attempt_at)
    SELECT institution_id, document_id, $2, 0, $2 FROM begun ORDER BY institution_id, document_id
    ON CONFLICT (institution_id, document_id) DO UPDATE
      SET not_before = excluded.not_before, attempts = 0, first_attempt_at = excluded.first_attempt_at,
          ticket = NULL, leased_until = NULL";

/// Records that documents begin their fallback.
pub(super) async fn begin(session: &Session, documents: &[BinderId], now: UnixSeconds) -> Result<()> {
    session.write("fallbacks", BEGIN, &[&uuids(documents), &now.0]).await.map(drop)
}

/// Queues the fallback of documents of which a messenger reported that their notification did not arrive.
pub(super) async fn queue(session: &Session, failed: &[BinderId], now: UnixSeconds) -> Result<()> {
    if failed.is_empty() {
        return Ok(());
    }
    let found = rows::documents(session, None, failed).await?;
    let senders = senders(session, found.values().flatten()).await?;
    let may = found.values().flatten().filter(|document| {
        senders.get(&document.contract).is_some_and(|sender| may_fall_back(document, sender, now))
    });
    let documents: Vec<BinderId> = may.map(|document| document.id).collect();
    session.write("fallbacks", QUEUE, &[&uuids(&documents), &now.0]).await.map(drop)
}

/// Those of the documents that have begun their fallback.
pub(super) async fn begun(session: &Session, documents: &[BinderId]) -> Result<HashSet<BinderId>> {
    let sql = "SELECT document_id FROM fallback_notices WHERE document_id = ANY($1::uuid[])";
    session.query(sql, &[&uuids(documents)]).await?.iter().map(|row| row.id("document_id")).collect()
}
