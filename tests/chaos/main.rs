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

#[allow(dead_code, unused_imports, reason = "shared with the black-box tests")]
#[path = "../blackbox/harness/mod.rs"]
mod harness;

mod clocks;
mod deployment;
mod disk;
mod failover;
mod kills;
mod leases;
mod ledger;
mod load;
mod messenger;

/// How long the kills go on, if for longer than their number demands.
fn minutes() -> u64 {
    std::env::var("CHAOS_MINUTES").ok().and_then(|minutes| minutes.parse().ok()).unwrap_or(0)
}

/// What all decisions follow from.
fn seed() -> u64 {
    let seed =
        std::env::var("CHAOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    eprintln!("CHAOS_SEED={seed}");
    seed
}
