//! The packed notices of a parcel: how far the notification of each of its documents came (DESIGN 3).
//!
//! Five bytes for each document: the outcome as its number, and the moment at which the messenger reported the arrival,
//! as seconds after the parcel was sent, counted from 1; 0 for none. A parcel without notices has none of these bytes.

use seoham_model::{BinderId, EventType, InstitutionId, ParcelId, StoredNumber, UnixSeconds};

use crate::documents::Notification;
use crate::events::{DocumentSet, Step};
use crate::{Result, StoreError};

/// The bytes of one document's notice.
pub const NOTICE_BYTES: usize = 5;

/// What is known of one document's notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How far it came.
    pub outcome: Notification,
    /// When it arrived.
    pub notified_at: Option<UnixSeconds>,
}

impl Notice {
    /// Nothing is known yet.
    pub const PENDING: Self = Self { outcome: Notification::Pending, notified_at: None };

    /// What is known after `outcome`, which came at `at`. The first arrival counts, and a report that a notification
    /// did not arrive changes nothing that is decided. Times are never before `sent_at` nor after `now`.
    #[must_use]
    pub fn after(
        self,
        outcome: Notification,
        at: UnixSeconds,
        sent_at: UnixSeconds,
        now: UnixSeconds,
    ) -> Self {
        match (outcome, self.outcome, self.notified_at) {
            (Notification::Delivered | Notification::Fallback, _, None) => {
                Self { outcome, notified_at: Some(at.min(now).max(sent_at)) }
            }
            (Notification::Delivered | Notification::Fallback, ..) => self,
            (_, Notification::Pending | Notification::Taken, None) => Self { outcome, notified_at: None },
            _ => self,
        }
    }
}

/// What happened to the notification of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The document.
    pub document: BinderId,
    /// What happened.
    pub outcome: Notification,
    /// When, by the messenger's clock.
    pub at: UnixSeconds,
}

/// What reports change in a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedParcel {
    /// The packed notices from now on.
    pub packed: Vec<u8>,
    /// The documents whose notification arrived with these reports.
    pub arrived: DocumentSet,
    /// Those of which the messenger reported now that it did not.
    pub failed: DocumentSet,
}

impl ReportedParcel {
    /// The steps that the feed tells of (SPEC 15).
    pub fn steps(
        &self,
        institution: InstitutionId,
        parcel: ParcelId,
        now: UnixSeconds,
    ) -> impl Iterator<Item = Step> {
        // A notification may arrive after it was reported as failed, and not the other way round.
        let steps = [(EventType::NoticeFailed, self.failed), (EventType::Notified, self.arrived)];
        let steps = steps.into_iter().filter(|(_, documents)| !documents.is_empty());
        steps.map(move |(event_type, documents)| {
            Step::of_parcel(institution, event_type, now, parcel, documents)
        })
    }
}

/// What `reports`, in order, change in the packed notices of a parcel of `count` documents; `None` if nothing.
/// A document that the parcel does not have, or whose notice is damaged, is skipped.
pub fn after_reports(
    packed: &[u8],
    count: usize,
    sent_at: UnixSeconds,
    reports: &[Report],
    now: UnixSeconds,
) -> Option<ReportedParcel> {
    let mut after = packed.to_vec();
    let (mut arrived, mut failed) = (DocumentSet::default(), DocumentSet::default());
    let mut is_changed = false;
    for report in reports {
        let position = report.document.position();
        if usize::from(position) >= count {
            continue;
        }
        let Ok(before) = notice(&after, position, sent_at) else { continue };
        let changed = before.after(report.outcome, report.at, sent_at, now);
        if changed != before && set(&mut after, count, position, changed, sent_at).is_ok() {
            is_changed = true;
            match changed.outcome {
                Notification::Delivered | Notification::Fallback => arrived.insert(position),
                Notification::Failed => failed.insert(position),
                _ => {}
            }
        }
    }
    is_changed.then_some(ReportedParcel { packed: after, arrived, failed })
}

/// The notice of the document at `position`; of a parcel without notices it is pending.
pub fn notice(packed: &[u8], position: u8, sent_at: UnixSeconds) -> Result<Notice> {
    if packed.is_empty() {
        return Ok(Notice::PENDING);
    }
    let damaged = || StoreError::damaged("a notice");
    let start = usize::from(position) * NOTICE_BYTES;
    let bytes = packed.get(start..).and_then(<[u8]>::first_chunk::<NOTICE_BYTES>).ok_or_else(damaged)?;
    let [number, seconds @ ..] = bytes;
    let outcome = Notification::from_number(i64::from(*number)).ok_or_else(damaged)?;
    let after = u32::from_le_bytes(*seconds).checked_sub(1);
    Ok(Notice { outcome, notified_at: after.map(|after| sent_at.plus(i64::from(after))) })
}

