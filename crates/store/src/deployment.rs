//! Deployment-wide state.

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::{Clock, UnixSeconds};
use seoham_vault::KeyId;

use crate::restore::WorkOrder;
use crate::{Health, Result};

/// Live or fictitious people; fixed when the data is created (SPEC 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Real people.
    Live,
    /// Only fictitious people.
    Sandbox,
}

impl Mode {
    /// The stored name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Sandbox => "sandbox",
        }
    }
}

/// What the rows begin with that name the master keys under which something may be sealed: one row for each.
pub const MASTER_KEY_ROW: &str = "master_key:";

/// The name of the row of a master key.
pub fn master_key_row(id: KeyId) -> String {
    format!("{MASTER_KEY_ROW}{id}")
}

/// The master key that a row is of; `None` when its name is none of [`master_key_row`].
pub fn master_key_of_row(name: &str) -> Option<KeyId> {
    KeyId::parse(name.strip_prefix(MASTER_KEY_ROW)?)
}

/// The maximum total advance of a sandbox's clock (SPEC 12): 50 years. A shared sandbox must not become
/// unusable.
pub const ADVANCED_SECONDS_MAX: i64 = 50 * 365 * 24 * 60 * 60;

/// The deployment.
#[async_trait]
#[delegatable_trait]
pub trait Deployment: Send + Sync {
    /// The clock of every rule.
    fn clock(&self) -> &Clock;

    /// The health of this process.
    fn health(&self) -> &Health;

    /// The deployment's mode.
    fn mode(&self) -> Mode;

    /// Permanently advances a sandbox's clock and returns the new time. `None`, without any change, if the
    /// total would exceed [`ADVANCED_SECONDS_MAX`].
    async fn advance_clock(&self, seconds: u32) -> Result<Option<UnixSeconds>>;

    /// What workers should do with queued deliveries.
    async fn work_order(&self) -> Result<WorkOrder>;

    /// Sets the work order; it applies on every node within seconds.
    async fn set_work_order(&self, order: WorkOrder) -> Result<()>;

    /// Checks conditions that can make this process unhealthy, such as the clock and the database's settings,
    /// and reports to [`Deployment::health`]. Call it about once a second; it queries a database less often.
    async fn examine(&self) -> Result<()>;

    /// An operator confirms the machine's clock: adopts its time, and removes the obstacles that were due to
    /// the clock. Returns the current time.
    async fn confirm_clock(&self) -> Result<UnixSeconds>;

    /// Checks that the store accepts writes, and that this process is healthy.
    async fn ready(&self) -> Result<()>;
}
