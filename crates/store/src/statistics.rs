//! Statistics (SPEC 11), a rollup in materialized counters: what happened on each day, by contract. An agency settles by
//! these figures.
//!
//! Steps are counted from the ledger, in the transaction in which they are numbered; refused documents with their
//! request's acceptance, because they have no step. A day has a few rows of each contract, so that a year costs little
//! more to read than a day.

use std::collections::BTreeMap;

use ambassador::delegatable_trait;
use async_trait::async_trait;
use seoham_model::{ContractUuid, ErrorCode, EventType, InstitutionId, NamedNumber, SeoulDay};

use crate::Result;
use crate::events::Step;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// Documents accepted.
    Accepted,
    /// Notifications that arrived, or their fallback.
    Notified,
    /// Documents read.
    Read,
    /// Documents whose deadline passed unread.
    Expired,
    /// Documents withdrawn.
    Withdrawn,
    /// Documents refused: they break a rule of SPEC 4.
    InvalidValue,
    /// Documents refused: no person matches.
    NotFound,
    /// Documents refused: the person refuses the institution.
    Forbidden,
    /// Documents refused: any unexpected failure.
    InternalError,
}

// A step has the number of its event type, so that SQL counts it without a table of its own. Refusals begin at 101.
impl NamedNumber for Counted {
    const ALL: &'static [(Self, i64, &'static str)] = &[
        (Self::Accepted, 1, "accepted"),
        (Self::Notified, 3, "notified"),
        (Self::Read, 8, "read"),
        (Self::Expired, 9, "expired"),
        (Self::Withdrawn, 10, "withdrawn"),
        (Self::InvalidValue, 101, "INVALID_VALUE"),
        (Self::NotFound, 102, "NOT_FOUND"),
        (Self::Forbidden, 103, "FORBIDDEN"),
        (Self::InternalError, 104, "INTERNAL_ERROR"),
    ];
}

/// The counted steps.
const STEPS: [(EventType, Counted); 5] = [
    (EventType::Accepted, Counted::Accepted),
    (EventType::Notified, Counted::Notified),
    (EventType::Read, Counted::Read),
    (EventType::Expired, Counted::Expired),
    (EventType::Withdrawn, Counted::Withdrawn),
];

impl Counted {
    /// The refusal of a document with this code.
    pub fn of_refusal(code: ErrorCode) -> Self {
        match code {
            ErrorCode::InvalidValue => Self::InvalidValue,
            ErrorCode::NotFound | ErrorCode::UnidentifiedUser => Self::NotFound,
            ErrorCode::Forbidden => Self::Forbidden,
            ErrorCode::Unauthorized
            | ErrorCode::Gone
            | ErrorCode::TooManyRequests
            | ErrorCode::InternalError => Self::InternalError,
        }
    }

    /// The counted steps, which have the numbers of their event types.
    pub fn steps() -> impl Iterator<Item = EventType> {
        STEPS.iter().map(|(event_type, _)| *event_type)
    }

    /// What a step counts as, on which day and how often; `None` if it is not counted. The day is that of the step in
    /// the ledger: of the deadline for an expiry, of the record for a notification.
    pub fn of_step(step: &Step) -> Option<(SeoulDay, Self, u64)> {
        let (_, counted) = STEPS.iter().find(|(event_type, _)| *event_type == step.event_type)?;
        Some((SeoulDay::of(step.at), *counted, step.event_count().into()))
    }

    /// Whether it counts refused documents.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::InvalidValue | Self::NotFound | Self::Forbidden | Self::InternalError)
    }
}

/// Stands for the contract of a step whose document was gone when it was counted, so that nothing is left uncounted.
pub const NO_CONTRACT: ContractUuid = ContractUuid::from_bytes([0; 16]);

/// Refused documents of one request, by code.
pub type Refusals = BTreeMap<Counted, u64>;

/// A row that a store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The day in Seoul.
    pub day: SeoulDay,
    /// The contract.
    pub contract: ContractUuid,
    /// What is counted.
    pub counted: Counted,
    /// How many documents.
    pub documents: u64,
}

