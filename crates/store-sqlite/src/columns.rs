//! Reading columns of the schema.

use std::rc::Rc;

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Type, Value, ValueRef};
use rusqlite::{Error, Row};
use seoham_model::{
    AccessTokenId, ActionId, AgencyId, BinderId, BlockId, ContractUuid, InstitutionId, ParcelId, PersonId,
    PlanId, StoredNumber, UnixSeconds, WebhookId,
};
use seoham_store::StoreError;

/// A 16-byte id as a column.
pub(crate) struct Id<T>(pub(crate) T);

macro_rules! id_column {
    ($($name:ident),*) => {$(
        impl FromSql for Id<$name> {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let bytes = value.as_blob()?.try_into().map_err(|_| FromSqlError::InvalidType)?;
                Ok(Self($name::from_bytes(bytes)))
            }
        }

        impl ToSql for Id<$name> {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
            }
        }
    )*};
}

id_column!(
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

/// An enum stored as a number. An unknown number is reported as damage, never replaced by a default.
pub(crate) struct Number<T>(pub(crate) T);

impl<T: StoredNumber> FromSql for Number<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        T::from_number(value.as_i64()?)
            .map(Self)
            .ok_or_else(|| FromSqlError::Other("it means nothing here".into()))
    }
}

impl<T: StoredNumber> ToSql for Number<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(Value::Integer(self.0.as_number())))
    }
}

/// Blobs as a table, for `rarray(?)` in a statement; its rows are numbered from one.
pub(crate) fn blobs<'a>(blobs: impl Iterator<Item = &'a [u8]>) -> Rc<Vec<Value>> {
    Rc::new(blobs.map(|blob| Value::Blob(blob.to_vec())).collect())
}

/// Decodes the number in column `index`.
pub(crate) fn number<T: StoredNumber>(row: &Row<'_>, index: usize) -> Result<T, Error> {
    row.get::<_, Number<T>>(index).map(|number| number.0)
}

/// The time in column `index`, or `None` for NULL.
pub(crate) fn moment(row: &Row<'_>, index: usize) -> Result<Option<UnixSeconds>, Error> {
    Ok(row.get::<_, Option<i64>>(index)?.map(UnixSeconds))
}

/// Unwraps a value decoded from column `index`. An unknown one is reported as damage, never replaced by a default.
pub(crate) fn known<T>(index: usize, meaning: Option<T>) -> Result<T, Error> {
    meaning.ok_or_else(|| Error::FromSqlConversionFailure(index, Type::Null, "it means nothing here".into()))
}

/// Whether the disk failed or its contents are not a valid database, so that earlier writes cannot be trusted either.
/// A full disk does not count: it rejects a write before storing anything.
pub(crate) fn is_disk_failure(error: &Error) -> bool {
    use rusqlite::ErrorCode as Code;
    matches!(
        error.sqlite_error_code(),
        Some(Code::SystemIoFailure | Code::DatabaseCorrupt | Code::NotADatabase)
    )
}

/// Converts an SQLite error into a store error: writes are rejected, or the store failed.
pub(crate) fn store_error(error: &Error) -> StoreError {
    use rusqlite::ErrorCode as Code;
    match error.sqlite_error_code() {
        Some(
            Code::OperationInterrupted
            | Code::DiskFull
            | Code::ReadOnly
            | Code::CannotOpen
            | Code::SystemIoFailure
            | Code::DatabaseBusy,
        ) => StoreError::Unavailable(error.to_string()),
        // Leaves out the error text, which may contain the value.
        _ if is_unreadable(error) => StoreError::damaged("a column"),
        _ => StoreError::Failed(error.to_string()),
    }
}

fn is_unreadable(error: &Error) -> bool {
    use Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
    matches!(error, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..))
}

/// What was read of a row. A column that does not decode is damage of that row alone, and not of the statement.
pub(crate) fn of_row<T>(read: rusqlite::Result<T>) -> rusqlite::Result<seoham_store::Result<T>> {
    match read {
        Err(error) if is_unreadable(&error) => Ok(Err(store_error(&error))),
        read => read.map(Ok),
    }
}
