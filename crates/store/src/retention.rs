//! Retention of documents for the configured period.

use async_trait::async_trait;
use seoham_model::UnixSeconds;

use crate::Result;

/// The result of one step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Documents removed.
    pub documents: u64,
    /// There may be more to remove immediately.
    pub more: bool,
}

/// The shortest retention period: one day or less would remove documents that are still being delivered.
pub const RETENTION_DAYS_MIN: u32 = 2;

/// The deadlines that retention may count as passed at `now`, where the feed tells next of the deadline `next_told`: a parcel
/// is kept until the feed has told of its last deadline, also after the worker was away for long.
pub fn closed_by(now: UnixSeconds, next_told: Option<UnixSeconds>) -> UnixSeconds {
    next_told.map_or(now, |next| now.min(next.plus(-1)))
}

/// Retention.
#[async_trait]
pub trait Retention: Send + Sync {
    /// One bounded step: creates storage for upcoming documents if the store needs that, and removes
    /// documents accepted more than `days` ago with all their data. A document that can still be opened stays
    /// until its deadline. A store may keep documents a little longer, to remove many together. `None` keeps
    /// everything.
    async fn tidy(&self, days: Option<u32>, now: UnixSeconds) -> Result<Tidied>;
}
