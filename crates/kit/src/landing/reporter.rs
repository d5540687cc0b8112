//! Reports reads, retrying each with growing, jittered delays until the platform has answered. The exchange
//! log is its outbox: a read that is logged as shown stays pending until another record marks it as done.
//!
//! A crash may occur between the platform's response and that record. The read is then reported again, which
//! has no effect on the platform (SPEC 7).

use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::platform::{Platform, Reported};
use crate::backoff::backoff;
use crate::exchange::{Entry, ExchangeLog, Kind, PendingRead};

/// Concurrent reports: a backlog must not crowd out verifications.
const AT_ONCE: usize = 16;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// The cap on a delay that the platform requests: pending reads need a log record every hour.
const LONGEST_ASKED: Duration = Duration::from_secs(45 * 60);

#[derive(Clone)]
pub(super) struct Reporter {
    inner: Arc<Inner>,
}

struct Inner {
    platform: Platform,
    log: ExchangeLog,
    at_once: Semaphore,
    tasks: TaskTracker,
    ending: CancellationToken,
    runtime: Handle,
}

impl Reporter {
    /// Runs on the current Tokio runtime.
    pub(super) fn start(platform: Platform, log: ExchangeLog) -> Self {
        let inner = Inner {
            platform,
            log,
            at_once: Semaphore::new(AT_ONCE),
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
            runtime: Handle::current(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Queues the report of a read that is already in the log.
    pub(super) fn report(&self, read: PendingRead) {
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn_on(async move { inner.until_taken(&read).await }, &self.inner.runtime);
    }

    /// Queues a final log record to be written before the shutdown completes.
    pub(super) fn append(&self, entry: Entry) {
        let log = self.inner.log.clone();
        let append = async move {
            if let Err(error) = log.append(vec![entry]).await {
                tracing::error!(%error, "a record was lost");
            }
        };
        self.inner.tasks.spawn_on(append, &self.inner.runtime);
    }

    /// Starts no further attempts, and waits for those in progress.
    pub(super) async fn stop(&self, deadline: Duration) {
        self.inner.ending.cancel();
        self.inner.tasks.close();
        if tokio::time::timeout(deadline, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!("reads are left to be reported after the next start");
        }
    }
}

impl Inner {
    async fn until_taken(&self, read: &PendingRead) {
        for own in backoff(FIRST_PAUSE, LONGEST_PAUSE).build() {
            let Some(asked) = self.attempt(read).await else { return };
            let pause = own.max(asked.unwrap_or_default().min(LONGEST_ASKED));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.ending.cancelled() => return,
            }
        }
    }

    /// Returns `None` when the read is done, otherwise the delay that the platform requested.
    async fn attempt(&self, read: &PendingRead) -> Option<Option<Duration>> {
        let permit = self.at_once.acquire().await;
        let (reported, exchange) = self.platform.report_read(read.document, &read.visit).await;
        drop(permit);
        let status = exchange.status;
        let request_id = exchange.request_id.clone();
        let done = |kind, outcome| {
            let mut entry = Entry::new(kind, outcome).of(read.document, &read.visit).status(status);
            entry.request_id = request_id;
            entry
        };
        let (records, asked) = match reported {
            Reported::Taken => (vec![exchange, done(Kind::ReadReported, "taken")], None),
            Reported::Refused => {
                tracing::error!(document = %read.document, status, "the platform refused the report of a read");
                (vec![exchange, done(Kind::ReadRefused, "refused")], None)
            }
            Reported::Later(asked) => (vec![exchange], Some(asked)),
        };
        match self.log.append(records).await {
            Ok(()) => asked,
            // Not recorded, so not done: it is reported again, which is harmless.
            Err(_) => Some(None),
        }
    }
}
