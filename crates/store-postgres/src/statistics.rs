//! Statistics: a trigger counts steps as they are numbered (`V6__statistics.sql`), acceptances what they refuse.

use std::collections::BTreeMap;

use async_trait::async_trait;
use seoham_model::{ContractUuid, InstitutionId, SeoulDay, StoredNumber};
use seoham_store::parcel::Batch;
use seoham_store::statistics::{Count, Counted, DayFigures, figures};
use seoham_store::{Result, Statistics};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::PostgresStore;
use crate::columns::{Columns, Id, Number};
use crate::session::Param;

#[async_trait]
impl Statistics for PostgresStore {
    async fn statistics(
        &self,
        institution: InstitutionId,
        from: SeoulDay,
        to: SeoulDay,
    ) -> Result<Vec<DayFigures>> {
        let sql = "SELECT day, contract_id, kind, sum(documents)::bigint AS documents FROM statistics
                   WHERE institution_id = $1 AND day BETWEEN $2 AND $3 GROUP BY day, contract_id, kind";
        let session = self.inner.sessions.interactive().await?;
        let rows = session.query(sql, &[&institution.uuid(), &Number(from), &Number(to)]).await?;
        let count = |row: &Row| {
            // What a newer node counts besides is not asked for here.
            let Some(counted) = Counted::from_number(row.value::<i16>("kind")?.into()) else {
                return Ok(None);
            };
            Ok(Some(Count {
                day: row.number("day")?,
                contract: row.id("contract_id")?,
                counted,
                documents: row.value::<i64>("documents")?.unsigned_abs(),
            }))
        };
        let counts = rows.iter().filter_map(|row| count(row).transpose()).collect::<Result<Vec<_>>>()?;
        Ok(figures(counts))
    }
}

/// Adds to the counts of a slot. The parameters are those of [`RefusedColumns::params`] and the slot. Ordered, so that
/// two transactions cannot deadlock.
pub(crate) const ADD: &str =
    "INSERT INTO statistics AS s (institution_id, day, contract_id, kind, slot, documents)
    SELECT institution_id, day, contract_id, kind, $6, documents
    FROM unnest($1::uuid[], $2::integer[], $3::uuid[], $4::smallint[], $5::bigint[])
      AS refused (institution_id, day, contract_id, kind, documents)
    ORDER BY institution_id, day, contract_id, kind
    ON CONFLICT (institution_id, day, contract_id, kind, slot)
    DO UPDATE SET documents = s.documents + excluded.documents";

/// What acceptances refuse, by column.
#[derive(Default)]
pub(crate) struct RefusedColumns {
    institution: Vec<Uuid>,
    day: Vec<Number<SeoulDay>>,
    contract: Vec<Uuid>,
    kind: Vec<Number<Counted>>,
    documents: Vec<i64>,
}

impl RefusedColumns {
    pub(crate) fn of(batches: &[&Batch]) -> Self {
        let mut counts: BTreeMap<(InstitutionId, SeoulDay, ContractUuid, Counted), u64> = BTreeMap::new();
        for batch in batches {
            for (counted, documents) in &batch.refused {
                let key = (batch.institution, SeoulDay::of(batch.accepted_at), batch.contract, *counted);
                *counts.entry(key).or_default() += documents;
            }
        }
        let mut columns = Self::default();
        for ((institution, day, contract, counted), documents) in counts {
            columns.institution.push(institution.uuid());
            columns.day.push(Number(day));
            columns.contract.push(contract.uuid());
            columns.kind.push(Number(counted));
            columns.documents.push(documents.cast_signed());
        }
        columns
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.institution.is_empty()
    }

    pub(crate) fn params<'a>(&'a self, slot: &'a i16) -> [Param<'a>; 6] {
        [&self.institution, &self.day, &self.contract, &self.kind, &self.documents, slot]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trigger_counts_what_is_counted() {
        let numbers: Vec<String> = Counted::steps().map(|step| step.as_number().to_string()).collect();
        let listed = format!("event_type IN ({})", numbers.join(", "));
        let migration = include_str!("../migrations/V6__statistics.sql");
        assert_eq!(migration.matches(&listed).count(), 2, "{listed}");
    }
}
