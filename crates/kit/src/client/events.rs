//! Reading the institution's feed of events (SPEC 15).
//!
//! A feed is numbered without gaps: whoever has read up to a number has everything before it. A reader keeps its
//! [`Position`] when it has processed what came before it, and goes on from there after a restart.

use std::time::Duration;

use futures_util::{Stream, stream};
use seoham_model::UnixSeconds;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::calls::read;
use super::wire::{StatusData, moment};
use super::{CallError, Client};
use crate::exchange::Call;

/// The longest wait that the platform grants, below the time that a call may take.
const WAIT_SECONDS_MAX: u64 = 25;
/// Events in one page: with the longest payloads that is about a megabyte.
const PAGE_EVENTS: usize = 500;

/// How far a reader has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The number of the last event that was processed; 0 for the beginning.
    pub through: u64,
    /// The epoch in which that number means this event; `None` before the first page.
    pub epoch: Option<u64>,
}

/// What happened to a document, or to the institution's relation to a person.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Event {
    /// Its number, counted from 1 without gaps.
    pub seq: u64,
    /// For example `document.read`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it happened.
    #[serde(deserialize_with = "moment")]
    pub at: UnixSeconds,
    /// The document; absent from events of none.
    pub document_binder_uuid: Option<String>,
    /// The institution's own id of it.
    pub external_document_uuid: Option<String>,
    /// The document after this step.
    #[serde(default)]
    pub data: EventData,
    /// The event as it came.
    #[serde(skip)]
    pub json: Value,
}

impl Event {
    /// An event as it came; `None` if it is none.
    pub(crate) fn of_json(json: Value) -> Option<Self> {
        let event: Self = serde_json::from_value(json.clone()).ok()?;
        Some(Self { json, ..event })
    }
}

/// What an event tells of its document.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct EventData {
    /// Absent if the event is of no document, or the document was removed since.
    #[serde(flatten)]
    pub status: Option<StatusData>,
    /// Only of `document.notified`: `messenger` or `fallback`.
    pub notified_by: Option<String>,
}

/// Events that follow on one another.
#[derive(Clone, Debug)]
pub struct EventPage {
    /// Ascending; empty if nothing came.
    pub events: Vec<Event>,
    /// To be kept when the events were processed.
    pub position: Position,
    /// There is more, at once.
    pub more: bool,
}

/// Why a feed could not be read on.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FeedError {
    /// The call failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The platform was restored from a backup: numbers mean other events since. Compare what is known with the
    /// statuses of the documents (SPEC 6), and read from the beginning.
    #[error("the platform was restored from a backup (epoch {from}, now {to}): read from the beginning")]
    EpochChanged {
        /// The epoch of the position.
        from: u64,
        /// The epoch now.
        to: u64,
    },
}

#[derive(Deserialize)]
struct Reply {
    events: Vec<Value>,
    through: u64,
    more: bool,
    epoch: u64,
    /// Absent from a platform that does not say.
    last: Option<u64>,
}

/// Reads a feed, page by page.
#[derive(Clone)]
pub struct EventReader {
    client: Client,
    position: Position,
    types: Option<String>,
    limit: usize,
}

impl Client {
    /// The institution's feed from `position` on.
    pub fn events(&self, position: Position) -> EventReader {
        EventReader { client: self.clone(), position, types: None, limit: PAGE_EVENTS }
    }

    /// Where the feed ends now: a reader from there gets what happens from now on. `None` if the platform does not say.
    ///
    /// # Errors
    /// [`CallError`] if the platform refuses, for example 404 if it has no feed.
    pub async fn feed_end(&self) -> Result<Option<Position>, CallError> {
        let after = async |after: u64| self.feed_page(&format!("after={after}&limit=1")).await;
        let reply = match after(0).await {
            Err(CallError::Gone { oldest }) => after(oldest.saturating_sub(1)).await?,
            reply => reply?,
        };
        Ok(reply.last.map(|last| Position { through: last, epoch: Some(reply.epoch) }))
    }

    /// Reads a page of the feed.
    async fn feed_page(&self, query: &str) -> Result<Reply, CallError> {
        let url = format!("{}/v1/events?{query}", self.api);
        let ask = async || self.call(self.transport.get(&url), Call::EVENTS).await;
        read(&self.retry.run(true, ask).await?)
    }

