//! The shared store: one PostgreSQL database, any number of processes.
//!
//! Nodes share nothing but the database. Every hot statement has a document, a person or an institution as its key,
//! so that a sharded PostgreSQL could run it. Acceptances that wait at the same time on a node share one transaction
//! (group commit). The delivery queue consists of rows that workers hold under leases. No transaction stays open
//! during I/O with anything but the database. Nothing outside this crate sees SQL, and nothing in it knows HTTP.

mod accounts;
mod admins;
mod box_index;
mod boxes;
mod clock;
mod columns;
mod connect;
mod deliveries;
mod deployment;
mod documents;
mod events;
mod examination;
mod failure;
mod handovers;
mod locks;
mod migrations;
mod open;
mod partitions;
mod people;
mod precedence;
mod restore;
mod retention;
mod session;
mod signals;
mod statistics;
mod templates;
mod tokens;
mod transfer;
mod visits;
mod volumes;
mod webhooks;

use std::sync::Arc;

use seoham_model::Clock;
use seoham_store::{Health, Mode};
use seoham_vault::Vault;

pub use open::{OpenError, Options, address, check, has_store, migrate};
pub use restore::{deep_check, environment, require_empty, reset_after_restore};
pub use transfer::Target;

/// The shared store. Clones share it.
#[derive(Clone)]
pub struct PostgresStore {
    inner: Arc<Inner>,
}

struct Inner {
    vault: Arc<Vault>,
    clock: Clock,
    mode: Mode,
    health: Health,
    examination: examination::Examination,
    sessions: session::Sessions,
    group_commit: documents::GroupCommit,
    box_index: Arc<box_index::BoxIndex>,
    partitions: Arc<partitions::Partitions>,
    signals: Arc<signals::Signals>,
    round_robin: deliveries::RoundRobin,
    sweeper: Arc<deliveries::Sweeper>,
    finish_batcher: deliveries::FinishBatcher,
    key_cache: people::KeyCache,
    person_cache: Arc<people::PersonCache>,
    // Stops the listening and notifying tasks when dropped.
    _tasks: tokio_util::sync::DropGuard,
}
