//! Statistics: counted by the writer, in the transactions of what they count.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};
use seoham_model::{ContractUuid, InstitutionId, ParcelId, SeoulDay, StoredNumber};
use seoham_store::events::Step;
use seoham_store::statistics::{Count, Counted, DayFigures, NO_CONTRACT, figures};
use seoham_store::{Lane, Result, Statistics};

use crate::SqliteStore;
use crate::columns::{Id, Number, number};

#[async_trait]
impl Statistics for SqliteStore {
    async fn statistics(
        &self,
        institution: InstitutionId,
        from: SeoulDay,
        to: SeoulDay,
    ) -> Result<Vec<DayFigures>> {
        let read = self.inner.readers.read(Lane::Interactive, move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT day, contract_id, kind, documents FROM statistics
                 WHERE institution_id = ?1 AND day BETWEEN ?2 AND ?3",
            )?;
            let counts = statement.query_map(params![Id(institution), Number(from), Number(to)], |row| {
                // What a newer version counts besides is not asked for here.
                let Some(counted) = Counted::from_number(row.get(2)?) else { return Ok(None) };
                let documents = row.get::<_, i64>(3)?.unsigned_abs();
                let Id(contract) = row.get(1)?;
                Ok(Some(Count { day: number(row, 0)?, contract, counted, documents }))
            })?;
            let counts = counts.filter_map(rusqlite::Result::transpose);
            Ok(figures(counts.collect::<rusqlite::Result<Vec<_>>>()?))
        });
        read.await
    }
}

/// Counts steps of one institution that are being numbered.
pub(crate) fn count_steps(
    connection: &Connection,
    institution: InstitutionId,
    steps: &[Step],
) -> rusqlite::Result<()> {
    let mut counts: BTreeMap<(SeoulDay, ParcelId, Counted), u64> = BTreeMap::new();
    for step in steps {
        if let (Some((day, counted, documents)), Some((parcel, _))) = (Counted::of_step(step), step.documents)
        {
            *counts.entry((day, parcel, counted)).or_default() += documents;
        }
    }
    let mut contract: Option<(ParcelId, ContractUuid)> = None;
    for ((day, parcel, counted), documents) in counts {
        let of_parcel = match contract.filter(|(of, _)| *of == parcel) {
            Some((_, contract)) => contract,
            None => contract_of(connection, parcel)?,
        };
        contract = Some((parcel, of_parcel));
        add(connection, institution, Count { day, contract: of_parcel, counted, documents })?;
    }
    Ok(())
}

/// The contract of a parcel.
fn contract_of(connection: &Connection, parcel: ParcelId) -> rusqlite::Result<ContractUuid> {
    let contract = connection
        .prepare_cached("SELECT contract_id FROM parcels WHERE parcel_id = ?1")?
        .query_row([Id(parcel)], |row| row.get::<_, Id<ContractUuid>>(0))
        .optional()?;
    Ok(contract.map_or(NO_CONTRACT, |Id(contract)| contract))
}

/// Adds to a count.
pub(crate) fn add(connection: &Connection, institution: InstitutionId, count: Count) -> rusqlite::Result<()> {
    let Count { day, contract, counted, documents } = count;
    connection
        .prepare_cached(
            "INSERT INTO statistics (institution_id, day, contract_id, kind, documents) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (institution_id, day, contract_id, kind)
             DO UPDATE SET documents = documents + excluded.documents",
        )?
        .execute(params![
            Id(institution),
            Number(day),
            Id(contract),
            Number(counted),
            documents.cast_signed()
        ])
        .map(drop)
}
