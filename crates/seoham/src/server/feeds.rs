//! The feeds of events, as the institution API reads them.

use std::time::Duration;

use async_trait::async_trait;
use seoham_events::FeedHub;
use seoham_gateway::EventFeeds;
use seoham_model::InstitutionId;
use seoham_store::StoreError;
use seoham_store::events::{FeedQuery, FeedRead};

/// Reads feeds, and waits for new events.
pub(super) struct WaitedFeeds(pub(super) FeedHub);

#[async_trait]
impl EventFeeds for WaitedFeeds {
    async fn read(
        &self,
        institution: InstitutionId,
        query: FeedQuery,
        wait: Duration,
    ) -> Result<Option<FeedRead>, StoreError> {
        Ok(self.0.read(institution, query, wait).await?.ok())
    }
}
