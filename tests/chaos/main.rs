//! Chaos: a deployment of many processes under load while its nodes, its database and its
//! messenger are broken on purpose. A ledger outside the system records what was acknowledged and
//! is reconciled with it at the end.
//!
//! `cargo xtask chaos --minutes N --seed S` runs it for longer, or again as it was.

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
mod kills;
mod leases;
mod ledger;
mod load;
mod messenger;

/// The cases that go on for as long as is asked: the kills, the failing disk, and the jumping clock on either store.
const LASTING_CASES: u64 = 4;

/// How long such a case goes on, if for longer than its number of faults demands: its share of the minutes asked for.
fn duration() -> Duration {
    let minutes = std::env::var("CHAOS_MINUTES").ok().and_then(|minutes| minutes.parse().ok()).unwrap_or(0);
    Duration::from_secs(60 * minutes / LASTING_CASES)
}

/// What all decisions follow from.
fn seed() -> u64 {
    let seed =
        std::env::var("CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("CHAOS_SEED={seed}");
    seed
}
