//! What is true of a deployment as a whole.

use async_trait::async_trait;
use seoham_model::{Clock, UnixSeconds};

use crate::{Health, Result};

/// Live people or invented ones; fixed when the data is first created (SPEC 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Real people.
    Live,
    /// Invented people alone.
    Sandbox,
}

/// The deployment.
#[async_trait]
pub trait Deployment: Send + Sync {
    /// The clock that every rule reads.
    fn clock(&self) -> &Clock;

    /// Whether this process may serve.
    fn health(&self) -> &Health;

    /// What kind of people there are.
    fn mode(&self) -> Mode;

    /// Moves a sandbox's clock forward, for good; gives the new time.
    async fn advance_clock(&self, seconds: u32) -> Result<UnixSeconds>;

    /// Looks at what may keep this process from serving, such as the clock and the database's settings, and
    /// reports it to [`Deployment::health`]. To be called about once a second; looks at a database less often.
    async fn examine(&self) -> Result<()>;

    /// Somebody knows that the machine's clock is right: it is taken as it is, and what kept the process from
    /// serving because of it is gone. Gives the time now.
    async fn confirm_clock(&self) -> Result<UnixSeconds>;

    /// Whether the store takes writes now, and nothing keeps this process from serving.
    async fn ready(&self) -> Result<()>;
}
