//! A job for the writer, and how it gets its reply.

use rusqlite::Connection;
use seoham_store::{Result, StoreError};
use tokio::sync::oneshot;

use crate::columns::{is_disk_failure, store_error};
use crate::readers::ReadError;

/// A job that runs inside a transaction and waits for its end.
pub(super) trait Job: Send {
    /// Does the work.
    fn run(&mut self, connection: &Connection) -> Ran;

    /// Replies to the caller: with the job's own result if `committed`, else with the error.
    fn answer(self: Box<Self>, committed: Result<()>);
}

/// The result of a job inside its transaction.
pub(super) enum Ran {
    /// Commit it.
    Well,
    /// It failed: roll back what it wrote.
    Badly,
    /// The disk failed.
    DiskFailed(String),
}

impl Ran {
    /// The result of a job that failed with `error`.
    pub(super) fn after(error: &rusqlite::Error) -> Self {
        if is_disk_failure(error) { Self::DiskFailed(error.to_string()) } else { Self::Badly }
    }
}

/// Why a job failed.
pub(crate) enum WriteError {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for WriteError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<seoham_vault::SealError> for WriteError {
    fn from(error: seoham_vault::SealError) -> Self {
        Self::Store(error.into())
    }
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Sql(error) => Self::Sql(error),
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

impl From<WriteError> for StoreError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Sql(error) => store_error(&error),
            WriteError::Store(error) => error,
        }
    }
}

struct Work<T, F> {
    work: Option<F>,
    result: Option<std::result::Result<T, WriteError>>,
    answer: oneshot::Sender<Result<T>>,
}

pub(super) fn job<T, F>(work: F) -> (Box<dyn Job>, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> std::result::Result<T, WriteError> + Send + 'static,
{
    let (answer, receiver) = oneshot::channel();
    (Box::new(Work { work: Some(work), result: None, answer }), receiver)
}

impl<T, F> Job for Work<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> std::result::Result<T, WriteError> + Send,
{
    fn run(&mut self, connection: &Connection) -> Ran {
        let Some(work) = self.work.take() else { return Ran::Badly };
        let result = work(connection);
        let ran = match &result {
            Ok(_) => Ran::Well,
            Err(WriteError::Sql(error)) => Ran::after(error),
            Err(WriteError::Store(_)) => Ran::Badly,
        };
        self.result = Some(result);
        ran
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        let result = match (self.result, committed) {
            (Some(Err(own)), _) => Err(own.into()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(error)) => Err(error),
            (None, Ok(())) => Err(StoreError::Failed("the work did not run".to_owned())),
        };
        // The caller may be gone and needs no reply; the job is done all the same.
        let _ = self.answer.send(result);
    }
}
