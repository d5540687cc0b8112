//! Keeping documents for as long as the deployment is to keep them, and no longer.

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::UnixSeconds;

use crate::Result;

/// What one step did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Documents removed.
    pub documents: u64,
    /// There may be more to remove at once.
    pub more: bool,
}

/// The shortest retention period: shorter than a day would remove what is still being delivered.
pub const RETENTION_DAYS_MIN: u32 = 2;

/// Retention.
#[async_trait]
#[delegatable_trait]
pub trait Retention: Send + Sync {
    /// One bounded step: makes room for the documents of the time to come where a store needs
    /// that, and removes documents that were accepted more than `days` ago, with all that belongs
    /// to them. A document that can still be opened stays until its deadline; a store may keep
    /// documents a little longer to remove many at once. `None` keeps everything.
    async fn tidy(&self, days: Option<u32>, now: UnixSeconds) -> Result<Tidied>;
}
