//! Simulates the life cycle of many documents through the storage traits. One seed determines everything: who
//! sends, joins, opens and reads, how far the clock jumps, and which calls are rejected, lost or end in a
//! crash. All calls are awaited sequentially, so that a run is a function of its seed and can be replayed.
//!
//! A ledger outside the store records all replies and observations, and the store is checked against it after
//! every fault. The simulation must not know a backend, bypass the traits, base decisions on the machine's
//! clock, or tolerate contract violations.

mod chance;
mod checks;
mod conclusion;
mod faults;
mod figures;
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

/// Opens the store under test: first empty, then on the same data after each crash.
#[async_trait]
pub trait Opener: Send + Sync {
    /// Opens it with a clock that is stopped until it is advanced.
    async fn open(&self, clock: Clock) -> Arc<dyn Store>;

    /// Permitted differences between stores.
    fn traits(&self) -> Traits;
}

/// Permitted differences between stores.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// A claim survives the process that made it, until its lease expires.
    pub claims_outlive_crashes: bool,
    /// The minimum number of deliveries to claim: with fewer, the store's choice among senders is random and
    /// does not depend on the seed.
    pub claimed_at_least: usize,
}

/// The parameters of a simulation.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Determines everything.
    pub seed: u64,
    /// The number of steps before the conclusion, which delivers everything.
    pub steps: u64,
}

/// The result of a run without a violation.
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
    /// Statuses that were checked against the ledger.
    pub looks: u64,
    /// Injected faults.
    pub faults: Faults,
    /// Equal for identical runs.
    pub fingerprint: u64,
    /// The duration of the steps, including the conclusion.
    pub took: Took,
}

/// A duration that equals every other, so that reports of identical runs are equal.
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

/// A contract guarantee that the store violated.
#[derive(Debug)]
pub struct Violation {
    /// The run.
    pub plan: Plan,
    /// The step.
    pub step: u64,
    /// A description of the guarantee.
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

/// Runs the simulation until its end or the first violation.
pub async fn run(opener: &dyn Opener, plan: Plan) -> Result<Report, Box<Violation>> {
    world::World::run(opener, plan).await
}

/// A description of a violated guarantee.
#[derive(Debug)]
struct Broken(String);

/// The result of a step.
type Found<T> = Result<T, Broken>;

/// Fails the step with [`Broken`] unless the condition holds.
macro_rules! demand {
    ($holds:expr, $($said:tt)+) => {
        if !$holds {
            return Err(crate::Broken(format!($($said)+)));
        }
    };
}
use demand;
