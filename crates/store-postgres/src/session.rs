//! Connections: a bounded number for each lane, with a time limit for each operation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::{Client, Object, Pool};
use seoham_store::{Lane, Result};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use crate::failure::{Doing, is_conflict, no_connection, spoils_connection};
use crate::precedence::{Precedence, PriorityGuard};

/// Time limit of one statement; after it, the connection is abandoned. There is no `statement_timeout` on the server:
/// if it fired while a commit waits for its standby, the server would report that commit as done.
const STATEMENT_TIME: Duration = Duration::from_secs(10);

/// Time limit of operations that no caller waits for.
const LONG_TIME: Duration = Duration::from_secs(15 * 60);

/// How often to retry a statement that lost a conflict with another.
const CONFLICTS_MAX: u32 = 4;

/// A parameter.
pub(crate) type Param<'a> = &'a (dyn ToSql + Sync);

pub(crate) struct Sessions {
    pub(crate) interactive: Pool,
    pub(crate) bulk: Pool,
    pub(crate) precedence: Arc<Precedence>,
}

impl Sessions {
    /// A connection of `lane`.
    pub(crate) async fn of(&self, lane: Lane) -> Result<Session> {
        let (pool, name) = match lane {
            Lane::Interactive => (&self.interactive, "interactive"),
            Lane::Bulk => (&self.bulk, "bulk"),
        };
        let priority = match lane {
            Lane::Interactive => Some(self.precedence.begin()),
            Lane::Bulk => None,
        };
        let asked = Instant::now();
        let session = Session::from(pool).await.map(|mut session| {
            session.priority = priority;
            session
        });
        metrics::histogram!("seoham_connection_wait_seconds", "lane" => name)
            .record(asked.elapsed().as_secs_f64());
        session
    }

    /// A connection of `lane` for work on many documents or people at once.
    pub(crate) async fn for_many(&self, lane: Lane) -> Result<Session> {
        if lane == Lane::Bulk {
            self.precedence.after_people().await;
        }
        self.of(lane).await
    }

    pub(crate) async fn interactive(&self) -> Result<Session> {
        self.of(Lane::Interactive).await
    }

    pub(crate) async fn bulk(&self) -> Result<Session> {
        self.of(Lane::Bulk).await
    }
}

/// A connection in use. Dropping it returns it to the pool, unless it was spoilt: then it is closed, so that nobody
/// gets its leftover state.
pub(crate) struct Session {
    client: Option<Client>,
    /// Number of operations that started and did not end properly: still running, or abandoned.
    unfinished: AtomicU32,
    /// Set if it belongs to a person's request.
    priority: Option<PriorityGuard>,
}

impl Session {
    pub(crate) async fn from(pool: &Pool) -> Result<Self> {
        let client = pool.get().await.map_err(|e| no_connection(&e))?;
        Ok(Self { client: Some(client), unfinished: AtomicU32::new(0), priority: None })
    }

    /// The connection itself, for pipelined statements.
    pub(crate) fn client(&self) -> &Client {
        self.client.as_ref().expect("it is there until it is dropped")
    }

    pub(crate) async fn prepare(&self, sql: &'static str) -> Result<Statement> {
        self.within(Doing::Reading, self.client().prepare_cached(sql)).await
    }

