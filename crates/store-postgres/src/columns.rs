//! Reading and writing columns of the schema.

use std::error::Error;
use std::fmt::Debug;

use bytes::BytesMut;
use seoham_model::{
    AccessTokenId, ActionId, AgencyId, BinderId, BlockId, ContractUuid, InstitutionId, ParcelId, PersonId,
    PlanId, StoredNumber, UnixSeconds, WebhookId,
};
use seoham_store::{Result, StoreError};
use seoham_vault::BlindIndex;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};
use uuid::Uuid;

/// An id as stored in the database.
pub(crate) trait Id: Sized {
    /// Converts it to a parameter.
    fn uuid(&self) -> Uuid;
    /// Converts it from a column.
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

ids!(
    AccessTokenId,
    ActionId,
    AgencyId,
    BinderId,
    BlockId,
    ContractUuid,
    InstitutionId,
    ParcelId,
    PersonId,
    PlanId,
    WebhookId
);

pub(crate) fn uuids<T: Id>(ids: &[T]) -> Vec<Uuid> {
    ids.iter().map(Id::uuid).collect()
}

/// An enum stored as a number, as a column or parameter of any integer type. An unknown number is reported as damage,
/// never replaced by a default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<T>(pub(crate) T);

impl<'a, T: StoredNumber> FromSql<'a> for Number<T> {
    fn from_sql(column: &Type, raw: &'a [u8]) -> std::result::Result<Self, Box<dyn Error + Sync + Send>> {
        let number = match *column {
            Type::INT2 => i16::from_sql(column, raw)?.into(),
            Type::INT4 => i32::from_sql(column, raw)?.into(),
            _ => i64::from_sql(column, raw)?,
        };
        T::from_number(number).map(Self).ok_or_else(|| "it means nothing here".into())
    }

    accepts!(INT2, INT4, INT8);
}

impl<T: StoredNumber + Debug> ToSql for Number<T> {
    fn to_sql(
        &self,
        column: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn Error + Sync + Send>> {
        let number = self.0.as_number();
        match *column {
            Type::INT2 => i16::try_from(number)?.to_sql(column, out),
            Type::INT4 => i32::try_from(number)?.to_sql(column, out),
            _ => number.to_sql(column, out),
        }
    }

    accepts!(INT2, INT4, INT8);
    to_sql_checked!();
}

/// Reads columns by name. A value that does not decode is reported as damage.
pub(crate) trait Columns {
    fn value<'a, T: FromSql<'a>>(&'a self, column: &'static str) -> Result<T>;

    fn id<T: Id>(&self, column: &'static str) -> Result<T> {
        self.value(column).map(T::of)
    }

    /// Decodes a stored number.
    fn number<T: StoredNumber>(&self, column: &'static str) -> Result<T> {
        self.value::<Number<T>>(column).map(|number| number.0)
    }

    fn moment(&self, column: &'static str) -> Result<Option<UnixSeconds>> {
        Ok(self.value::<Option<i64>>(column)?.map(UnixSeconds))
    }

    fn index(&self, column: &'static str) -> Result<BlindIndex> {
        self.value::<&[u8]>(column)?.try_into().map_err(|_| StoreError::damaged(column))
    }
}

impl Columns for Row {
    fn value<'a, T: FromSql<'a>>(&'a self, column: &'static str) -> Result<T> {
        self.try_get(column).map_err(|_| StoreError::damaged(column))
    }
}
