//! The provider when none is configured.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use seoham_store::undelivered::Failure;

use crate::provider::{Abilities, Batch, Provider, Reach, Recovery, Reporting, Sent, Together, Trouble};

/// It accepts nothing, so that no message is wrongly reported as sent. Messages stay queued, as they do while a
/// messenger is unavailable.
pub struct NoMessenger;

#[async_trait]
impl Provider for NoMessenger {
    fn abilities(&self) -> Abilities {
        Abilities {
            batch_max: 1_000,
            calls_max: 4,
            recovery: Recovery::Deduplicates,
            takes_once: true,
            reaches: Reach::Number,
            needs_template: false,
            falls_back: false,
            together: Together::Mixed,
            reporting: Reporting::Pushed,
            slowest: Duration::from_secs(1),
        }
    }

    fn send<'a>(&'a self, batch: &'a Batch) -> BoxStream<'a, (usize, Sent)> {
        let not_now =
            |place| (place, Sent::NotNow { retry_after: None, trouble: Trouble::of(Failure::NoMessenger) });
        futures_util::stream::iter((0..batch.messages.len()).map(not_now)).boxed()
    }
}