    /// Reads rows.
    pub(crate) async fn query(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>> {
        let statement = self.prepare(sql).await?;
        self.within(Doing::Reading, self.client().query(&statement, params)).await
    }

    /// Reads one row, if there is one.
    pub(crate) async fn query_opt(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Option<Row>> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// Runs one statement that writes and commits. `what` names it in errors if the connection breaks. Retries if the
    /// database rolled it back to resolve a deadlock.
    pub(crate) async fn write(
        &self,
        what: &'static str,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>> {
        let statement = self.prepare(sql).await?;
        let work = async {
            for _ in 0..CONFLICTS_MAX {
                match self.client().query(&statement, params).await {
                    Err(error) if is_conflict(&error) => {}
                    other => return other,
                }
            }
            self.client().query(&statement, params).await
        };
        self.within(Doing::Writing(what), work).await
    }

    /// Runs `work` in a transaction, and commits unless it fails. `what` names what is written in the error of a commit
    /// that broke off.
    pub(crate) async fn transaction<T>(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.within(Doing::Reading, self.client().batch_execute("BEGIN"))
            .await
            .inspect_err(|_| self.spoil())?;
        match work.await {
            Ok(value) => {
                let commit = self.client().batch_execute("COMMIT");
                self.within(Doing::Writing(what), commit).await.map(|()| value)
            }
            Err(error) => {
                self.spoil();
                Err(error)
            }
        }
    }

    /// Waits for a database operation, with a time limit.
    pub(crate) async fn within<T>(
        &self,
        doing: Doing,
        work: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        self.at_most(STATEMENT_TIME, doing, work).await
    }

    /// The same for operations on a whole month, which no caller waits for.
    pub(crate) async fn within_long<T>(
        &self,
        doing: Doing,
        work: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        self.at_most(LONG_TIME, doing, work).await
    }

    /// Marks the connection as spoilt: an operation on it did not end, so close it instead of returning it to the
    /// pool.
    pub(crate) fn spoil(&self) {
        self.unfinished.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for a database operation for at most `time`.
    pub(crate) async fn at_most<T>(
        &self,
        time: Duration,
        doing: Doing,
        work: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    ) -> Result<T> {
        // Counted until the result is known, even if the caller is cancelled meanwhile.
        self.unfinished.fetch_add(1, Ordering::Relaxed);
        let ended = || self.unfinished.fetch_sub(1, Ordering::Relaxed);
        match tokio::time::timeout(time, work).await {
            Ok(Ok(value)) => {
                ended();
                Ok(value)
            }
            Ok(Err(error)) => {
                if !spoils_connection(&error) {
                    ended();
                }
                Err(doing.failed(&error))
            }
            Err(_) => Err(doing.broken_off("the database does not answer")),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(client) = self.client.take()
            && self.unfinished.load(Ordering::Relaxed) > 0
        {
            drop(Object::take(client));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use seoham_scratch_postgres::{Cluster, Database};

    use crate::connect::Connector;

    async fn sessions() -> (Sessions, Database) {
        let database =
            tokio::task::spawn_blocking(|| Cluster::shared().database()).await.expect("a database");
        let connector = Connector::new(database.url(), None).expect("a connection string");
        let pool = || connector.pool(1).expect("a pool");
        (Sessions { interactive: pool(), bulk: pool(), precedence: Arc::default() }, database)
    }

    async fn backend(session: &Session) -> i32 {
        let found = session.query_opt("SELECT pg_backend_pid() AS pid", &[]).await.expect("answers");
        found.expect("one row").get("pid")
    }

    #[tokio::test]
    async fn a_connection_on_which_something_is_unfinished_is_closed() {
        let (sessions, _database) = sessions().await;
        let session = sessions.interactive().await.expect("connects");
        let first = backend(&session).await;
        let failed = session.query("SELECT 1 / 0", &[]).await;
        assert!(failed.is_err());
        drop(session);

        let session = sessions.interactive().await.expect("connects");
        assert_eq!(backend(&session).await, first, "what failed has come to its end");
        // One of two pipelined statements fails, and nobody waits for the other.
        let both = futures_util::try_join!(
            session.query("SELECT 1 / 0", &[]),
            session.query("SELECT pg_sleep(600)", &[])
        );
        assert!(both.is_err());
        drop(session);
        let session = sessions.interactive().await.expect("connects");
        assert_ne!(backend(&session).await, first, "the other is still under way on it");
    }

    #[tokio::test]
    async fn only_what_is_about_many_lets_people_go_first() {
        let (sessions, _database) = sessions().await;
        for lane in [Lane::Bulk, Lane::Interactive] {
            drop(sessions.of(lane).await.expect("connects"));
        }
        let waits = || sessions.for_many(Lane::Bulk).now_or_never().is_none();
        assert!(!waits(), "nobody is under way");
        let person = sessions.interactive().await.expect("connects");
        assert!(waits());
        assert!(sessions.of(Lane::Bulk).now_or_never().is_some_and(|session| session.is_ok()));
        drop(person);
        assert!(!waits());
    }
}
