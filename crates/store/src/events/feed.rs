//! Reading a feed: which numbers a reader gets, and what each event tells of its document.

use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use seoham_model::status::Times;
use seoham_model::{BinderId, EventType, PersonId, StoredNumber, UnixSeconds};
use seoham_vault::{Vault, WrappedKey};

use super::{Event, FeedEnds, LedgerRow};
use crate::Result;
use crate::documents::{DocumentStatus, Notification};
use crate::parcel::sealed::status;
use crate::parcel::{Found, Slices, StoredDocument};

/// How many numbers one read looks at at most, so that a reader of rare types costs no more than a bounded look.
pub const SCAN_EVENTS_MAX: u64 = 100_000;

/// What a reader asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedQuery {
    /// Events after this number.
    pub after: u64,
    /// At most so many.
    pub limit: usize,
    /// Only of these types; `None` for all.
    pub types: Option<BTreeSet<EventType>>,
}

impl FeedQuery {
    /// The numbers that a read looks at end here.
    pub fn scan_end(&self, ends: FeedEnds) -> u64 {
        self.after.saturating_add(SCAN_EVENTS_MAX).min(ends.last)
    }

    /// The stored numbers of the types; `None` for all.
    pub fn type_numbers(&self) -> Option<Vec<i64>> {
        self.types.as_ref().map(|types| types.iter().map(|event_type| event_type.as_number()).collect())
    }

    fn asks_for(&self, event_type: EventType) -> bool {
        self.types.as_ref().is_none_or(|types| types.contains(&event_type))
    }
}

/// An event that a reader gets, before its document was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picked {
    /// Its number.
    pub seq: u64,
    /// What happened.
    pub event_type: EventType,
    /// When, as the ledger has it.
    pub at: UnixSeconds,
    /// Its document.
    pub document: Option<BinderId>,
}

/// A page of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedPage {
    /// The events, ascending.
    pub events: Vec<Event>,
    /// The reader has everything up to this number, events of other types included.
    pub through: u64,
    /// There is more after `through`.
    pub more: bool,
}

/// A row that a store found for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundRow {
    /// The number of its last event.
    pub last_seq: u64,
    /// What it tells.
    pub content: RowContent,
}

/// What a row tells this version of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowContent {
    /// A step.
    Step(LedgerRow),
    /// A step of a type that came later, written by a newer node beside this one: the newer one tells of it.
    Newer,
    /// Nothing, because it cannot be read: its numbers are missing, and a reader goes on.
    Damaged,
}

impl RowContent {
    /// The content of a row whose type is stored as `type_number`.
    pub fn of(type_number: i64, row: Result<LedgerRow>) -> Self {
        let newest = EventType::all().map(StoredNumber::as_number).max();
        match row {
            Ok(row) => Self::Step(row),
            Err(_) if newest.is_some_and(|newest| type_number > newest) => Self::Newer,
            Err(error) => {
                tracing::error!(%error, "a row of the ledger cannot be read");
                Self::Damaged
            }
        }
    }
}

/// What a reader gets of the rows that were found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pick {
    /// The events.
    pub picked: Vec<Picked>,
    /// The reader has everything up to this number.
    pub through: u64,
    /// The ends of the feed. It ends before the first row that only a newer version can tell of.
    pub ends: FeedEnds,
}

/// Says that feeds end early, once a minute. It is so while nodes of two versions run, and must not stay so.
fn warn_of_newer() {
    static WARNED: Mutex<Option<Instant>> = Mutex::new(None);
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if warned.is_none_or(|at| at.elapsed() > Duration::from_mins(1)) {
        *warned = Some(Instant::now());
        tracing::warn!(
            "a newer version wrote events that this one does not know; feeds end before them here"
        );
    }
}

