//! What is true of a deployment as a whole.

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::{Clock, UnixSeconds};

use crate::restore::WorkOrder;
use crate::{Health, Result};

/// Live people or invented ones; fixed when the data is first created (SPEC 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Real people.
    Live,
    /// Invented people alone.
    Sandbox,
}

impl Mode {
    /// The name that a store keeps.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Sandbox => "sandbox",
        }
    }
}

/// How far a sandbox's clock can be advanced in all (SPEC 12): 50 years. What many share is not to be broken for good.
pub const ADVANCED_SECONDS_MAX: i64 = 50 * 365 * 24 * 60 * 60;

/// The deployment.
#[async_trait]
#[delegatable_trait]
pub trait Deployment: Send + Sync {
    /// The clock that every rule reads.
    fn clock(&self) -> &Clock;

    /// Whether this process may serve.
    fn health(&self) -> &Health;

    /// What kind of people there are.
    fn mode(&self) -> Mode;

    /// Moves a sandbox's clock forward, for good; gives the new time. `None` when that would be more than
    /// [`ADVANCED_SECONDS_MAX`] in all: then nothing is moved.
    async fn advance_clock(&self, seconds: u32) -> Result<Option<UnixSeconds>>;

    /// What workers are to do with what is queued.
    async fn work_order(&self) -> Result<WorkOrder>;

    /// Decides what workers are to do, on every node within seconds.
    async fn set_work_order(&self, order: WorkOrder) -> Result<()>;

    /// Looks at what may keep this process from serving, such as the clock and the database's settings, and
    /// reports it to [`Deployment::health`]. To be called about once a second; looks at a database less often.
    async fn examine(&self) -> Result<()>;

    /// Somebody knows that the machine's clock is right: it is taken as it is, and what kept the process from
    /// serving because of it is gone. Gives the time now.
    async fn confirm_clock(&self) -> Result<UnixSeconds>;

    /// Whether the store takes writes now, and nothing keeps this process from serving.
    async fn ready(&self) -> Result<()>;
}
