//! Expiry as an event. The status of a document needs no job to expire (SPEC 6), but its feed tells of it: each parcel
//! has a row that says when its next deadline passes, and a sweeper looks at the rows that are due. It goes by the
//! deadlines up to which it has told, so that it is correct after any pause and any jump of the clock.

use seoham_model::{BinderId, UnixSeconds};

use super::DocumentSet;
use crate::Result;
use crate::parcel::{Mark, StoredParcel};

/// How long after a deadline the sweeper looks at the document, in seconds: what people did just before the deadline is
/// stored by then, on a node with another clock too (a node that is ten seconds off does not serve).
pub const EXPIRY_GRACE_SECONDS: i64 = 15;

/// When a parcel that cannot be read is looked at again, in seconds: it may be repaired by then.
const UNREADABLE_SECONDS: i64 = 24 * 60 * 60;

/// The row of a parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// When to look: a deadline.
    pub due_at: UnixSeconds,
    /// The deadlines until this time have been told of.
    pub told_to: UnixSeconds,
}

/// What a look found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The deadlines that passed, ascending, each with its documents that were neither read nor withdrawn.
    pub expired: Vec<(UnixSeconds, DocumentSet)>,
    /// The row from now on; `None` if no deadline is left.
    pub next: Option<Expiry>,
}

/// What became of a parcel's documents whose deadlines passed by `now` since the last look.
pub fn after_expiry(
    parcel: &Result<StoredParcel>,
    mark: impl Fn(BinderId) -> Option<Mark>,
    row: Expiry,
    now: UnixSeconds,
) -> Due {
    let parcel = match parcel {
        Ok(parcel) => parcel,
        Err(error) => {
            tracing::error!(%error, "a parcel whose deadline passed cannot be read");
            let next = Expiry { due_at: now.plus(UNREADABLE_SECONDS), told_to: row.told_to };
            return Due { expired: Vec::new(), next: Some(next) };
        }
    };
    let count = u8::try_from(parcel.head.count()).unwrap_or(u8::MAX);
    let mut deadlines: Vec<(UnixSeconds, u8)> = Vec::with_capacity(count.into());
    for position in 0..count {
        match parcel.head.deadline_at(position) {
            Ok(deadline) if deadline > row.told_to => deadlines.push((deadline, position)),
            Ok(_) => {}
            Err(error) => tracing::error!(%error, parcel = %parcel.id, "a deadline cannot be read"),
        }
    }
    deadlines.sort_unstable();
    let mut expired: Vec<(UnixSeconds, DocumentSet)> = Vec::new();
    let (passed, left) = deadlines.split_at(deadlines.partition_point(|(deadline, _)| *deadline <= now));
    for (deadline, position) in passed {
        let mark = mark(parcel.id.document(*position)).unwrap_or_default();
        if mark.read_at.is_some() || mark.withdrawn_at.is_some() {
            continue;
        }
        match expired.last_mut() {
            Some((last, documents)) if last == deadline => documents.insert(*position),
            _ => expired.push((*deadline, DocumentSet::only(*position))),
        }
    }
    let next = left.first().map(|(deadline, _)| Expiry { due_at: *deadline, told_to: now.max(row.told_to) });
    Due { expired, next }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use seoham_model::{Clock, ContractUuid, InstitutionId, ParcelId};

    use super::*;
    use crate::StoreError;
    use crate::parcel::head::{Entry, ParcelHead, encode};

    fn parcel(deadlines: &[i64]) -> Result<StoredParcel> {
        let entry = |deadline: &i64| Entry {
            member: true,
            deadline_at: UnixSeconds(*deadline),
            text: None,
            part_bytes: 1,
            hash: None,
        };
        let head = encode(&deadlines.iter().map(entry).collect::<Vec<_>>(), &[])?;
        let clock = Clock::default();
        Ok(StoredParcel {
            id: ParcelId::generate(&clock),
            institution: InstitutionId::generate(&clock),
            contract: ContractUuid::generate(&clock),
            sent_at: UnixSeconds(1),
            head: ParcelHead::parse(head)?,
            persons: Vec::new(),
            notices: Vec::new(),
        })
    }

    #[test]
    fn each_deadline_is_told_of_once_and_in_order() {
        let parcel = parcel(&[100, 300, 100, 200, 100]);
        let id = parcel.as_ref().expect("sound").id;
        let (read, withdrawn) = (
            Mark { read_at: Some(UnixSeconds(90)), ..Mark::default() },
            Mark { withdrawn_at: Some(UnixSeconds(90)), ..Mark::default() },
        );
        let marks = HashMap::from([(id.document(2), read), (id.document(3), withdrawn)]);
        let look = |due_at: i64, told_to: i64, now: i64| {
            let row = Expiry { due_at: UnixSeconds(due_at), told_to: UnixSeconds(told_to) };
            let due = after_expiry(&parcel, |id| marks.get(&id).copied(), row, UnixSeconds(now));
            let expired: Vec<(i64, Vec<u8>)> =
                due.expired.iter().map(|(at, set)| (at.0, set.positions().collect())).collect();
            (expired, due.next.map(|next| (next.due_at.0, next.told_to.0)))
        };
        assert_eq!(look(100, 0, 99), (vec![], Some((100, 99))), "none has passed");
        assert_eq!(look(100, 0, 100), (vec![(100, vec![0, 4])], Some((200, 100))));
        assert_eq!(look(200, 100, 250), (vec![], Some((300, 250))), "the one of 200 was withdrawn");
        assert_eq!(look(300, 250, 900), (vec![(300, vec![1])], None));
        assert_eq!(look(100, 0, 900), (vec![(100, vec![0, 4]), (300, vec![1])], None), "after a long pause");
        assert_eq!(
            look(300, 250, 150),
            (vec![], Some((300, 250))),
            "a clock that was set back tells nothing twice"
        );
    }

    #[test]
    fn a_parcel_that_cannot_be_read_is_looked_at_again() {
        let row = Expiry { due_at: UnixSeconds(100), told_to: UnixSeconds(50) };
        let due = after_expiry(&Err(StoreError::damaged("a head")), |_| None, row, UnixSeconds(120));
        let next = Expiry { due_at: UnixSeconds(120 + UNREADABLE_SECONDS), told_to: UnixSeconds(50) };
        assert_eq!(due, Due { expired: vec![], next: Some(next) });
    }
}