/// Picks what a reader gets from `rows`: the rows after `query.after` in order, at least those of the types that are asked
/// for, up to `query.limit` rows or to the end of the scan.
pub fn pick(rows: &[FoundRow], query: &FeedQuery, ends: FeedEnds) -> Pick {
    let newer = rows.iter().position(|found| found.content == RowContent::Newer);
    let rows = &rows[..newer.unwrap_or(rows.len())];
    let last = rows.last().map_or(query.after, |row| row.last_seq);
    let ends = if newer.is_some() { FeedEnds { last, ..ends } } else { ends };
    if newer.is_some() {
        warn_of_newer();
    }
    let mut picked: Vec<Picked> = Vec::new();
    for found in rows {
        let RowContent::Step(row) = &found.content else { continue };
        if !query.asks_for(row.step.event_type) {
            continue;
        }
        for (seq, document) in row.events().filter(|(seq, _)| *seq > query.after) {
            if picked.len() == query.limit {
                let through = picked.last().map_or(query.after, |last| last.seq);
                return Pick { picked, through, ends };
            }
            picked.push(Picked { seq, event_type: row.step.event_type, at: row.step.at, document });
        }
    }
    let is_whole_scan = newer.is_none() && rows.len() < query.limit;
    let through = if is_whole_scan { last.max(query.scan_end(ends)) } else { last };
    Pick { picked, through: through.max(query.after), ends }
}

/// Picks the events of one document from `rows` of its parcel.
pub fn pick_of_document(rows: &[LedgerRow], document: BinderId) -> Vec<Picked> {
    let of_row = |row: &LedgerRow| {
        let (event_type, at) = (row.step.event_type, row.step.at);
        let (seq, _) = row.events().find(|(_, of)| *of == Some(document))?;
        Some(Picked { seq, event_type, at, document: Some(document) })
    };
    let mut picked: Vec<Picked> = rows.iter().filter_map(of_row).collect();
    picked.sort_unstable_by_key(|picked| picked.seq);
    picked
}

/// The events of what was picked, with what was read of their documents. A document that was removed, or cannot be read,
/// leaves its events without a status.
pub fn events<S: BuildHasher>(
    vault: &Vault,
    picked: &[Picked],
    found: &Found,
    keys: &HashMap<PersonId, WrappedKey, S>,
    read: &Slices,
) -> Vec<Event> {
    let mut statuses: HashMap<BinderId, Option<(&StoredDocument, DocumentStatus)>> = HashMap::new();
    let mut now_status = |id: BinderId| {
        let open = || {
            let opened = found.get(&id)?.as_ref().map_err(Clone::clone).and_then(|document| {
                Ok((document, status(vault, document, keys.get(&document.person), read)?))
            });
            opened
                .inspect_err(
                    |error| tracing::error!(%error, document = %id, "a document of a feed cannot be read"),
                )
                .ok()
        };
        statuses.entry(id).or_insert_with(open).clone()
    };
    let event = |picked: &Picked| {
        let Picked { seq, event_type, at, document } = *picked;
        let known = document.and_then(&mut now_status);
        let recorded_at = at;
        let at = known.as_ref().map_or(at, |(_, status)| step_time(event_type, &status.times, at));
        let is_fallback = event_type == EventType::Notified
            && known.as_ref().is_some_and(|(stored, _)| stored.notice.outcome == Notification::Fallback);
        let status = known.map(|(_, status)| DocumentStatus {
            times: after_step(event_type, &status.times, recorded_at),
            ..status
        });
        Event { seq, event_type, at, recorded_at, document, status, is_fallback }
    };
    picked.iter().map(event).collect()
}

/// When a step happened: as the document's times say, or else at `at`, as the ledger has it.
fn step_time(event_type: EventType, times: &Times, at: UnixSeconds) -> UnixSeconds {
    let time = match event_type {
        EventType::Accepted => Some(times.sent_at),
        EventType::Received => times.received_at,
        EventType::Notified => times.notified_at,
        EventType::Authenticated => times.authenticated_at,
        EventType::Opened => times.opened_at,
        EventType::TokenUsed => times.token_used_at,
        EventType::Read => times.read_at,
        EventType::Withdrawn => times.withdrawn_at,
        EventType::NoticeFailed
        | EventType::Expired
        | EventType::RecipientRefused
        | EventType::RecipientAccepted
        | EventType::WebhookDisabled => None,
    };
    time.unwrap_or(at)
}

