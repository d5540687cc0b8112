//! The known statuses of all documents, compact enough for millions.

use std::collections::HashMap;

use seoham_kit::client::StatusData;
use seoham_model::clock::seoul;
use seoham_model::status::DocBoxStatus;
use seoham_model::{Lang, Text, UnixSeconds};
use seoham_sheets::Cell;
use serde_json::{Map, Value};

use super::args::Until;

/// The state of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Not queried yet.
    Unasked,
    /// The institution has no such document.
    NotFound,
    /// The platform's status.
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

    /// The label in a table: in Korean for people, otherwise the wire name.
    fn in_table(self, lang: Lang) -> &'static str {
        match (lang, self) {
            (Lang::En, place) => place.name(),
            (Lang::Ko, Self::Unasked) => "",
            (Lang::Ko, Self::NotFound) => "없는 문서",
            (Lang::Ko, Self::Known(DocBoxStatus::Sent)) => "미가입",
            (Lang::Ko, Self::Known(DocBoxStatus::Received)) => "미열람",
            (Lang::Ko, Self::Known(DocBoxStatus::Read)) => "열람",
            (Lang::Ko, Self::Known(DocBoxStatus::Expired)) => "기한 지남",
        }
    }

    /// What it means, and what to do.
    pub(super) fn meaning(self) -> Text {
        match self {
            Self::Unasked => Text::fixed("아직 조회하지 못했습니다", "not asked yet"),
            Self::NotFound => Text::fixed(
                "이 기관의 문서가 아니거나 보관 기간이 지났습니다",
                "not this institution's, or no longer kept",
            ),
            Self::Known(DocBoxStatus::Sent) => Text::fixed(
                "문서함에 가입하지 않아 받지 못했습니다. 가입하면 기한 안에 받습니다",
                "not a member, so the document waits; it arrives if the person joins in time",
            ),
            Self::Known(DocBoxStatus::Received) => {
                Text::fixed("문서함에 있고 아직 열지 않았습니다", "in the box, not opened yet")
            }
            Self::Known(DocBoxStatus::Read) => Text::fixed("기관의 페이지에서 열람했습니다", "read"),
            Self::Known(DocBoxStatus::Expired) => {
                Text::fixed("기한까지 열지 않았습니다", "not opened before the deadline")
            }
        }
    }

    /// Why paper mail is needed; `None` if it is not, or if that is not known yet.
    pub(super) fn post_reason(self) -> Option<Text> {
        match self {
            Self::Known(DocBoxStatus::Sent) => Some(Text::fixed("문서함 미가입", "not a member")),
            Self::Known(DocBoxStatus::Expired) => {
                Some(Text::fixed("기한까지 열람하지 않음", "not opened before the deadline"))
            }
            Self::NotFound => Some(Text::fixed("없는 문서", "no such document")),
            Self::Unasked | Self::Known(DocBoxStatus::Received | DocBoxStatus::Read) => None,
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
    /// In the order of `ResultColumn::OF_STATUS`, without the status.
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

    /// Whether any document was queried.
    pub(super) fn knows_any(&self) -> bool {
        self.0.iter().any(|entry| entry.place != Place::Unasked)
    }

    pub(super) fn is_known(&self, place: usize) -> bool {
        self.0[place].place != Place::Unasked
    }

    /// The index of each document, by id.
    pub(super) fn by_id(&self) -> HashMap<&str, usize> {
        self.0.iter().enumerate().map(|(place, entry)| (&*entry.id, place)).collect()
    }

    pub(super) fn id(&self, place: usize) -> &str {
        &self.0[place].id
    }

    /// The documents that are not settled, by index and id.
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

    /// The number of documents per state, without empty states.
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

    /// The state of a document.
    pub(super) fn place(&self, place: usize) -> Place {
        self.0[place].place
    }

    /// The values beside a document, with times in Seoul: the columns of `ResultColumn::OF_STATUS`.
    pub(super) fn columns(&self, place: usize, lang: Lang) -> Vec<Cell> {
        let entry = &self.0[place];
        let times = entry.times.iter().map(|time| time.map_or(Cell::Empty, |time| Cell::Moment(seoul(time))));
        std::iter::once(Cell::text(entry.place.in_table(lang))).chain(times).collect()
    }
}
