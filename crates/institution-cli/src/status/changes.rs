//! Which documents changed: from the feed where the platform has one, so that nothing else is asked for again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use seoham_kit::client::{Client, EventReader};

/// How long one call waits for events.
const WAIT: Duration = Duration::from_secs(25);
/// The pause before the next call, if one came back early with nothing about the documents (SPEC 9).
const PAUSE: Duration = Duration::from_secs(5);
/// Everything that is open is asked for as often as this in any case: a deadline that passed is told a little later, and of
/// documents from before the platform had a feed not at all.
const WHOLE_ROUND: Duration = Duration::from_mins(5);

/// The feed from before a round on, in which everything was asked for.
pub(super) struct Changes {
    reader: Option<EventReader>,
    begun: Instant,
}

impl Changes {
    /// Begins at the end of the feed: before everything is asked for, so that nothing falls between the two.
    pub(super) async fn begin(client: &Client) -> Self {
        // Without a feed, or if it cannot be read now, everything is asked for each time.
        let end = client.feed_end().await.ok().flatten();
        Self { reader: end.map(|end| client.events(end)), begun: Instant::now() }
    }

    /// Waits until `next_round`, and then until one of the documents `ids` has changed. Returns those that have; `None` if
    /// everything that is open is to be asked for now.
    pub(super) async fn next(
        &mut self,
        client: &Client,
        ids: &HashSet<String>,
        next_round: Instant,
    ) -> Option<HashSet<String>> {
        tokio::time::sleep_until(next_round.into()).await;
        let mut changed = HashSet::new();
        while let Some(reader) = &mut self.reader
            && self.begun.elapsed() < WHOLE_ROUND
        {
            let asked = Instant::now();
            let Ok(page) = reader.next_page(WAIT).await else { break };
            let documents = page.events.into_iter().filter_map(|event| event.document_binder_uuid);
            changed.extend(documents.filter(|id| ids.contains(id)));
            if !page.more {
                if !changed.is_empty() {
                    return Some(changed);
                }
                tokio::time::sleep(PAUSE.saturating_sub(asked.elapsed())).await;
            }
        }
        *self = Self::begin(client).await;
        None
    }
}
