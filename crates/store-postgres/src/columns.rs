//! Reading and writing what the schema holds.

use seoham_model::status::Times;
use seoham_model::{AccessTokenId, BinderId, ContractUuid, InstitutionId, PersonId, PlanId, UnixSeconds};
use seoham_store::{Result, StoreError};
use seoham_vault::BlindIndex;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

/// An id as the database keeps it.
pub(crate) trait Id: Sized {
    /// To a parameter.
    fn uuid(&self) -> Uuid;
    /// From a column.
    fn of(uuid: Uuid) -> Self;
}

macro_rules! ids {
    ($($name:ident),*) => {$(
        impl Id for $name {
            fn uuid(&self) -> Uuid {
                Uuid::from_bytes(*self.as_bytes())
            }

            fn of(uuid: Uuid) -> Self {
                Self::from_bytes(*uuid.as_bytes())
            }
        }
    )*};
}

ids!(AccessTokenId, BinderId, ContractUuid, InstitutionId, PersonId, PlanId);

pub(crate) fn uuids<T: Id>(ids: &[T]) -> Vec<Uuid> {
    ids.iter().map(Id::uuid).collect()
}

/// Columns by their names; what does not read back as what it should be is damage.
pub(crate) trait Columns {
    fn value<'a, T: FromSql<'a>>(&'a self, column: &'static str) -> Result<T>;

    fn id<T: Id>(&self, column: &'static str) -> Result<T> {
        self.value(column).map(T::of)
    }

    fn moment(&self, column: &'static str) -> Result<Option<UnixSeconds>> {
        Ok(self.value::<Option<i64>>(column)?.map(UnixSeconds))
    }

    fn index(&self, column: &'static str) -> Result<BlindIndex> {
        self.value::<&[u8]>(column)?.try_into().map_err(|_| StoreError::Damaged(column))
    }

    fn times(&self) -> Result<Times> {
        Ok(Times {
            sent_at: UnixSeconds(self.value("sent_at")?),
            received_at: self.moment("received_at")?,
            authenticated_at: self.moment("authenticated_at")?,
            token_used_at: self.moment("token_used_at")?,
            read_at: self.moment("read_at")?,
            notified_at: self.moment("notified_at")?,
        })
    }
}

impl Columns for Row {
    fn value<'a, T: FromSql<'a>>(&'a self, column: &'static str) -> Result<T> {
        self.try_get(column).map_err(|_| StoreError::Damaged(column))
    }
}