    /// Withdraws a document that was not opened yet (SPEC 16). Idempotent; refused with 403 once it was opened.
    pub async fn withdraw(&self, binder: &str) -> Result<(), CallError> {
        let url = format!("{}/v1/documents/{}/withdraw", self.api, super::calls::segment(binder));
        let withdraw = async || self.call(self.transport.post(&url), Call::WITHDRAW).await.map(drop);
        self.retry.run(true, withdraw).await
    }
}

impl EventReader {
    /// Only events of these types, such as `document.read`. The others are passed.
    #[must_use]
    pub fn of_types(mut self, types: &[impl AsRef<str>]) -> Self {
        let names: Vec<&str> = types.iter().map(AsRef::as_ref).collect();
        self.types = (!names.is_empty()).then(|| names.join(","));
        self
    }

    /// At most so many events in a page, 1 to 500; 500 by default.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.clamp(1, PAGE_EVENTS);
        self
    }

    /// Where the next page begins.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next events. If there are none yet, waits for at most `wait`, up to 25 seconds.
    ///
    /// # Errors
    /// [`CallError::Gone`] if the events after the position are no longer kept.
    pub async fn next_page(&mut self, wait: Duration) -> Result<EventPage, FeedError> {
        let Self { client, position, types, limit } = self;
        let wait = wait.as_secs().min(WAIT_SECONDS_MAX);
        let mut query = format!("after={}&limit={limit}&wait={wait}", position.through);
        if let Some(types) = types {
            query.push_str("&types=");
            query.push_str(types);
        }
        let reply = client.feed_page(&query).await?;
        if let Some(from) = position.epoch.filter(|epoch| *epoch != reply.epoch) {
            return Err(FeedError::EpochChanged { from, to: reply.epoch });
        }
        let events: Option<Vec<Event>> = reply.events.into_iter().map(Event::of_json).collect();
        let events = events.ok_or(CallError::Unintelligible(200))?;
        *position = Position { through: reply.through, epoch: Some(reply.epoch) };
        Ok(EventPage { events, position: *position, more: reply.more })
    }

    /// The events one by one, without end, each with the position to be kept when it was processed. It waits where there
    /// are none yet, and ends with the first error.
    pub fn stream(self) -> impl Stream<Item = Result<(Event, Position), FeedError>> {
        let begin = (self, Vec::new().into_iter(), None);
        stream::try_unfold(
            begin,
            |(mut reader, mut page, mut epoch): (Self, std::vec::IntoIter<Event>, _)| async move {
                loop {
                    if let Some(event) = page.next() {
                        let position = Position { through: event.seq, epoch };
                        return Ok(Some(((event, position), (reader, page, epoch))));
                    }
                    let next = reader.next_page(Duration::from_secs(WAIT_SECONDS_MAX)).await?;
                    (page, epoch) = (next.events.into_iter(), next.position.epoch);
                }
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_with_and_without_a_document() {
        let json = r#"{"seq": 7, "type": "document.notified", "at": 1795359603,
            "document_binder_uuid": "BIN-019ab2c3d4e57f8090a1b2c3d4e5f607", "external_document_uuid": "TAX-1",
            "data": {"doc_box_status": "RECEIVED", "doc_box_sent_at": 1795359600, "user_notified_at": 1795359603,
            "notified_by": "fallback", "new": true}}"#;
        let event: Event = serde_json::from_str(json).expect("an event");
        let status = event.data.status.expect("of a document");
        assert_eq!(
            (event.seq, event.at, status.user_notified_at),
            (7, UnixSeconds(1_795_359_603), Some(event.at))
        );
        assert_eq!(event.data.notified_by.as_deref(), Some("fallback"));
        for json in [
            r#"{"seq": 8, "type": "recipient.refused", "at": 1795359603, "data": {}}"#,
            r#"{"seq": 8, "type": "something.new", "at": 1795359603}"#,
        ] {
            let event: Event = serde_json::from_str(json).expect("an event");
            assert_eq!((event.document_binder_uuid, event.data.status), (None, None));
        }
    }
}