/// The times as they were after a step that was recorded at `at`: an event tells of its document the same whenever it is
/// read. When the messenger's report was recorded is known of its own event alone, so that the others leave it out.
fn after_step(event_type: EventType, times: &Times, at: UnixSeconds) -> Times {
    // The steps that a person takes follow one another, often in the same second. The others come at any time.
    let place = match event_type {
        EventType::Accepted => Some(0),
        EventType::Received => Some(1),
        EventType::Authenticated | EventType::Opened => Some(2),
        EventType::TokenUsed => Some(3),
        EventType::Read => Some(4),
        _ => None,
    };
    let chained = |step: i32, time: Option<UnixSeconds>| {
        time.filter(|time| place.map_or(*time <= at, |place| step <= place))
    };
    let is_withdrawn =
        |time: &UnixSeconds| event_type == EventType::Withdrawn || (place.is_none() && *time <= at);
    Times {
        sent_at: times.sent_at,
        received_at: chained(1, times.received_at),
        opened_at: chained(2, times.opened_at),
        authenticated_at: chained(2, times.authenticated_at),
        token_used_at: chained(3, times.token_used_at),
        read_at: chained(4, times.read_at),
        notified_at: times.notified_at.filter(|_| event_type == EventType::Notified),
        withdrawn_at: times.withdrawn_at.filter(is_withdrawn),
    }
}

#[cfg(test)]
mod tests {
    use seoham_model::{Clock, InstitutionId, ParcelId};

    use super::*;
    use crate::events::{DocumentSet, Step};

    fn rows() -> Vec<LedgerRow> {
        let clock = Clock::default();
        let (institution, parcel) = (InstitutionId::generate(&clock), ParcelId::generate(&clock));
        let at = UnixSeconds(1_000);
        let step = |event_type, documents| Step::of_parcel(institution, event_type, at, parcel, documents);
        let row = |last_seq, step| LedgerRow { last_seq, step };
        vec![
            row(3, step(EventType::Accepted, DocumentSet::first(3))),
            row(5, step(EventType::Received, [0, 2].into_iter().collect())),
            row(6, Step::of_refusal(institution, true, at)),
            row(7, step(EventType::Read, DocumentSet::only(2))),
        ]
    }

    fn picks(after: u64, limit: usize, types: Option<&[EventType]>) -> (Vec<u64>, u64) {
        let ends = FeedEnds { oldest: 1, last: 7 };
        let types = types.map(|types| types.iter().copied().collect::<BTreeSet<_>>());
        let query = FeedQuery { after, limit, types };
        // As a store reads them.
        let is_read = |row: &LedgerRow| row.last_seq > after && query.asks_for(row.step.event_type);
        let found = |row: LedgerRow| FoundRow { last_seq: row.last_seq, content: RowContent::Step(row) };
        let rows: Vec<FoundRow> = rows().into_iter().filter(is_read).take(limit).map(found).collect();
        let Pick { picked, through, .. } = pick(&rows, &query, ends);
        (picked.iter().map(|event| event.seq).collect(), through)
    }

    #[test]
    fn pages_follow_one_another_without_a_gap() {
        for limit in 1..9 {
            let (mut seen, mut after) = (Vec::new(), 0);
            while after < 7 {
                let (page, through) = picks(after, limit, None);
                assert!(through > after && page.len() <= limit);
                assert_eq!(page.last(), Some(&through));
                seen.extend(page);
                after = through;
            }
            assert!(seen.into_iter().eq(1..=7), "{limit}");
        }
        assert_eq!(picks(7, 5, None), (vec![], 7));
        assert_eq!(picks(9, 5, None), (vec![], 9), "a reader that is ahead never goes back");
    }

    #[test]
    fn a_reader_of_some_types_passes_the_others() {
        let read = [EventType::Read];
        assert_eq!(picks(0, 5, Some(&read)), (vec![7], 7));
        assert_eq!(picks(0, 1, Some(&read)), (vec![7], 7));
        assert_eq!(picks(0, 5, Some(&[EventType::Withdrawn])), (vec![], 7));
        let some = [EventType::Received, EventType::Read];
        assert_eq!(picks(0, 1, Some(&some)), (vec![4], 4));
        assert_eq!(picks(4, 1, Some(&some)), (vec![5], 5));
        assert_eq!(picks(5, 1, Some(&some)), (vec![7], 7));
    }

