//! What is true of a deployment as a whole.

use async_trait::async_trait;
use seoham_model::{Clock, UnixSeconds};

use crate::Result;

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

    /// What kind of people there are.
    fn mode(&self) -> Mode;

    /// Moves a sandbox's clock forward, for good; gives the new time.
    async fn advance_clock(&self, seconds: u32) -> Result<UnixSeconds>;

    /// Whether the store takes writes now.
    async fn ready(&self) -> Result<()>;
}
