//! What a node requires of a database: durability, a correct clock, the role's privileges and enough connections.
//! Checked before the schema is touched, and periodically afterwards.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use seoham_model::{Clock, Standing, clock};
use seoham_store::{Health, Obstacle, Result, StoreError};
use tokio_postgres::{Client, Row};

use crate::PostgresStore;
use crate::columns::Columns;

/// How often to check a database.
const EVERY: Duration = Duration::from_secs(5);

/// Reads everything in one round trip. Only with the settings `fsync`, `full_page_writes` and `synchronous_commit`
/// does a transaction survive a power failure (SPEC 5). Privileges are checked on every table of the schema, and the
/// number of connections is the lowest of PostgreSQL's three limits.
const FACTS: &str = "SELECT
    current_setting('fsync') = 'on' AS fsync,
    current_setting('full_page_writes') = 'on' AS full_page_writes,
    current_setting('synchronous_commit') <> 'off' AS synchronous_commit,
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_millis,
    (SELECT string_agg(c.relname::text, ', ' ORDER BY c.relname) FROM pg_class c
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND c.relname <> 'refinery_schema_history'
       AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
            AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))) AS forbidden,
    (SELECT bool_and(pg_has_role(c.relowner, 'USAGE')) FROM pg_class c
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'p' AND NOT c.relispartition)
      AND has_schema_privilege(current_schema(), 'CREATE') AS makes_partitions,
    (SELECT CASE WHEN rolsuper THEN current_setting('max_connections')::int ELSE least(
      current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
      nullif(rolconnlimit, -1),
      (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
    ) END FROM pg_roles WHERE rolname = current_user)::bigint AS connections";

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Required settings that are off.
    not_durable: Vec<&'static str>,
    /// The database's clock, in Unix milliseconds.
    now_millis: i64,
    /// Tables on which the role lacks a required privilege.
    forbidden: Option<String>,
    /// Whether the role may create partitions for future months.
    makes_partitions: bool,
    /// Number of concurrent connections that the role may have.
    connections: i64,
}

impl Facts {
    pub(crate) async fn of(client: &Client) -> std::result::Result<Self, tokio_postgres::Error> {
        let row = client.query_one(FACTS, &[]).await?;
        Ok(Self::read(&row).unwrap_or_else(|_| Self::nothing()))
    }

    fn read(row: &Row) -> Result<Self> {
        let mut not_durable = Vec::new();
        for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
            if !row.value::<bool>(setting)? {
                not_durable.push(setting);
            }
        }
        Ok(Self {
            not_durable,
            now_millis: row.value("now_millis")?,
            forbidden: row.value("forbidden")?,
            // There is no partitioned table yet if the schema has not been created.
            makes_partitions: row.value::<Option<bool>>("makes_partitions")?.unwrap_or(true),
            connections: row.value("connections")?,
        })
    }

    /// The facts for a row that does not decode: nothing can be relied on.
    fn nothing() -> Self {
        Self {
            not_durable: vec!["fsync"],
            now_millis: 0,
            forbidden: None,
            makes_partitions: false,
            connections: 0,
        }
    }

    /// Required settings that are off.
    pub(crate) fn not_durable(&self) -> Option<String> {
        (!self.not_durable.is_empty()).then(|| self.not_durable.join(", "))
    }

    fn lacking_rights(&self) -> Option<String> {
        match (&self.forbidden, self.makes_partitions) {
            (Some(tables), _) => Some(format!("no SELECT, INSERT, UPDATE and DELETE on: {tables}")),
            (None, false) => Some("it may not make the partitions of the months to come".to_owned()),
            (None, true) => None,
        }
    }
}

/// What to do about a node's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnClock {
    /// Serve: it agrees with the database's clock.
    Serve,
    /// Switch to the machine's clock, which agrees with the database's, while the process's does not.
    TakeMachines,
    /// Hold: the process's clock is ahead by this many milliseconds, or behind if negative.
    Hold(i64),
}

/// `own` and `machine` are how far the clocks of the process and of the machine are ahead of the database's, in
/// milliseconds.
fn on_clock(own: i64, machine: i64) -> OnClock {
    match (Standing::of(own), Standing::of(machine)) {
        (Standing::Together, _) => OnClock::Serve,
        (Standing::Apart(_), Standing::Together) => OnClock::TakeMachines,
        (Standing::Apart(own), Standing::Apart(_)) => OnClock::Hold(own),
    }
}

/// When the database was last checked, and what is required of it.
pub(crate) struct Examination {
    last: Mutex<Option<Instant>>,
    /// The difference between the machine's and the process's clock when it was last logged, in seconds.
    apart_seconds: AtomicI64,
    connections: i64,
    allow_data_loss: bool,
}

impl Examination {
    /// For a node that opens at most `connections`. With `allow_data_loss`, the database need not be durable.
    pub(crate) fn new(connections: usize, allow_data_loss: bool) -> Self {
        let connections = i64::try_from(connections).unwrap_or(i64::MAX);
        Self { last: Mutex::default(), apart_seconds: AtomicI64::new(0), connections, allow_data_loss }
    }