/// The figures of one contract on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayFigures {
    /// The day in Seoul.
    pub day: SeoulDay,
    /// The contract; [`NO_CONTRACT`] if its document was gone when the step was counted.
    pub contract: ContractUuid,
    /// How many documents of each kind; a kind that did not occur is missing.
    pub documents: BTreeMap<Counted, u64>,
}

/// Arranges stored counts by day and contract, ascending.
pub fn figures(counts: impl IntoIterator<Item = Count>) -> Vec<DayFigures> {
    let mut days: BTreeMap<(SeoulDay, ContractUuid), BTreeMap<Counted, u64>> = BTreeMap::new();
    for Count { day, contract, counted, documents } in counts {
        *days.entry((day, contract)).or_default().entry(counted).or_default() += documents;
    }
    let figures =
        |((day, contract), documents): ((SeoulDay, ContractUuid), _)| DayFigures { day, contract, documents };
    days.into_iter().map(figures).collect()
}

/// Reading the statistics.
#[async_trait]
#[delegatable_trait]
pub trait Statistics: Send + Sync {
    /// The figures of an institution from `from` to `to`, by day and contract, ascending; days without any are missing.
    async fn statistics(
        &self,
        institution: InstitutionId,
        from: SeoulDay,
        to: SeoulDay,
    ) -> Result<Vec<DayFigures>>;
}

#[cfg(test)]
mod tests {
    use seoham_model::{Clock, ParcelId, StoredNumber, UnixSeconds};

    use super::*;
    use crate::events::DocumentSet;

    #[test]
    fn a_counted_step_has_the_number_of_its_event_type() {
        for (event_type, counted) in STEPS {
            assert_eq!(event_type.as_number(), counted.as_number(), "{counted:?}");
            assert!(!counted.is_refusal());
        }
        let refusals = Counted::ALL.iter().filter(|(counted, ..)| counted.is_refusal());
        assert!(refusals.clone().all(|(_, number, _)| *number > 100));
        assert_eq!(refusals.count() + STEPS.len(), Counted::ALL.len());
    }

    #[test]
    fn every_code_of_an_item_is_counted_by_its_name() {
        let codes =
            [ErrorCode::InvalidValue, ErrorCode::NotFound, ErrorCode::Forbidden, ErrorCode::InternalError];
        for code in codes {
            assert_eq!(Counted::of_refusal(code).name(), code.as_str());
        }
        assert_eq!(Counted::of_refusal(ErrorCode::UnidentifiedUser), Counted::NotFound);
    }

    #[test]
    fn a_step_counts_its_documents_on_its_day_in_seoul() {
        let clock = Clock::default();
        let (institution, parcel) = (InstitutionId::generate(&clock), ParcelId::generate(&clock));
        // 2026-11-22T15:00:00Z is midnight of the 23rd in Seoul.
        let midnight = UnixSeconds(1_795_359_600);
        let of = |event_type, at| {
            let step = Step::of_parcel(institution, event_type, at, parcel, DocumentSet::first(7));
            Counted::of_step(&step).map(|(day, counted, documents)| (day.as_yyyymmdd(), counted, documents))
        };
        assert_eq!(of(EventType::Read, midnight), Some((20_261_123, Counted::Read, 7)));
        assert_eq!(of(EventType::Expired, midnight.plus(-1)), Some((20_261_122, Counted::Expired, 7)));
        assert_eq!(of(EventType::Received, midnight), None);
        assert_eq!(Counted::of_step(&Step::of_refusal(institution, true, midnight)), None);
    }

    #[test]
    fn counts_are_arranged_by_day_and_contract() {
        let (first, second) = (ContractUuid::from_bytes([1; 16]), ContractUuid::from_bytes([2; 16]));
        let day = SeoulDay::of(UnixSeconds(1_795_359_600));
        let count = |day, contract, counted, documents| Count { day, contract, counted, documents };
        let arranged = figures([
            count(day.next(), first, Counted::Read, 1),
            count(day, second, Counted::Accepted, 5),
            count(day, first, Counted::NotFound, 2),
            count(day, first, Counted::NotFound, 3),
        ]);
        let places: Vec<_> = arranged.iter().map(|figures| (figures.day, figures.contract)).collect();
        assert_eq!(places, [(day, first), (day, second), (day.next(), first)]);
        assert_eq!(arranged[0].documents, BTreeMap::from([(Counted::NotFound, 5)]));
    }
}
