//! What is known of each document, small enough for millions.

use std::collections::HashMap;

use seoham_kit::client::StatusData;
use seoham_model::clock::seoul_seconds;
use seoham_model::status::DocBoxStatus;
use seoham_model::{Text, UnixSeconds};
use serde_json::{Map, Value};

use super::args::Until;

/// The column with the documents' ids.
pub(super) const BINDER: &str = "document_binder_uuid";
/// What is written beside it; times in Seoul.
pub(super) const COLUMNS: [&str; 7] = [
    "doc_box_status",
    "doc_box_sent_at",
    "doc_box_received_at",
    "user_notified_at",
    "authenticated_at",
    "token_used_at",
    "doc_box_read_at",
];

/// Where a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Not asked yet.
    Unasked,
    /// The institution has no such document.
    NotFound,
    /// As the platform says.
    Known(DocBoxStatus),
}

impl Place {
    pub(super) const ALL: [Self; 6] = [
        Self::Known(DocBoxStatus::Sent),
        Self::Known(DocBoxStatus::Received),
        Self::Known(DocBoxStatus::Read),
        Self::Known(DocBoxStatus::Expired),
        Self::NotFound,
        Self::Unasked,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unasked => "",
            Self::NotFound => "NOT_FOUND",
            Self::Known(status) => status.name(),
        }
    }

    pub(super) fn text(self) -> Text {
        match self {
            Self::Unasked => Text::fixed("조회 안 됨", "not asked"),
            Self::NotFound => Text::fixed("NOT_FOUND 없는 문서", "NOT_FOUND"),
            Self::Known(DocBoxStatus::Sent) => Text::fixed("SENT 발송", "SENT"),
            Self::Known(DocBoxStatus::Received) => Text::fixed("RECEIVED 수신", "RECEIVED"),
            Self::Known(DocBoxStatus::Read) => Text::fixed("READ 열람", "READ"),
            Self::Known(DocBoxStatus::Expired) => Text::fixed("EXPIRED 기한 지남", "EXPIRED"),
        }
    }

    fn has_settled(self, until: Until) -> bool {
        match self {
            Self::Unasked | Self::Known(DocBoxStatus::Sent) => false,
            Self::NotFound | Self::Known(DocBoxStatus::Read | DocBoxStatus::Expired) => true,
            Self::Known(DocBoxStatus::Received) => until == Until::Received,
        }
    }
}

struct Entry {
    id: Box<str>,
    place: Place,
    /// In the order of [`COLUMNS`], without the status.
    times: [Option<UnixSeconds>; 6],
}

pub(super) struct Book(Vec<Entry>);

impl Book {
    pub(super) fn of(ids: impl Iterator<Item = String>) -> Self {
        let entry = |id: String| Entry { id: id.into(), place: Place::Unasked, times: [None; 6] };
        Self(ids.map(entry).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether anything was learnt of any document.
    pub(super) fn knows_any(&self) -> bool {
        self.0.iter().any(|entry| entry.place != Place::Unasked)
    }

    pub(super) fn is_known(&self, place: usize) -> bool {
        self.0[place].place != Place::Unasked
    }

    /// Where each document stands, by its id.
    pub(super) fn by_id(&self) -> HashMap<&str, usize> {
        self.0.iter().enumerate().map(|(place, entry)| (&*entry.id, place)).collect()
    }

    pub(super) fn id(&self, place: usize) -> &str {
        &self.0[place].id
    }

    /// Documents that have not settled, by their place and id.
    pub(super) fn open(&self, until: Until) -> Vec<(usize, String)> {
        let open = self.0.iter().enumerate().filter(|(_, entry)| !entry.place.has_settled(until));
        open.map(|(place, entry)| (place, entry.id.to_string())).collect()
    }

    pub(super) fn unsettled(&self, until: Until) -> usize {
        self.0.iter().filter(|entry| !entry.place.has_settled(until)).count()
    }

    pub(super) fn note(&mut self, place: usize, status: Option<&StatusData>) {
        let entry = &mut self.0[place];
        match status {
            None => entry.place = Place::NotFound,
            Some(status) => {
                entry.place = Place::Known(status.doc_box_status);
                entry.times = [
                    Some(status.doc_box_sent_at),
                    status.doc_box_received_at,
                    status.user_notified_at,
                    status.authenticated_at,
                    status.token_used_at,
                    status.doc_box_read_at,
                ];
            }
        }
    }

    /// How many documents are where, those places left out that have none.
    pub(super) fn counts(&self) -> Vec<(Place, usize)> {
        let count = |place: Place| self.0.iter().filter(|entry| entry.place == place).count();
        Place::ALL.into_iter().map(|place| (place, count(place))).filter(|(_, count)| *count > 0).collect()
    }

    pub(super) fn named_counts(&self) -> Value {
        let named = self.counts().into_iter().filter(|(place, _)| *place != Place::Unasked);
        Value::Object(
            named.map(|(place, count)| (place.name().to_owned(), count.into())).collect::<Map<_, _>>(),
        )
    }

    /// What is written beside a document.
    pub(super) fn columns(&self, place: usize) -> Vec<String> {
        let entry = &self.0[place];
        let times = entry.times.iter().map(|time| time.map(seoul_seconds).unwrap_or_default());
        std::iter::once(entry.place.name().to_owned()).chain(times).collect()
    }
}