    /// Whether the machine's clock jumped since the last call: `true` once per jump.
    fn has_changed(&self, apart_millis: i64) -> bool {
        let before = self.apart_seconds.swap(apart_millis / 1000, Ordering::Relaxed);
        Standing::of(apart_millis - before * 1000) != Standing::Together
    }

    /// Makes the next check due at once.
    pub(crate) fn look_again(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= EVERY);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }

    /// Reports the facts to `health`. `asked` is when the query was sent.
    pub(crate) fn report(&self, facts: &Facts, asked: Instant, clock: &Clock, health: &Health) {
        let hold = |obstacle, detail: Option<String>| match detail {
            Some(detail) => health.hold(obstacle, &detail),
            None => health.release(obstacle),
        };
        hold(
            Obstacle::NotDurable,
            facts.not_durable().filter(|_| !self.allow_data_loss).map(|off| off + " is off"),
        );
        hold(Obstacle::NoRights, facts.lacking_rights());
        let few = facts.connections < self.connections;
        let detail =
            || format!("{} are allowed, and this node opens {}", facts.connections, self.connections);
        hold(Obstacle::FewConnections, few.then(detail));

        // The time was read at some point between query and reply; assume the middle.
        let half = i64::try_from(asked.elapsed().as_millis() / 2).unwrap_or(0);
        let there = facts.now_millis.saturating_add(half);
        let (own, machine) = (-clock.ahead_of_this(there), clock::machine_millis().saturating_sub(there));
        #[allow(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("seoham_clock_apart_seconds").set(-(own as f64) / 1000.0);
        let standing = match on_clock(own, machine) {
            OnClock::TakeMachines => {
                tracing::warn!("the machine's clock was set, agrees with the database's, and is taken");
                clock.confirm();
                None
            }
            OnClock::Serve => None,
            OnClock::Hold(own) => Some(format!("{} s ahead of the database's", own / 1000)),
        };
        clock.compare_with(there);
        hold(Obstacle::ClockDiffers, standing);
    }
}

impl PostgresStore {
    pub(crate) async fn examine_database(&self) -> Result<()> {
        let inner = &self.inner;
        if let Standing::Apart(millis) = inner.clock.follow()
            && inner.examination.has_changed(millis)
        {
            tracing::warn!(
                seconds = millis / 1000,
                "the machine's clock was set; the process goes on by its own, compared with the database's"
            );
        }
        if !inner.examination.is_due() {
            return Ok(());
        }
        let session = inner.sessions.interactive().await?;
        let asked = Instant::now();
        let row = session.query_opt(FACTS, &[]).await?;
        let facts = Facts::read(&row.ok_or(StoreError::damaged("the database's settings"))?)?;
        inner.examination.report(&facts, asked, &inner.clock, &inner.health);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_databases_clock_decides() {
        const DAY: i64 = 86_400_000;
        for (own, machine, then) in [
            (0, 0, OnClock::Serve),
            (9_000, -9_000, OnClock::Serve),
            (0, 60 * DAY, OnClock::Serve),
            (60 * DAY, 0, OnClock::TakeMachines),
            (60 * DAY, 60 * DAY, OnClock::Hold(60 * DAY)),
            (-11_000, 12_000, OnClock::Hold(-11_000)),
        ] {
            assert_eq!(on_clock(own, machine), then, "{own} {machine}");
        }
    }

    #[test]
    fn what_is_wrong_keeps_a_node_from_serving_until_it_is_right() {
        let (clock, health) = (Clock::default(), Health::default());
        let examination = Examination::new(20, false);
        let right = || Facts {
            not_durable: Vec::new(),
            now_millis: clock::machine_millis(),
            forbidden: None,
            makes_partitions: true,
            connections: 20,
        };
        let wrongs = [
            (Facts { not_durable: vec!["fsync"], ..right() }, Obstacle::NotDurable),
            (Facts { forbidden: Some("people".to_owned()), ..right() }, Obstacle::NoRights),
            (Facts { makes_partitions: false, ..right() }, Obstacle::NoRights),
            (Facts { connections: 19, ..right() }, Obstacle::FewConnections),
            (Facts { now_millis: clock::machine_millis() - 30_000, ..right() }, Obstacle::ClockDiffers),
        ];
        for (wrong, obstacle) in wrongs {
            examination.report(&wrong, Instant::now(), &clock, &health);
            assert_eq!(health.obstacle(), Some(obstacle));
            examination.report(&right(), Instant::now(), &clock, &health);
            assert_eq!(health.obstacle(), None, "{obstacle:?} is gone");
        }
        let careless = Examination::new(20, true);
        careless.report(&Facts { not_durable: vec!["fsync"], ..right() }, Instant::now(), &clock, &health);
        assert_eq!(health.obstacle(), None, "the operator said that it may");
    }
}
