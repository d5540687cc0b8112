//! The single writer: a thread that owns the only connection that writes.
//!
//! Group commit: waiting jobs share one transaction and get their replies after its COMMIT. Interactive jobs go first
//! and end a bulk transaction early, so they wait for one short transaction at most. A commit hook, the transaction
//! hook of the store, keeps caches and index in step.

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

/// Hooks for every transaction, called on the writer's thread.
pub(crate) trait CommitHook: Send {
    /// Writes what is due in a transaction. If it fails, only its own work is rolled back.
    fn before_commit(&self, connection: &Connection) -> rusqlite::Result<()>;

    /// Runs after the transaction ended, committed or not, before its callers get their replies.
    fn after_commit(&self, committed: bool);
}

pub(crate) struct Writer {
    lanes: Arc<Lanes>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread for `connection`. Checkpoints use the other connection and write to its file.
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

    /// Runs `work` before all bulk work: for what a person or an operator waits for.
    pub(crate) async fn interactive<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> std::result::Result<T, WriteError> + Send + 'static,
    {
        let (job, answer) = job::job(work);
        self.lanes.push_interactive(job)?;
        wait(answer).await
    }

    /// Runs `work` in order with other bulk work. `weight` is what it adds to the queue.
    pub(crate) async fn bulk<T, F>(&self, weight: Weight, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> std::result::Result<T, WriteError> + Send + 'static,
    {
        let (job, answer) = job::job(work);
        self.lanes.push_bulk(job, weight)?;
        wait(answer).await
    }

    /// Runs work that follows from bulk work, when that leaves room for it.
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
    // A dropped reply channel means that the thread died during a transaction.
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

/// A job and when it was queued.
struct QueuedJob {
    job: Box<dyn job::Job>,
    weight: Weight,
    since: Instant,
}
