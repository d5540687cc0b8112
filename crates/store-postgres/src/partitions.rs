//! The monthly partitions of parcels and of what belongs to their documents: created before they are needed, dropped when
//! they are too old. A document's month is that of the time in its id, in UTC.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use jiff::civil::Date;
use seoham_model::{ParcelId, UnixSeconds};
use seoham_store::{Result, StoreError};

use crate::columns::Id;
use crate::failure::Doing;
use crate::locks::PARTITIONS;
use crate::session::Session;

/// The partitioned tables.
pub(crate) const TABLES: [&str; 4] = ["parcels", "notices", "marks", "one_time_tokens"];

/// The storage options of the partitions of `table`. Persons and heads of a hundred documents stay in their row, and so do
/// their notices, which are written again with every batch of reports; marks are written again with every step.
fn storage(table: &str) -> &'static str {
    match table {
        "parcels" => "toast_tuple_target = 8160",
        "notices" => "toast_tuple_target = 8160, fillfactor = 50",
        _ => "fillfactor = 70",
    }
}

/// One month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Month(Date);

impl Month {
    pub(crate) fn of(moment: UnixSeconds) -> Self {
        let timestamp = jiff::Timestamp::from_second(moment.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        Self(jiff::tz::Offset::UTC.to_datetime(timestamp).date().first_of_month())
    }

    pub(crate) fn next(self) -> Self {
        let next = self.0.last_of_month().tomorrow();
        Self(next.unwrap_or(self.0))
    }

    /// The time at which it begins.
    pub(crate) fn begins_at(self) -> UnixSeconds {
        let begin = self.0.to_zoned(jiff::tz::TimeZone::UTC);
        UnixSeconds(begin.map_or(0, |begin| begin.timestamp().as_second()))
    }

    /// The first id of the month, and the first of the next.
    pub(crate) fn ids(self) -> (uuid::Uuid, uuid::Uuid) {
        (self.first_id(), self.next().first_id())
    }

    fn first_id(self) -> uuid::Uuid {
        let millis = u64::try_from(self.begins_at().0).unwrap_or(0) * 1000;
        ParcelId::first_at(millis).uuid()
    }

    /// The month in the name of a partition.
    pub(crate) fn of_partition(name: &str) -> Option<Self> {
        let mut parts = name.rsplitn(3, '_');
        let (month, year) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Date::new(year, month, 1).ok().map(Self)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}_{:02}", self.0.year(), self.0.month())
    }
}

/// The months whose partitions are known to exist.
#[derive(Default)]
pub(crate) struct Partitions {
    known: Mutex<BTreeSet<Month>>,
}

impl Partitions {
    /// Creates missing partitions for `ids`.
    pub(crate) async fn make_for(
        &self,
        session: &Session,
        ids: impl Iterator<Item = ParcelId>,
    ) -> Result<()> {
        let seconds = |id: ParcelId| i64::try_from(id.unix_millis() / 1000).unwrap_or(i64::MAX);
        let months: BTreeSet<Month> = ids.map(|id| Month::of(UnixSeconds(seconds(id)))).collect();
        for month in months {
            self.forget(month);
            self.make(session, month).await?;
        }
        Ok(())
    }

    /// Creates the partitions of a month, unless they are known to exist.
    pub(crate) async fn make(&self, session: &Session, month: Month) -> Result<()> {
        if self.lock().contains(&month) {
            return Ok(());
        }
        // One node at a time, in one transaction.
        let sql = format!("BEGIN; SET LOCAL lock_timeout = '5s'; {PARTITIONS}; {} COMMIT", make_sql(month));
        let made = session.within(Doing::Writing("a month"), session.client().batch_execute(&sql)).await;
        if made.is_err() {
            session.spoil();
        }
        made?;
        self.lock().insert(month);
        Ok(())
    }

    pub(crate) fn forget(&self, month: Month) {
        self.lock().remove(&month);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<Month>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The statements that create a month's tables. Creating a table first and attaching it then does not block users of
/// the other partitions.
pub(crate) fn make_sql(month: Month) -> String {
    let (from, to) = month.ids();
    let make = |table: &str| {
        let storage = storage(table);
        format!(
            "DO $$ BEGIN IF to_regclass('{table}_{month}') IS NULL THEN
               CREATE TABLE {table}_{month} (LIKE {table} INCLUDING ALL) WITH ({storage});
               ALTER TABLE {table} ATTACH PARTITION {table}_{month} FOR VALUES FROM ('{from}') TO ('{to}');
             END IF; END $$;"
        )
    };
    TABLES.map(make).concat()
}

/// The months for which `table` has partitions, oldest first.
pub(crate) async fn months(session: &Session, table: &str) -> Result<Vec<Month>> {
    let sql = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
               WHERE i.inhparent = to_regclass($1) ORDER BY c.relname";
    let rows = session.query(sql, &[&table]).await?;
    let month = |row: &tokio_postgres::Row| {
        let name: &str = row.try_get(0).map_err(|_| StoreError::damaged("a partition's name"))?;
        Month::of_partition(name).ok_or(StoreError::damaged("a partition's name"))
    };
    rows.iter().map(month).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_back_from_its_name() {
        let month = Month::of(UnixSeconds(1_795_359_600));
        assert_eq!(month.to_string(), "2026_11");
        assert_eq!(Month::of_partition("one_time_tokens_2026_11"), Some(month));
        assert_eq!(Month::of_partition("documents"), None);
    }

    #[test]
    fn months_follow_one_another_without_a_gap() {
        let mut month = Month::of(UnixSeconds(1_795_359_600));
        for _ in 0..30 {
            let next = month.next();
            assert_eq!(Month::of(next.begins_at()), next);
            assert_eq!(Month::of(next.begins_at().plus(-1)), month);
            month = next;
        }
        assert_eq!(month.to_string(), "2029_05");
    }
}
