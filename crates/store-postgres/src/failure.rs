//! Converts PostgreSQL errors into store errors: unavailable, failed, or uncertain whether it was written.

use deadpool_postgres::PoolError;
use seoham_store::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// The operation that failed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Doing {
    /// It cannot have written anything.
    Reading,
    /// It commits.
    Writing(&'static str),
}

impl Doing {
    /// The connection was lost, or no reply arrived.
    pub(crate) fn broken_off(self, why: &str) -> StoreError {
        match self {
            Self::Reading => StoreError::Unavailable(why.to_owned()),
            Self::Writing(what) => StoreError::Uncertain(what),
        }
    }

    pub(crate) fn failed(self, error: &Error) -> StoreError {
        match error.code() {
            None => self.broken_off("the connection to the database was lost"),
            // The server terminated the session, perhaps while it waited for a standby: then it has committed.
            Some(code) if going_down(code) => self.broken_off("the database is going down"),
            Some(code) if away(code) => StoreError::Unavailable(text(error)),
            Some(_) => StoreError::Failed(text(error)),
        }
    }
}

/// The message without the detail, which repeats values.
fn text(error: &Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |db| format!("{} ({})", db.message(), db.code().code()))
}

fn going_down(code: &SqlState) -> bool {
    [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN].contains(code)
}

/// Temporarily unavailable: starting up, out of resources or connections, or no longer the primary.
fn away(code: &SqlState) -> bool {
    let class = &code.code()[..2];
    class == "53"
        || class == "08"
        || [
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::IO_ERROR,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ]
        .contains(code)
}

/// The transaction was completely rolled back because of a conflict with another.
pub(crate) fn is_conflict(error: &Error) -> bool {
    let conflicts = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
    error.code().is_some_and(|code| conflicts.contains(code))
}

/// It was rolled back because of a lock timeout or a conflict with another transaction.
pub(crate) fn gave_way(error: &Error) -> bool {
    error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) || is_conflict(error)
}

/// There is no partition for a row.
pub(crate) fn lacks_partition(error: &Error) -> bool {
    error.as_db_error().is_some_and(|db| *db.code() == SqlState::CHECK_VIOLATION && db.constraint().is_none())
}

/// The key already exists, or waiting for another transaction that may be writing it timed out. Nothing was written.
pub(crate) fn key_may_be_known(error: &Error) -> bool {
    error.as_db_error().is_some_and(|db| {
        let known = *db.code() == SqlState::UNIQUE_VIOLATION && db.table() == Some("idempotency_records");
        known || *db.code() == SqlState::LOCK_NOT_AVAILABLE
    })
}

/// The connection cannot be reused: it was lost, or the server is no longer the primary.
pub(crate) fn spoils_connection(error: &Error) -> bool {
    match error.code() {
        None => true,
        Some(code) => {
            going_down(code)
                || [SqlState::READ_ONLY_SQL_TRANSACTION, SqlState::IN_FAILED_SQL_TRANSACTION].contains(code)
        }
    }
}

/// No connection was available.
pub(crate) fn no_connection(error: &PoolError) -> StoreError {
    match error {
        // All connections are in use: overload.
        PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => StoreError::Overloaded,
        PoolError::Backend(error) => StoreError::Unavailable(text(error)),
        other => StoreError::Unavailable(other.to_string()),
    }
}
