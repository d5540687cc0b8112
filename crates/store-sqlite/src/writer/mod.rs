//! The one writer: a thread that owns the only writing connection.
//!
//! Group commit: jobs that wait are written in one transaction and answered after its COMMIT. Interactive jobs go
//! first and end a bulk transaction early, so they wait for one short transaction at most. A commit hook, the
//! transaction hook of the store, keeps caches and index in step.

mod checkpoints;
mod commit_window;
mod job;
mod lanes;
mod thread;

use std::fs::File;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::Connection;
use seoham_store::{Health, Result, StoreError};
use tokio::sync::oneshot;

use checkpoints::Checkpoints;
pub(crate) use job::WriteError;
use lanes::Lanes;
pub(crate) use lanes::{Limits, Weight};

/// Hooks of every transaction, called on the writer's thread.
pub(crate) trait CommitHook: Send {
    /// Writes what is due beside `rows` rows that were written. When it fails, only its own work is rolled back.
    fn before_commit(&self, connection: &Connection, rows: usize) -> rusqlite::Result<()>;

    /// The transaction has ended, committed or not, and its callers are not answered yet.
    fn after_commit(&self, committed: bool);
}

pub(crate) struct Writer {
    lanes: Arc<Lanes>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread over `connection`; its log is carried over on the other one, into the file.
    pub(crate) fn start(
        mut connection: Connection,
        for_checkpoints: (Connection, File),
        limits: Limits,
        hook: Box<dyn CommitHook>,
        health: &Health,
    ) -> std::io::Result<Self> {
        let checkpoints = Checkpoints::start(&mut connection, for_checkpoints, health.clone())?;
        let lanes = Arc::new(Lanes::new(limits));
        let of_thread = (Arc::clone(&lanes), health.clone());
        let thread = std::thread::Builder::new()
            .name("seoham-writer".to_owned())
            .spawn(move || thread::run(&connection, &of_thread.0, checkpoints, &*hook, &of_thread.1))?;
        Ok(Self { lanes, thread: Some(thread) })
    }

    /// Writes before all bulk work: for what a person or an operator waits for.
    pub(crate) async fn interactive<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> std::result::Result<T, WriteError> + Send + 'static,
    {
        let (job, answer) = job::job(work);
        self.lanes.push_interactive(job)?;
        wait(answer).await
    }

    /// Writes in turn, together with other bulk work; `weight` is what it adds to the queue.
    pub(crate) async fn bulk<T, F>(&self, weight: Weight, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> std::result::Result<T, WriteError> + Send + 'static,
    {
        let (job, answer) = job::job(work);
        self.lanes.push_bulk(job, weight)?;
        wait(answer).await
    }

    /// Writes what follows from bulk work, when that leaves room for it.
    pub(crate) async fn background<T, F>(&self, weight: Weight, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> std::result::Result<T, WriteError> + Send + 'static,
    {
        let (job, answer) = job::job(work);
        self.lanes.push_background(job, weight)?;
        wait(answer).await
    }
}

async fn wait<T>(answer: oneshot::Receiver<Result<T>>) -> Result<T> {
    // No answer means that the thread died in the middle of a transaction.
    answer.await.unwrap_or(Err(StoreError::Uncertain("a transaction")))
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.lanes.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A job and when it came.
struct QueuedJob {
    job: Box<dyn job::Job>,
    weight: Weight,
    since: Instant,
}
