//! What a database must be like for a node to serve from it: its durability, its clock, the role's rights and
//! the connections that it allows. Looked at before the schema is touched, and again and again after.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use seoham_model::{Clock, Standing, clock};
use seoham_store::{Health, Obstacle, Result, StoreError};
use tokio_postgres::{Client, Row};

use crate::PostgresStore;
use crate::columns::Columns;

/// How often a database is looked at.
const EVERY: Duration = Duration::from_secs(5);

/// Everything in one round trip. A transaction that only holds with the settings `fsync`, `full_page_writes` and
/// `synchronous_commit` survives the loss of power (SPEC 5). Rights are looked for in every table of the
/// schema, and connections by the least of the three limits that PostgreSQL has.
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

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Settings that are off and must not be.
    not_durable: Vec<&'static str>,
    /// The database's clock, in Unix milliseconds.
    now_millis: i64,
    /// Tables that the role may not use as the program does.
    forbidden: Option<String>,
    /// The role may make the partitions of the months to come.
    makes_partitions: bool,
    /// Connections that the role may have at once.
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
            // There is no partitioned table yet where the schema is still to be made.
            makes_partitions: row.value::<Option<bool>>("makes_partitions")?.unwrap_or(true),
            connections: row.value("connections")?,
        })
    }

    /// What a row says that does not read: nothing that could be relied on.
    fn nothing() -> Self {
        Self {
            not_durable: vec!["fsync"],
            now_millis: 0,
            forbidden: None,
            makes_partitions: false,
            connections: 0,
        }
    }

    /// Settings that are off and must not be.
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

/// What is to be done about a node's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnClock {
    /// It agrees with the database's.
    Serve,
    /// The machine's clock agrees with the database's, and the process's does not: it is taken.
    TakeMachines,
    /// The process's is so many milliseconds ahead, or behind where it is negative.
    Hold(i64),
}

/// `own` and `machine` are how many milliseconds the process's and the machine's clock are ahead of the
/// database's.
fn on_clock(own: i64, machine: i64) -> OnClock {
    match (Standing::of(own), Standing::of(machine)) {
        (Standing::Together, _) => OnClock::Serve,
        (Standing::Apart(_), Standing::Together) => OnClock::TakeMachines,
        (Standing::Apart(own), Standing::Apart(_)) => OnClock::Hold(own),
    }
}

/// When the database was last looked at, and what is asked of it.
pub(crate) struct Examination {
    last: Mutex<Option<Instant>>,
    /// How far the machine's clock was from the process's when that was last logged, in seconds.
    apart_seconds: AtomicI64,
    connections: i64,
    allow_data_loss: bool,
}

impl Examination {
    /// Of a node that opens at most `connections`; with `allow_data_loss` the database may forget what it
    /// committed.
    pub(crate) fn new(connections: usize, allow_data_loss: bool) -> Self {
        let connections = i64::try_from(connections).unwrap_or(i64::MAX);
        Self { last: Mutex::default(), apart_seconds: AtomicI64::new(0), connections, allow_data_loss }
    }

    /// Whether the machine's clock jumped since this was last asked: once for each jump.
    fn has_changed(&self, apart_millis: i64) -> bool {
        let before = self.apart_seconds.swap(apart_millis / 1000, Ordering::Relaxed);
        Standing::of(apart_millis - before * 1000) != Standing::Together
    }

    /// The next look is due at once.
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

    /// Reports what was found. `asked` is when the database was asked.
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

        // It was read somewhere between the question and the answer.
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
