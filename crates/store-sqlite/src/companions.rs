//! What is kept in memory beside the database, and goes along with every transaction.

use std::sync::Arc;

use rusqlite::Connection;

use crate::box_index::BoxIndex;
use crate::callers::KnownCallers;
use crate::people::KnownPeople;
use crate::writer::Companion;

pub(crate) struct Companions {
    pub(crate) known: Arc<KnownPeople>,
    pub(crate) callers: Arc<KnownCallers>,
    pub(crate) box_index: Arc<BoxIndex>,
}

impl Companion for Companions {
    fn write(&self, connection: &Connection, rows: usize) -> rusqlite::Result<()> {
        self.box_index.file(connection, rows)
    }

    fn ended(&self, committed: bool) {
        self.known.changed();
        self.callers.changed();
        self.box_index.ended(committed);
    }
}
