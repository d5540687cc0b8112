//! The commit hook of the embedded store: keeps its caches and the box index in step with every transaction.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::Notify;

use crate::box_index::BoxIndex;
use crate::caller_cache::CallerCache;
use crate::people::PersonCache;
use crate::writer::CommitHook;

pub(crate) struct CommitHooks {
    pub(crate) people: Arc<PersonCache>,
    pub(crate) callers: Arc<CallerCache>,
    pub(crate) box_index: Arc<BoxIndex>,
    /// Tells readers of feeds that there may be new events.
    pub(crate) committed: Arc<Notify>,
}

impl CommitHook for CommitHooks {
    fn before_commit(&self, connection: &Connection) -> rusqlite::Result<()> {
        self.box_index.flush(connection)
    }

    fn after_commit(&self, committed: bool) {
        self.people.after_commit();
        self.callers.after_commit();
        self.box_index.after_commit(committed);
        self.committed.notify_one();
    }
}
