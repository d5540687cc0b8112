//! Chaos: a deployment of many processes under load while its nodes, its database and its messenger are broken on
//! purpose. A ledger outside the system records acknowledged documents and is reconciled with it at the end.
//!
//! `cargo xtask chaos --minutes N --seed S` runs it for longer, or repeats a run.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests are documented by their names"
)]

use seoham_harness as harness;

use std::time::Duration;

mod clocks;
mod deployment;
mod disk;
mod failover;
mod feeds;
mod kills;
mod leases;
mod ledger;
mod load;
mod messenger;

/// The cases with a configurable duration: the kills, the failing disk, and the jumping clock on both stores.
const LASTING_CASES: u64 = 4;

/// The minimum duration of such a case, beyond its number of faults: its share of the requested minutes.
fn duration() -> Duration {
    let minutes = std::env::var("CHAOS_MINUTES").ok().and_then(|minutes| minutes.parse().ok()).unwrap_or(0);
    Duration::from_secs(60 * minutes / LASTING_CASES)
}

/// The seed of all random decisions.
fn seed() -> u64 {
    let seed =
        std::env::var("CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("CHAOS_SEED={seed}");
    seed
}
