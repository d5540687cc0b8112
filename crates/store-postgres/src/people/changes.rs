//! The log of changes of people, which keeps the nodes' caches coherent (migration V7).

use seoham_model::PersonId;
use seoham_store::{Result, StoreError};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error, Row, Statement};

use crate::columns::Columns;
use crate::session::Session;

/// More changes at once are not read: the cache begins anew.
const READ_AT_ONCE: u16 = 1_000;
/// Changes removed in one step.
const FORGOTTEN_AT_ONCE: i64 = 10_000;

/// Everything below `decided_below` has been committed or rolled back, so it is seen here or never. A mark of what is
/// forgotten that no transaction has reached is of another cluster, whose dump was loaded here.
const READ: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS decided_below,
      coalesce((SELECT f.below::text::bigint FROM people_changes_forgotten f
                WHERE f.below <= pg_snapshot_xmax(pg_current_snapshot())), 0) AS forgotten_below,
      ARRAY(SELECT c.person_id FROM people_changes c WHERE c.change_xid >= $1::bigint::text::xid8 LIMIT $2) AS changed";

const FORGET: &str = "WITH gone AS (
      DELETE FROM people_changes WHERE ctid IN (
        SELECT ctid FROM people_changes WHERE changed_at < clock_timestamp() - interval '10 minutes'
        ORDER BY change_xid LIMIT $1)
      RETURNING change_xid),
    last AS (SELECT max(change_xid::text::bigint) AS xid FROM gone
             WHERE change_xid < pg_snapshot_xmax(pg_current_snapshot())),
    marked AS (UPDATE people_changes_forgotten f SET below = (last.xid + 1)::text::xid8 FROM last
               WHERE last.xid IS NOT NULL
                 AND (last.xid >= f.below::text::bigint OR f.below > pg_snapshot_xmax(pg_current_snapshot())))
    SELECT count(*) AS gone FROM gone";

/// Who changed since a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changes {
    /// The transaction to read on from.
    pub(super) read_on_from: i64,
    /// Who may have changed; `None` if it is not known, so that it may be anybody.
    pub(super) changed: Option<Vec<PersonId>>,
}

/// A connection that reads the log.
///
/// It is one connection for as long as it lasts: numbers of transactions that a server had not yet written down when it
/// failed are used again, and with it every connection ends.
pub(super) struct ChangesReader {
    client: Client,
    statement: Statement,
    connection: JoinHandle<()>,
}

impl ChangesReader {
    pub(super) async fn new(client: Client, connection: JoinHandle<()>) -> std::result::Result<Self, Error> {
        let statement = client.prepare(READ).await?;
        Ok(Self { client, statement, connection })
    }

    /// The transaction from which the log has to be read by whoever knows nothing yet.
    pub(super) async fn begin(&self) -> Result<i64> {
        Ok(self.since(i64::MAX).await?.read_on_from)
    }

    /// Who changed since the transaction `since`. Several calls at the same time are sent together.
    pub(super) async fn since(&self, since: i64) -> Result<Changes> {
        let row = self.client.query_one(&self.statement, &[&since, &i64::from(READ_AT_ONCE + 1)]).await;
        changes(&row.map_err(|error| StoreError::Unavailable(error.to_string()))?, since)
    }
}

impl Drop for ChangesReader {
    fn drop(&mut self) {
        // Whatever it waits for: another connection takes its place.
        self.connection.abort();
    }
}

fn changes(row: &Row, since: i64) -> Result<Changes> {
    let changed: Vec<uuid::Uuid> = row.value("changed")?;
    let is_complete =
        since >= row.value::<i64>("forgotten_below")? && changed.len() <= usize::from(READ_AT_ONCE);
    let changed = changed.into_iter().map(crate::columns::Id::of).collect();
    Ok(Changes { read_on_from: row.value("decided_below")?, changed: is_complete.then_some(changed) })
}

/// Forgets old changes. A node that has not read them finds out from the mark. Returns whether there may be more.
pub(crate) async fn forget_changes(session: &Session) -> Result<bool> {
    let rows = session.write("old changes of people", FORGET, &[&FORGOTTEN_AT_ONCE]).await?;
    let gone: i64 = rows.first().map_or(Ok(0), |row| row.value("gone"))?;
    Ok(gone >= FORGOTTEN_AT_ONCE)
}
