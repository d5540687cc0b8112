//! Reporting reads: each until the platform has answered, with growing, jittered pauses. The
//! exchange log is its journal: what it was told stands there as shown, and is still to be done
//! until a record says that it is done.
//!
//! Between the platform's answer and that record a crash can fall; the read is then reported again,
//! which changes nothing there (SPEC 7).

use std::sync::Arc;
use std::time::Duration;

use backon::BackoffBuilder;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::platform::{Platform, Reported};
use crate::exchange::{Entry, ExchangeLog, Kind, PendingRead};
use crate::pause::backoff;

/// Reports under way at once: a backlog must not crowd out verifications.
const AT_ONCE: usize = 16;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);
/// However long the platform asks for: every hour leaves a record of what is pending.
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
    /// On the runtime that it is called on.
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

    /// Has a read reported; it stands in the log already.
    pub(super) fn report(&self, read: PendingRead) {
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn_on(async move { inner.until_taken(&read).await }, &self.inner.runtime);
    }

    /// Has something else done before the end: a last record.
    pub(super) fn append(&self, entry: Entry) {
        let log = self.inner.log.clone();
        let append = async move {
            if let Err(error) = log.append(vec![entry]).await {
                tracing::error!(%error, "a record was lost");
            }
        };
        self.inner.tasks.spawn_on(append, &self.inner.runtime);
    }

    /// Begins no further attempt, and waits for those under way.
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

    /// `None` when it is done, else the pause that the platform asked for.
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
            // Not written down, so not done: it is reported once more, which is harmless.
            Err(_) => Some(None),
        }
    }
}