/// Sets the notice of the document at `position` in a parcel of `count` documents.
pub fn set(
    packed: &mut Vec<u8>,
    count: usize,
    position: u8,
    notice: Notice,
    sent_at: UnixSeconds,
) -> Result<()> {
    let damaged = || StoreError::damaged("a notice");
    if packed.is_empty() {
        packed.resize(count * NOTICE_BYTES, 0);
    }
    let start = usize::from(position) * NOTICE_BYTES;
    let place = packed.get_mut(start..start + NOTICE_BYTES).ok_or_else(damaged)?;
    let number = u8::try_from(notice.outcome.as_number()).map_err(|_| damaged())?;
    // After more than a century all moments are the same.
    let after = |at: UnixSeconds| u32::try_from(at.0 - sent_at.0 + 1).unwrap_or(u32::MAX);
    place[0] = number;
    place[1..].copy_from_slice(&notice.notified_at.map_or(0, after).to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use Notification::{Delivered, Expired, Failed, Fallback, GivenUp, Pending, Taken};

    use super::*;

    const SENT: UnixSeconds = UnixSeconds(1_800_000_000);

    #[test]
    fn notices_read_back_as_they_were_set() {
        let mut packed = Vec::new();
        assert_eq!(notice(&packed, 7, SENT).expect("reads"), Notice::PENDING);
        let cases = [
            (0, Notice { outcome: Taken, notified_at: None }),
            (1, Notice { outcome: Delivered, notified_at: Some(SENT) }),
            (2, Notice { outcome: Delivered, notified_at: Some(SENT.plus(86_400 * 365 * 100)) }),
            (99, Notice { outcome: GivenUp, notified_at: None }),
        ];
        for (position, value) in cases {
            set(&mut packed, 100, position, value, SENT).expect("there");
        }
        for (position, value) in cases {
            assert_eq!(notice(&packed, position, SENT).expect("reads"), value);
        }
        assert_eq!(notice(&packed, 50, SENT).expect("reads"), Notice::PENDING);
        assert_eq!(packed.len(), 500);
        assert!(notice(&packed, 100, SENT).is_err());
        packed[0] = 77;
        assert!(notice(&packed, 0, SENT).is_err(), "damage of this document alone");
        assert!(notice(&packed, 1, SENT).is_ok());
    }

    #[test]
    fn reports_of_a_parcel_are_packed_together_and_harmless_again() {
        let parcel = ParcelId::generate(&seoham_model::Clock::default());
        let report = |position, outcome, at| Report { document: parcel.document(position), outcome, at };
        let reports = [
            report(2, Failed, SENT.plus(1)),
            report(0, Delivered, SENT.plus(3)),
            report(2, Delivered, SENT.plus(4)),
            report(3, Delivered, SENT.plus(4)),
        ];
        let now = SENT.plus(60);
        let reported = after_reports(&[], 3, SENT, &reports, now).expect("changes");
        let institution = InstitutionId::generate(&seoham_model::Clock::default());
        let steps: Vec<_> =
            reported.steps(institution, parcel, now).map(|step| (step.event_type, step.documents)).collect();
        let of = |positions: &[u8]| Some((parcel, positions.iter().copied().collect()));
        assert_eq!(steps, [(EventType::NoticeFailed, of(&[2])), (EventType::Notified, of(&[0, 2]))]);
        let packed = reported.packed;
        assert_eq!(packed.len(), 3 * NOTICE_BYTES);
        let arrived = |position| notice(&packed, position, SENT).expect("reads").notified_at;
        assert_eq!([arrived(0), arrived(1), arrived(2)], [Some(SENT.plus(3)), None, Some(SENT.plus(4))]);
        assert_eq!(after_reports(&packed, 3, SENT, &reports, now), None, "nothing changes twice");
        let mut damaged = packed;
        damaged[NOTICE_BYTES] = 77;
        let more = [report(1, Delivered, SENT), report(0, Failed, SENT)];
        assert_eq!(after_reports(&damaged, 3, SENT, &more, now), None, "a damaged notice stays as it is");
    }

    #[test]
    fn the_first_arrival_counts_and_what_is_decided_stays() {
        let (at, now) = (SENT.plus(10), SENT.plus(100));
        let arrived = |at| Notice { outcome: Delivered, notified_at: Some(at) };
        let open = |outcome| Notice { outcome, notified_at: None };
        for (before, outcome, at, after) in [
            (open(Pending), Taken, at, open(Taken)),
            (open(Pending), Delivered, at, arrived(at)),
            (open(Taken), Delivered, at, arrived(at)),
            (open(Failed), Delivered, at, arrived(at)),
            (open(GivenUp), Delivered, at, arrived(at)),
            (arrived(at), Delivered, SENT.plus(50), arrived(at)),
            (arrived(at), Failed, at, arrived(at)),
            (open(Failed), Fallback, at, Notice { outcome: Fallback, notified_at: Some(at) }),
            (arrived(at), Fallback, SENT.plus(50), arrived(at)),
            (arrived(at), Taken, at, arrived(at)),
            (open(Taken), Failed, at, open(Failed)),
            (open(Pending), Expired, at, open(Expired)),
            (open(GivenUp), Failed, at, open(GivenUp)),
            (open(Failed), Taken, at, open(Failed)),
            (open(Pending), Delivered, SENT.plus(-5), arrived(SENT)),
            (open(Pending), Delivered, SENT.plus(5_000), arrived(now)),
        ] {
            assert_eq!(before.after(outcome, at, SENT, now), after, "{before:?} {outcome:?} {at:?}");
        }
    }
}
