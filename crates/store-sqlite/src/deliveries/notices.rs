//! The packed notices of parcels, in the writer: what the messengers reported. The rule is in the store's
//! `parcel::notices`.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::{BinderId, InstitutionId, ParcelId, UnixSeconds};
use seoham_store::deliveries::{Arrival, Receipt};
use seoham_store::parcel::notices::{Report, after_reports, notice};

use super::fallbacks;
use crate::columns::Id;
use crate::events::ledger;

/// Records reports. Those for documents that do not exist are ignored.
pub(crate) fn record(
    connection: &Connection,
    reports: impl Iterator<Item = Report>,
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    let mut of_parcels: BTreeMap<ParcelId, Vec<Report>> = BTreeMap::new();
    for report in reports {
        of_parcels.entry(report.document.parcel()).or_default().push(report);
    }
    let mut read = connection.prepare_cached(
        "SELECT p.sent_at, length(p.persons) / 16, n.packed, p.institution_id
         FROM parcels p LEFT JOIN notices n USING (parcel_id) WHERE p.parcel_id = ?1",
    )?;
    let mut write = connection.prepare_cached(
        "INSERT INTO notices (parcel_id, packed) VALUES (?1, ?2)
         ON CONFLICT (parcel_id) DO UPDATE SET packed = excluded.packed",
    )?;
    for (parcel, reports) in of_parcels {
        let found = read
            .query_row([Id(parcel)], |row| {
                let packed: Option<Vec<u8>> = row.get(2)?;
                let institution = row.get::<_, Id<InstitutionId>>(3)?.0;
                Ok((
                    UnixSeconds(row.get(0)?),
                    row.get::<_, usize>(1)?,
                    packed.unwrap_or_default(),
                    institution,
                ))
            })
            .optional()?;
        let Some((sent_at, count, packed, institution)) = found else { continue };
        if let Some(after) = after_reports(&packed, count, sent_at, &reports, now) {
            write.execute(params![Id(parcel), after.packed])?;
            ledger::append(connection, &after.steps(institution, parcel, now).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// Records the messengers' reports. A notification that arrived after all is no longer given up.
pub(super) fn record_receipts(
    connection: &Connection,
    receipts: &[Receipt],
    now: UnixSeconds,
) -> rusqlite::Result<()> {
    let report = |receipt: &Receipt| Report {
        document: receipt.document,
        outcome: receipt.arrival.notification(),
        at: receipt.at,
    };
    let falls_back = receipts.iter().filter(|receipt| receipt.arrival == Arrival::FallsBack);
    let falls_back: Vec<BinderId> = falls_back.map(|receipt| receipt.document).collect();
    record(connection, receipts.iter().map(report), now)?;
    fallbacks::queue(connection, &falls_back, now)?;
    let mut arrived = connection.prepare_cached("DELETE FROM given_up_notices WHERE document_id = ?1")?;
    for receipt in receipts.iter().filter(|receipt| receipt.arrival.is_delivered()) {
        arrived.execute([Id(receipt.document)])?;
    }
    Ok(())
}

/// Whether the messenger reported the arrival of a notification.
pub(crate) fn has_arrived(connection: &Connection, document: BinderId) -> rusqlite::Result<bool> {
    let packed: Option<Vec<u8>> = connection
        .prepare_cached("SELECT packed FROM notices WHERE parcel_id = ?1")?
        .query_row([Id(document.parcel())], |row| row.get(0))
        .optional()?;
    let notice = notice(packed.as_deref().unwrap_or_default(), document.position(), UnixSeconds(0));
    Ok(notice.is_ok_and(|notice| notice.notified_at.is_some()))
}
