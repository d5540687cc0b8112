//! When a document enters its recipient's box (SPEC 8): a member's with its acceptance, another's when they join, and
//! a sandbox's persona (SPEC 12) joins by itself.

use seoham_model::UnixSeconds;
use seoham_model::person::Behaviour;

use crate::personas::JOINS_LATER_SECONDS;

/// How a document stands to its recipient's box when it is taken for delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxEntry {
    /// It lies in it.
    Entered,
    /// Its recipient joined while it was being accepted: it enters now.
    Now,
    /// Its recipient joins by themselves: it enters then.
    At(UnixSeconds),
    /// It waits for its recipient to join.
    Waiting,
}

impl BoxEntry {
    /// How a document that was sent at `sent_at` stands to the box of its recipient.
    pub fn of(entered: bool, member: bool, behaviour: Behaviour, sent_at: UnixSeconds) -> Self {
        match (entered, member, behaviour) {
            (true, ..) => Self::Entered,
            (false, true, _) => Self::Now,
            (false, false, Behaviour::JoinsLater) => Self::At(sent_at.plus(JOINS_LATER_SECONDS)),
            (false, false, _) => Self::Waiting,
        }
    }

    /// Whether the notification says that it lies in the box.
    pub fn is_in_box(self) -> bool {
        matches!(self, Self::Entered | Self::Now)
    }
}

/// Which of the documents that wait for a person enter the box, when somebody is due to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueEntries {
    /// Sent by then; `None` for all.
    pub sent_by: Option<UnixSeconds>,
}

impl DueEntries {
    /// Those of a person who joined, or of one who joins by themselves a while after each document.
    pub fn of(member: bool, behaviour: Behaviour, now: UnixSeconds) -> Self {
        let joins_later = !member && behaviour == Behaviour::JoinsLater;
        Self { sent_by: joins_later.then(|| now.plus(-JOINS_LATER_SECONDS)) }
    }

    /// When the person is due again, if the oldest document that still waits was sent at `oldest_sent_at`.
    pub fn next_at(self, oldest_sent_at: Option<UnixSeconds>) -> Option<UnixSeconds> {
        self.sent_by.and(oldest_sent_at).map(|sent_at| sent_at.plus(JOINS_LATER_SECONDS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: UnixSeconds = UnixSeconds(1_800_000_000);

    #[test]
    fn a_document_enters_with_its_person() {
        use Behaviour::{JoinsLater, Ordinary, RefusesAll};
        let later = BoxEntry::At(SENT.plus(JOINS_LATER_SECONDS));
        for (entered, member, behaviour, entry, is_in_box) in [
            (true, true, Ordinary, BoxEntry::Entered, true),
            (true, false, JoinsLater, BoxEntry::Entered, true),
            (false, true, Ordinary, BoxEntry::Now, true),
            (false, true, JoinsLater, BoxEntry::Now, true),
            (false, false, JoinsLater, later, false),
            (false, false, Ordinary, BoxEntry::Waiting, false),
            (false, false, RefusesAll, BoxEntry::Waiting, false),
        ] {
            let found = BoxEntry::of(entered, member, behaviour, SENT);
            assert_eq!((found, found.is_in_box()), (entry, is_in_box), "{entered} {member} {behaviour:?}");
        }
    }

    #[test]
    fn who_joins_later_takes_what_is_old_enough_and_comes_again() {
        let all = DueEntries::of(true, Behaviour::JoinsLater, SENT);
        assert_eq!((all.sent_by, all.next_at(Some(SENT))), (None, None));
        let some = DueEntries::of(false, Behaviour::JoinsLater, SENT);
        assert_eq!(some.sent_by, Some(SENT.plus(-JOINS_LATER_SECONDS)));
        assert_eq!(some.next_at(Some(SENT)), Some(SENT.plus(JOINS_LATER_SECONDS)));
        assert_eq!(some.next_at(None), None);
        assert_eq!(DueEntries::of(false, Behaviour::Ordinary, SENT).sent_by, None);
    }
}
