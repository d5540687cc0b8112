//! The embedded store: one SQLite file, one process, one writer.
//!
//! One thread owns the only connection that writes. Jobs that wait at the same time share one transaction and get
//! their replies only after its COMMIT; interactive work goes before bulk (DESIGN 3). Each lane has its own read
//! connections. Nothing outside this crate sees SQL, and nothing in it knows HTTP.

mod accounts;
mod admins;
mod backup;
mod box_index;
mod boxes;
mod caller_cache;
mod columns;
mod commit_hooks;
mod deep;
mod deliveries;
mod deployment;
mod documents;
mod events;
mod existing;
mod handovers;
mod migrations;
mod open;
mod open_error;
mod people;
mod readers;
mod retention;
mod statistics;
mod templates;
mod timekeeping;
mod tokens;
mod transfer;
mod visits;
mod volumes;
mod webhooks;
mod writer;

use std::sync::Arc;

use seoham_model::Clock;
use seoham_store::{Health, Mode};
use seoham_vault::Vault;

pub use backup::{Progress, Restored, backup, restore};
pub use deep::deep_check;
pub use open::{Durability, Options};
pub use open_error::OpenError;
pub use transfer::Source;

/// The embedded store. Clones share it; dropping the last one closes it.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
}

struct Inner {
    vault: Arc<Vault>,
    clock: Clock,
    mode: Mode,
    health: Health,
    readers: readers::Readers,
    claims: Arc<deliveries::ClaimBook>,
    handovers: Arc<handovers::HandoverBook>,
    person_cache: Arc<people::PersonCache>,
    timekeeping: timekeeping::Timekeeping,
    callers: Arc<caller_cache::CallerCache>,
    box_index: Arc<box_index::BoxIndex>,
    /// Held while runs of the index are merged or removed.
    index_turn: tokio::sync::Mutex<()>,
    /// Notified after every commit.
    committed: Arc<tokio::sync::Notify>,
    retention_cursor: Arc<std::sync::Mutex<retention::RetentionCursor>>,
    // Dropped before the lock: it finishes the accepted jobs first.
    writer: writer::Writer,
    _lock: existing::directory::DirectoryLock,
}
