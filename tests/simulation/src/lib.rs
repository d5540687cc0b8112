//! A simulation of the life of many documents over the storage traits. One seed decides
//! everything that happens: who sends, joins, opens and reads, how far the clock jumps, and which
//! calls are refused, lost or end in a crash. Everything is awaited one after the other, so that a
//! run is a function of its seed and can be replayed from it.
//!
//! What was told and seen is kept in a ledger outside the store, and the store is held to it
//! after every fault. Nothing here may know a backend, look past the traits, read the machine's
//! clock to decide anything, or forgive what the contract forbids.

mod chance;
mod checks;
mod conclusion;
mod faults;
mod ledger;
mod people;
mod steps;
mod world;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use seoham_model::Clock;
use seoham_store::Store;

pub use faults::Faults;

/// Opens the store under test: first empty, then again on the same data after each crash.
#[async_trait]
pub trait Opener: Send + Sync {
    /// Opens it with a clock that stands still until it is advanced.
    async fn open(&self, clock: Clock) -> Arc<dyn Store>;

    /// What differs between stores without breaking a promise.
    fn traits(&self) -> Traits;
}

/// What differs between stores without breaking a promise.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// A claim outlives the process that made it, and holds until its lease runs out.
    pub claims_outlive_crashes: bool,
    /// The fewest deliveries to claim at once: below it, the store's choice among senders is by
    /// chance and not by the seed.
    pub claimed_at_least: usize,
}

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Decides everything.
    pub seed: u64,
    /// How many steps, before the end in which everything is delivered.
    pub steps: u64,
}

/// What a run without a violation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Steps.
    pub steps: u64,
    /// Documents accepted.
    pub accepted: usize,
    /// Of them opened at least once.
    pub opened: usize,
    /// Of them read.
    pub read: usize,
    /// Of them removed after their retention.
    pub removed: usize,
    /// Statuses that were held against the ledger.
    pub looks: u64,
    /// Faults that were thrown in.
    pub faults: Faults,
    /// Tells whether two runs went alike.
    pub fingerprint: u64,
    /// How long the steps took, the end included.
    pub took: Took,
}

/// A duration that is the same as every other, so that reports of like runs are equal.
#[derive(Clone, Copy, Debug, Eq)]
pub struct Took(pub Duration);

impl PartialEq for Took {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.0.as_secs_f64().max(0.001);
        let rate = u128::from(self.steps) * 1000 / self.took.0.as_millis().max(1);
        write!(
            f,
            "{} steps in {seconds:.1} s ({rate}/s): {} documents accepted, {} opened, {} read, {} removed; \
             {} looks; {}",
            self.steps, self.accepted, self.opened, self.read, self.removed, self.looks, self.faults
        )
    }
}

/// A promise that the store did not keep.
#[derive(Debug)]
pub struct Violation {
    /// The run.
    pub plan: Plan,
    /// The step.
    pub step: u64,
    /// Which promise, in words.
    pub broken: String,
    /// The last steps, oldest first.
    pub history: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { seed, steps } = self.plan;
        writeln!(f, "seed {seed}, step {}: {}", self.step, self.broken)?;
        writeln!(f, "the last steps:")?;
        for line in &self.history {
            writeln!(f, "  {line}")?;
        }
        write!(f, "replay with SIMULATION_SEED={seed} SIMULATION_STEPS={steps}")
    }
}

/// Runs the simulation; the first promise that is not kept ends it.
pub async fn run(opener: &dyn Opener, plan: Plan) -> Result<Report, Box<Violation>> {
    world::World::run(opener, plan).await
}

/// A promise that was not kept, in words.
#[derive(Debug)]
struct Broken(String);

/// What a step finds.
type Found<T> = Result<T, Broken>;

/// Ends the step with a [`Broken`] promise unless the condition holds.
macro_rules! demand {
    ($holds:expr, $($said:tt)+) => {
        if !$holds {
            return Err(crate::Broken(format!($($said)+)));
        }
    };
}
use demand;
