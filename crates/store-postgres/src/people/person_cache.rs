//! The person cache: a coherent cache over all nodes. Before it is used, who changed since it was last used is read from
//! the change log, so that what it finds is what the database has at that moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use seoham_store::person_cache;
use tokio_postgres::Config;

use super::changes::{Changes, ChangesReader};
use crate::connect::Connector;

/// How long to wait for the log of changes. Without it, people are read.
const READ_TIME: Duration = Duration::from_secs(1);
/// How long connecting may take; the cache is not used meanwhile.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// For how long the cache is left alone after its connection failed, or after too much changed at once.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct PersonCache {
    pub(super) people: person_cache::PersonCache,
    connector: Connector,
    state: Mutex<State>,
}

struct State {
    reader: Option<Arc<ChangesReader>>,
    /// The transaction from which the reader reads on.
    read_on_from: i64,
    is_connecting: bool,
    not_before: Instant,
}

impl PersonCache {
    pub(crate) fn new(connector: &Connector) -> Self {
        let state = State { reader: None, read_on_from: 0, is_connecting: false, not_before: Instant::now() };
        Self {
            people: person_cache::PersonCache::default(),
            connector: connector.clone(),
            state: Mutex::new(state),
        }
    }

    /// Removes who has changed until now. Returns `false` if that is not known: then the cache must not be used.
    pub(super) async fn refresh(self: &Arc<Self>) -> bool {
        let Some((reader, since)) = self.reader() else { return false };
        let changes = tokio::time::timeout(READ_TIME, reader.since(since)).await;
        match changes {
            Ok(Ok(changes)) => self.apply(&reader, changes),
            Ok(Err(error)) => self.end(&reader, &error),
            Err(_) => self.end(&reader, &"the database does not answer"),
        }
    }

    /// The reader, and from where it reads on. If there is none, one is connected meanwhile.
    fn reader(self: &Arc<Self>) -> Option<(Arc<ChangesReader>, i64)> {
        let mut state = self.lock();
        if Instant::now() < state.not_before {
            return None;
        }
        if state.reader.is_none() && !state.is_connecting {
            state.is_connecting = true;
            tokio::spawn(Arc::clone(self).connect());
        }
        state.reader.as_ref().map(|reader| (Arc::clone(reader), state.read_on_from))
    }

    async fn connect(self: Arc<Self>) {
        let connecting = async {
            let broken = |error: &dyn std::fmt::Display| {
                tracing::debug!(%error, "the log of changes of people cannot be read");
            };
            let connect = deadpool_postgres::Connect::connect(&self.connector, &Config::new());
            let (client, connection) = connect.await.inspect_err(|e| broken(e)).ok()?;
            let reader = ChangesReader::new(client, connection).await.inspect_err(|e| broken(e)).ok()?;
            let read_on_from = reader.begin().await.inspect_err(|e| broken(e)).ok()?;
            Some((Arc::new(reader), read_on_from))
        };
        let connected = tokio::time::timeout(CONNECT_TIME, connecting).await.ok().flatten();
        let mut state = self.lock();
        state.is_connecting = false;
        match connected {
            Some((reader, read_on_from)) => {
                // What was read until now belongs to no reader.
                self.people.clear();
                (state.reader, state.read_on_from) = (Some(reader), read_on_from);
            }
            None => state.not_before = Instant::now() + PAUSE,
        }
    }

    /// Applies what a reader has read. Answers can come in another order than the questions: each is about everything
    /// since a moment at which the cache was right.
    fn apply(&self, reader: &Arc<ChangesReader>, changes: Changes) -> bool {
        let mut state = self.lock();
        if !state.is_of(reader) {
            return false;
        }
        state.read_on_from = state.read_on_from.max(changes.read_on_from);
        if let Some(changed) = changes.changed {
            self.people.remove(&changed);
            return true;
        }
        self.people.clear();
        state.not_before = Instant::now() + PAUSE;
        false
    }

    fn end(&self, reader: &Arc<ChangesReader>, error: &dyn std::fmt::Display) -> bool {
        let mut state = self.lock();
        if state.is_of(reader) {
            tracing::debug!(%error, "the log of changes of people broke off");
            state.reader = None;
            state.not_before = Instant::now() + PAUSE;
            self.people.clear();
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_of(&self, reader: &Arc<ChangesReader>) -> bool {
        self.reader.as_ref().is_some_and(|own| Arc::ptr_eq(own, reader))
    }
}
