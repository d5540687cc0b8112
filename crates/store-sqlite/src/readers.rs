//! Read connections: a pool for each lane, so that bulk queries never delay a person.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use seoham_store::{Health, Lane, Result, StoreError};
use tokio::sync::Semaphore;

use crate::columns::{is_disk_failure, store_error};

/// Time limit of one read: while it runs, the log cannot restart and keeps growing.
const READ_TIME: Duration = Duration::from_secs(30);
/// SQLite VM steps between two checks of the time.
const STEPS: i32 = 100_000;

pub(crate) struct Readers {
    interactive: Pool,
    bulk: Pool,
    health: Health,
}

#[derive(Clone)]
struct Pool {
    free: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Creates the pools. Damage that a read finds is reported to `health`.
    pub(crate) fn new(interactive: Vec<Connection>, bulk: Vec<Connection>, health: Health) -> Self {
        Self { interactive: Pool::new(interactive), bulk: Pool::new(bulk), health }
    }

    /// Runs `work` on a connection of `lane`, on a blocking thread.
    pub(crate) async fn read<T, F>(&self, lane: Lane, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> std::result::Result<T, ReadError> + Send + 'static,
    {
        match lane {
            Lane::Interactive => self.interactive.read(&self.health, work).await,
            Lane::Bulk => self.bulk.read(&self.health, work).await,
        }
    }
}

impl Pool {
    fn new(connections: Vec<Connection>) -> Self {
        let permits = Arc::new(Semaphore::new(connections.len()));
        Self { free: Arc::new(Mutex::new(connections)), permits }
    }

    async fn read<T, F>(&self, health: &Health, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> std::result::Result<T, ReadError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Unavailable("closing".to_owned()))?;
        let (free, health) = (Arc::clone(&self.free), health.clone());
        let done = tokio::task::spawn_blocking(move || {
            let Some(mut connection) = Borrowed::from(free) else {
                return Err(StoreError::Unavailable("no connection".to_owned()));
            };
            let until = Instant::now() + READ_TIME;
            let limited = connection.get_mut().progress_handler(STEPS, Some(move || Instant::now() > until));
            let result = limited.map_err(ReadError::from).and_then(|()| work(connection.get()));
            // Return the connection before the permit, so that the next task finds it.
            drop(connection);
            drop(permit);
            result.map_err(|e| match e {
                ReadError::Sql(e) => {
                    if is_disk_failure(&e) {
                        health.fail("a read", &e);
                    }
                    store_error(&e)
                }
                ReadError::Store(e) => e,
            })
        });
        done.await.unwrap_or_else(|error| Err(broken_off(&error)))
    }
}

/// Why work on a blocking thread was not completed: a bug here, or the process is ending.
pub(crate) fn broken_off(error: &tokio::task::JoinError) -> StoreError {
    if error.is_panic() {
        StoreError::Failed("work on a reading thread panicked".to_owned())
    } else {
        StoreError::Unavailable("closing".to_owned())
    }
}

/// A borrowed connection, returned to the pool even if the work panics.
struct Borrowed {
    connection: Option<Connection>,
    home: Arc<Mutex<Vec<Connection>>>,
}

impl Borrowed {
    fn from(home: Arc<Mutex<Vec<Connection>>>) -> Option<Self> {
        let connection = Some(lock(&home).pop()?);
        Some(Self { connection, home })
    }

    fn get_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("it is there until it is dropped")
    }

    fn get(&self) -> &Connection {
        self.connection.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        lock(&self.home).extend(self.connection.take());
    }
}

fn lock(free: &Mutex<Vec<Connection>>) -> std::sync::MutexGuard<'_, Vec<Connection>> {
    // A poisoned list is still a list of connections.
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why work on a connection failed: an SQLite error, or an error in the data it read.
pub(crate) enum ReadError {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<seoham_vault::SealError> for ReadError {
    fn from(error: seoham_vault::SealError) -> Self {
        Self::Store(error.into())
    }
}
