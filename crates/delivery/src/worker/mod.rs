//! The worker's loops: claim and hand over, reconcile hand-overs, move documents for people who joined, tidy, keep the
//! feeds of events.

mod claiming;
mod fallback;
mod feeds;
mod handing;
mod order;
mod reconciling;
mod settling;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use seoham_store::retention::Tidied;
use seoham_store::{StoreError, WorkerStore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::lines::Lines;
use order::CachedOrder;

/// What happens to a document's notification when it is unknown whether a provider has it, and the provider cannot be
/// asked (SPEC 13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownPolicy {
    /// It is sent again: the person may get it twice.
    #[default]
    AtLeastOnce,
    /// It is given up: the person may not get it.
    AtMostOnce,
}

/// The worker's configuration.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// How many deliveries are claimed together, at most.
    pub batch: usize,
    /// The number of loops that claim. How many batches are with providers is limited by these.
    pub claiming: usize,
    /// The lease of a claim; longer than a batch of messages takes.
    pub lease: Duration,
    /// How long to sleep if nothing wakes the worker.
    pub idle: Duration,
    /// The address of the document box, for links in messages.
    pub box_url: String,
    /// The retention period of documents in days; `None` keeps them forever.
    pub retention_days: Option<u32>,
    /// What happens when the outcome of a notification stays unknown.
    pub unknown: UnknownPolicy,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            batch: 10_000,
            claiming: 4,
            lease: Duration::from_mins(5),
            idle: Duration::from_millis(500),
            box_url: String::new(),
            retention_days: None,
            unknown: UnknownPolicy::default(),
        }
    }
}

/// Delivers documents from a store through providers.
#[derive(Clone)]
pub struct Worker {
    store: Arc<dyn WorkerStore>,
    lines: Lines,
    options: Arc<WorkerOptions>,
    order: Arc<CachedOrder>,
    id: Uuid,
}

/// The loops that run concurrently in a worker.
#[derive(Clone, Copy)]
enum Loop {
    Deliver,
    /// Of the provider at this place: one that is silent does not hold up the others.
    Reconcile(usize),
    /// Of providers that are no longer configured.
    SettleAbandoned,
    MoveJoined,
    Tidy,
    KeepFeeds,
    Watch,
}

/// The longest delay before a retry to record results.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often expired documents are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// The delay between removal batches, so that removal never dominates the machine's load.
const TIDY_AGAIN: Duration = Duration::from_millis(20);
/// How often the weights of providers are adapted and reported.
const WATCH_EVERY: Duration = Duration::from_secs(5);
/// How many of those pass until unchanged states are reported anew.
const REPORT_ANYWAY: u32 = 12;

impl Worker {
    /// Creates a worker; `run` starts it.
    pub fn new(store: Arc<dyn WorkerStore>, lines: Lines, options: WorkerOptions) -> Self {
        Self { store, lines, options: Arc::new(options), order: Arc::default(), id: Uuid::now_v7() }
    }

    /// Works until `stop`, then finishes the work in progress.
    pub async fn run(self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        let mut kinds = HashMap::new();
        let batches = std::iter::repeat_n(Loop::Deliver, self.options.claiming);
        let looks = (0..self.lines.all().len()).map(Loop::Reconcile);
        for kind in batches.chain(looks).chain([
            Loop::SettleAbandoned,
            Loop::MoveJoined,
            Loop::Tidy,
            Loop::KeepFeeds,
            Loop::Watch,
        ]) {
            kinds.insert(running.spawn(self.clone().keep(kind, stop.clone())).id(), kind);
        }
        while let Some(ended) = running.join_next_with_id().await {
            let Err(error) = ended else { continue };
            tracing::error!(%error, "a loop of the worker broke off; leases bring back what it held");
            if let Some(kind) = kinds.remove(&error.id()).filter(|_| !stop.is_cancelled()) {
                kinds.insert(running.spawn(self.clone().keep(kind, stop.clone())).id(), kind);
            }
        }
    }

    async fn keep(self, kind: Loop, stop: CancellationToken) {
        match kind {
            Loop::Deliver => self.deliver(stop).await,
            Loop::Reconcile(place) => self.reconcile(place, stop).await,
            Loop::SettleAbandoned => self.settle_abandoned(stop).await,
            Loop::MoveJoined => self.move_joined(stop).await,
            Loop::Tidy => self.tidy(stop).await,
            Loop::KeepFeeds => self.keep_feeds(stop).await,
            Loop::Watch => self.watch(stop).await,
        }
    }

    /// Moves documents that waited for people who have joined since.
    async fn move_joined(self, stop: CancellationToken) {
        const AT_ONCE: usize = 500;
        while !stop.is_cancelled() {
            match self.join_due(AT_ONCE).await {
                Ok(moved) if moved >= AT_ONCE => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "could not move documents of people who joined"),
            }
            pause(self.options.idle, &stop).await;
        }
    }

    async fn join_due(&self, at_once: usize) -> Result<usize, StoreError> {
        self.store.health().check()?;
        self.store.join_due(at_once, self.store.clock().now()).await
    }

    /// Prepares space for new documents and removes expired ones.
    async fn tidy(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let wait = match self.tidy_once().await {
                Ok(tidied) => {
                    metrics::counter!("seoham_documents_removed_total").increment(tidied.documents);
                    if tidied.more { TIDY_AGAIN } else { TIDY_EVERY }
                }
                Err(error) => {
                    tracing::warn!(%error, "could not remove old documents");
                    TIDY_EVERY
                }
            };
            pause(wait, &stop).await;
        }
    }

    /// Removal cannot be undone, so it uses the certain time.
    async fn tidy_once(&self) -> Result<Tidied, StoreError> {
        self.store.health().check()?;
        self.store.tidy(self.options.retention_days, self.store.clock().certain_now()).await
    }

    /// Adapts the weights of providers, and reports their states for the operator.
    async fn watch(self, stop: CancellationToken) {
        let (mut reported, mut age) = (Vec::new(), 0);
        while !stop.is_cancelled() {
            self.lines.tick();
            let states: Vec<_> = self.lines.all().iter().map(|line| line.state()).collect();
            age += 1;
            if states != reported || age >= REPORT_ANYWAY {
                let now = self.store.clock().now();
                match self.store.report_providers(self.id, states.clone(), now).await {
                    Ok(()) => (reported, age) = (states, 0),
                    Err(error) => tracing::debug!(%error, "the states of providers were not reported"),
                }
            }
            pause(WATCH_EVERY, &stop).await;
        }
    }
}

async fn pause(time: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.cancelled() => {}
    }
}
