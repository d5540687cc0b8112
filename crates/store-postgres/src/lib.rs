//! The shared store: one PostgreSQL, any number of processes.
//!
//! Nodes share nothing but the database. Every hot statement is keyed by document, person or
//! institution alone, so that a sharded PostgreSQL could hold it. What is to be accepted at the
//! same time on a node is written in one transaction (group commit); the delivery queue is rows
//! that workers hold under leases, and no transaction is open across I/O to anybody but the
//! database. Nothing outside this crate sees SQL, and nothing in it knows HTTP.

mod accounts;
mod boxes;
mod clock;
mod columns;
mod connect;
mod deliveries;
mod deployment;
mod documents;
mod examination;
mod failure;
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
mod transfer;
mod visits;
mod volumes;

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
    partitions: Arc<partitions::Partitions>,
    signals: Arc<signals::Signals>,
    round_robin: deliveries::RoundRobin,
    sweeper: Arc<deliveries::Sweeper>,
    finish_batcher: deliveries::FinishBatcher,
    key_cache: people::KeyCache,
    // Ends the tasks that listen and signal.
    _tasks: tokio_util::sync::DropGuard,
}
