//! The event feed (SPEC 15), an event log: every step of every document, numbered from 1 without gaps for each institution.
//!
//! A step is written where it happens, in the same transaction: a [`Step`] tells what happened to one document or to
//! many of one parcel. Numbering gives it a range of the feed, and from then on it is a [`LedgerRow`]. Readers expand
//! ranges into events. What a row means is decided here; a store only finds and writes rows.

mod document_set;
mod expiry;
mod feed;
mod row;

use std::collections::HashMap;
use std::time::Duration;

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::event::{EventData, FeedEvent};
use seoham_model::status_data::StatusData;
use seoham_model::{BinderId, EventType, InstitutionId, UnixSeconds};

use crate::Result;
use crate::documents::DocumentStatus;

pub use document_set::{DOCUMENT_SET_BYTES, DocumentSet};
pub use expiry::{Due, EXPIRY_GRACE_SECONDS, Expiry, after_expiry};
pub use feed::{
    FeedPage, FeedQuery, FoundRow, Pick, Picked, RowContent, SCAN_EVENTS_MAX, events, pick, pick_of_document,
};
pub use row::{LedgerRow, Step};

/// How long events are kept at least, in seconds (SPEC 15).
pub const KEPT_SECONDS: i64 = 90 * 24 * 60 * 60;

/// One event of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number, counted from 1 for each institution.
    pub seq: u64,
    /// What happened.
    pub event_type: EventType,
    /// When it happened: the same second as in the document's status.
    pub at: UnixSeconds,
    /// When it was recorded: later than `at` if the messenger reported it late.
    pub recorded_at: UnixSeconds,
    /// The document; `None` for what happened to none.
    pub document: Option<BinderId>,
    /// The document as it was after this step; `None` without a document, or if it was removed or cannot be read.
    pub status: Option<DocumentStatus>,
    /// The notification came as an SMS or LMS instead: only of [`EventType::Notified`].
    pub is_fallback: bool,
}

impl From<Event> for FeedEvent {
    fn from(event: Event) -> Self {
        let Event { seq, event_type, at, recorded_at, document, status, is_fallback } = event;
        let notified_by = if is_fallback { "fallback" } else { "messenger" };
        let external_document_uuid = status.as_ref().and_then(|status| status.external_document_uuid.clone());
        let has_status = status.is_some();
        let data = EventData {
            status: status
                .map(|status| StatusData::of(&status.times, status.deadline_at, status.payload, recorded_at)),
            notified_by: (event_type == EventType::Notified && has_status).then_some(notified_by),
        };
        let document_binder_uuid = document.map(|document| document.to_string());
        Self { seq, event_type, at: at.0, document_binder_uuid, external_document_uuid, data }
    }
}

/// The ends of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedEnds {
    /// The number of the oldest event that is kept; one more than `last` if none is.
    pub oldest: u64,
    /// The number of the last event; 0 if there was none.
    pub last: u64,
}

/// What a reader gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRead {
    /// Numbers mean the same within one epoch: 1 at first, and the second of the last restore after one.
    pub epoch: u64,
    /// The ends of the feed.
    pub ends: FeedEnds,
    /// The events, in order.
    pub page: FeedPage,
}

/// The feeds, for readers.
#[async_trait]
pub trait Feeds: Send + Sync {
    /// Reads events of `institution`. The cost is bounded by what is read, for a feed of any length.
    async fn read_feed(&self, institution: InstitutionId, query: FeedQuery) -> Result<FeedRead>;

    /// The numbers of the last events of institutions, in one look; an institution without events is missing.
    async fn feed_lasts(&self, institutions: Vec<InstitutionId>) -> Result<HashMap<InstitutionId, u64>>;

    /// Returns when there may be new events, at the latest after `at_most`. Only one caller waits.
    async fn wait_for_events(&self, at_most: Duration);
}

/// Every step of one document.
#[async_trait]
#[delegatable_trait]
pub trait Timelines: Send + Sync {
    /// The events of a document that are kept, in order; of a document of `institution`, if that is given. `None` if there is
    /// no such document.
    async fn timeline(
        &self,
        institution: Option<InstitutionId>,
        document: BinderId,
    ) -> Result<Option<Vec<Event>>>;
}

/// Work on the feeds in the background, for the worker.
#[async_trait]
#[delegatable_trait]
pub trait FeedKeeping: Send + Sync {
    /// One bounded step: tells of documents whose deadlines passed unread. Returns how many parcels were looked at;
    /// fewer than `limit` if no more are due.
    async fn tell_expired(&self, limit: usize, now: UnixSeconds) -> Result<usize>;

    /// One bounded step: removes events from before `before`, the oldest first. Returns how many rows were removed;
    /// 0 if there are no more.
    async fn forget_events(&self, before: UnixSeconds) -> Result<usize>;
}