    #[test]
    fn a_row_that_cannot_be_read_takes_only_its_own_numbers() {
        let ends = FeedEnds { oldest: 1, last: 1_000 };
        let query = FeedQuery { after: 0, limit: 2, types: None };
        let row = rows().remove(0);
        let damaged = |last_seq| FoundRow { last_seq, content: RowContent::Damaged };
        let step = FoundRow { last_seq: 6, content: RowContent::Step(LedgerRow { last_seq: 6, ..row }) };
        let Pick { picked, through, .. } =
            pick(&[damaged(5), step], &FeedQuery { limit: 10, ..query.clone() }, ends);
        assert_eq!((picked.len(), through), (3, 1_000), "there are no more");
        let Pick { picked, through, .. } = pick(&[damaged(5), damaged(9)], &query, ends);
        assert_eq!((picked.len(), through), (0, 9), "there may be more after the page");
    }

    #[test]
    fn a_feed_ends_before_what_only_a_newer_version_knows() {
        let ends = FeedEnds { oldest: 1, last: 1_000 };
        let row = rows().remove(0);
        let step = |last_seq| FoundRow { last_seq, content: RowContent::Step(LedgerRow { last_seq, ..row }) };
        let newer = FoundRow { last_seq: 7, content: RowContent::Newer };
        for (rows, after, expected) in [
            (vec![newer, step(10)], 6, (0, 6)),
            (vec![step(6), newer, step(10)], 0, (3, 6)),
            (vec![step(6), step(9), newer], 5, (4, 9)),
        ] {
            let query = FeedQuery { after, limit: 100, types: None };
            let Pick { picked, through, ends } = pick(&rows, &query, ends);
            assert_eq!((picked.len(), through), expected, "{rows:?}");
            assert_eq!(ends.last, through, "there is no more for this reader");
        }
        let of = |number| RowContent::of(number, Err(crate::StoreError::damaged("a row")));
        assert_eq!((of(0), of(1), of(1_000)), (RowContent::Damaged, RowContent::Damaged, RowContent::Newer));
    }

    #[test]
    fn a_scan_is_bounded() {
        let query = FeedQuery { after: 5, limit: 10, types: Some(BTreeSet::from([EventType::Read])) };
        let ends = FeedEnds { oldest: 1, last: 10 * SCAN_EVENTS_MAX };
        assert_eq!(pick(&[], &query, ends).through, 5 + SCAN_EVENTS_MAX);
    }

    #[test]
    fn an_event_tells_what_was_known_after_it() {
        let at = |seconds| Some(UnixSeconds(seconds));
        let now = Times {
            sent_at: UnixSeconds(100),
            received_at: at(100),
            opened_at: at(120),
            authenticated_at: at(120),
            token_used_at: at(120),
            read_at: at(130),
            notified_at: at(125),
            withdrawn_at: None,
        };
        let told = |event_type, recorded_at: i64| {
            let at = step_time(event_type, &now, UnixSeconds(recorded_at));
            let times = after_step(event_type, &now, UnixSeconds(recorded_at));
            let seconds = |time: Option<UnixSeconds>| time.map_or(0, |time| time.0);
            let chain = [times.received_at, times.authenticated_at, times.token_used_at, times.read_at];
            (at.0, chain.map(seconds), seconds(times.notified_at))
        };
        assert_eq!(told(EventType::Accepted, 100), (100, [0, 0, 0, 0], 0));
        assert_eq!(told(EventType::Received, 100), (100, [100, 0, 0, 0], 0));
        assert_eq!(told(EventType::Authenticated, 120), (120, [100, 120, 0, 0], 0));
        assert_eq!(told(EventType::TokenUsed, 120), (120, [100, 120, 120, 0], 0));
        assert_eq!(told(EventType::Read, 130), (130, [100, 120, 120, 130], 0));
        let late = told(EventType::Notified, 190);
        assert_eq!(
            late,
            (125, [100, 120, 120, 130], 125),
            "at as the messenger says, and what was known then"
        );
        assert_eq!(told(EventType::NoticeFailed, 110), (110, [100, 0, 0, 0], 0));
    }
}
