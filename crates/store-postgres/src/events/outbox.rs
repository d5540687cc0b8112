//! The transactional outbox: steps on their way into the ledger, as columns for a statement that writes them.

use seoham_model::EventType;
use seoham_store::events::{DocumentSet, Step};
use seoham_store::{Result, StoreError};
use uuid::Uuid;

use crate::columns::{Columns, Id, Number};
use crate::partitions::Month;
use crate::session::{Param, Session};

/// Writes steps in their order. The parameters are those of [`StepColumns::params`].
pub(crate) const ADD: &str =
    "INSERT INTO outbox (institution_id, event_type, event_count, at, parcel_id, documents)
    SELECT institution_id, event_type, event_count, at, parcel_id, documents
    FROM unnest($1::uuid[], $2::smallint[], $3::smallint[], $4::bigint[], $5::uuid[], $6::bytea[]) WITH ORDINALITY
      AS step (institution_id, event_type, event_count, at, parcel_id, documents, place)
    ORDER BY place";

/// Steps by column. Those without documents are left out.
#[derive(Default)]
pub(crate) struct StepColumns {
    institution: Vec<Uuid>,
    event_type: Vec<Number<EventType>>,
    event_count: Vec<i16>,
    at: Vec<i64>,
    parcel: Vec<Option<Uuid>>,
    documents: Vec<Option<Vec<u8>>>,
}

impl StepColumns {
    pub(crate) fn of(steps: impl IntoIterator<Item = Step>) -> Self {
        let mut columns = Self::default();
        for step in steps.into_iter().filter(|step| step.event_count() > 0) {
            let (parcel, documents) = step.documents.unzip();
            columns.institution.push(step.institution.uuid());
            columns.event_type.push(Number(step.event_type));
            columns.event_count.push(step.event_count().into());
            columns.at.push(step.at.0);
            columns.parcel.push(parcel.map(|parcel| parcel.uuid()));
            columns.documents.push(documents.map(|documents: DocumentSet| documents.to_bytes().to_vec()));
        }
        columns
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.institution.is_empty()
    }

    pub(crate) fn params(&self) -> [Param<'_>; 6] {
        [&self.institution, &self.event_type, &self.event_count, &self.at, &self.parcel, &self.documents]
    }
}

/// Whether steps of documents from before `month` wait for their numbers.
pub(crate) async fn has_before(session: &Session, month: Month) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM outbox WHERE parcel_id < $1) AS has_steps";
    let row = session.query_opt(sql, &[&month.ids().0]).await?;
    row.ok_or(StoreError::damaged("the outbox"))?.value("has_steps")
}

/// Writes steps, in a transaction.
pub(crate) async fn add(session: &Session, steps: impl IntoIterator<Item = Step>) -> Result<()> {
    let columns = StepColumns::of(steps);
    if columns.is_empty() { Ok(()) } else { session.query(ADD, &columns.params()).await.map(drop) }
}
