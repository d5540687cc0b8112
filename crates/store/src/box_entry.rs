//! When a document enters its recipient's box (SPEC 8): for a member on acceptance, for others when they
//! join. Some sandbox personas (SPEC 12) join automatically.

use seoham_model::person::Behaviour;
use seoham_model::{BinderId, PersonId, UnixSeconds};

use crate::parcel::{Found, StoredDocument};
use crate::personas::JOINS_LATER_SECONDS;

/// The relation of a document to its recipient's box when it is claimed for delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxEntry {
    /// It is in the box.
    Entered,
    /// Its recipient joined during the acceptance: it enters now.
    Now,
    /// Its recipient joins automatically: it enters at that time.
    At(UnixSeconds),
    /// It waits for its recipient to join.
    Waiting,
}

impl BoxEntry {
    /// The relation of a document sent at `sent_at` to the box of its recipient.
    pub fn of(entered: bool, member: bool, behaviour: Behaviour, sent_at: UnixSeconds) -> Self {
        match (entered, member, behaviour) {
            (true, ..) => Self::Entered,
            (false, true, _) => Self::Now,
            (false, false, Behaviour::JoinsLater) => Self::At(joins_later_at(sent_at)),
            (false, false, _) => Self::Waiting,
        }
    }

    /// Whether the notification says that it is in the box.
    pub fn is_in_box(self) -> bool {
        matches!(self, Self::Entered | Self::Now)
    }
}

/// Which of the documents that wait for a person enter the box now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DueEntries {
    /// All: the person has joined.
    All,
    /// What was sent by then: a persona joins anew a while after each document.
    SentBy(UnixSeconds),
}

impl DueEntries {
    /// Those of a person.
    pub fn of(member: bool, behaviour: Behaviour, now: UnixSeconds) -> Self {
        if !member && behaviour == Behaviour::JoinsLater {
            Self::SentBy(now.plus(-JOINS_LATER_SECONDS))
        } else {
            Self::All
        }
    }

    /// Until when a document must have been sent; `None` for any time.
    pub fn sent_by(self) -> Option<UnixSeconds> {
        match self {
            Self::All => None,
            Self::SentBy(sent_by) => Some(sent_by),
        }
    }
}

/// Documents that wait for a person, oldest first, collected from what a store finds.
pub struct Waiting {
    person: PersonId,
    sent_by: Option<UnixSeconds>,
    limit: usize,
    now: UnixSeconds,
    /// Those found so far.
    pub documents: Vec<StoredDocument>,
    /// One more may wait: it cannot be read.
    pub has_unreadable: bool,
}

impl Waiting {
    /// None yet, of at most `limit` that can still be opened at `now` and were sent by `sent_by`, if that is given.
    pub fn new(person: PersonId, sent_by: Option<UnixSeconds>, limit: usize, now: UnixSeconds) -> Self {
        Self { person, sent_by, limit, now, documents: Vec::new(), has_unreadable: false }
    }

    /// Adds those of `ids` that wait, in that order.
    pub fn add(&mut self, ids: &[BinderId], mut found: Found) {
        for document in ids.iter().filter_map(|id| found.remove(id)) {
            match document {
                Ok(document) if self.waits(&document) => self.documents.push(document),
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "a document that may wait for its person cannot be read");
                    self.has_unreadable = true;
                }
            }
            if self.is_full() {
                return;
            }
        }
    }

    /// There are as many as were asked for: more may wait.
    pub fn is_full(&self) -> bool {
        self.documents.len() >= self.limit
    }

    fn waits(&self, document: &StoredDocument) -> bool {
        let is_open = document.times.received_at.is_none() && !document.is_over(self.now);
        let is_due = self.sent_by.is_none_or(|sent_by| document.times.sent_at <= sent_by);
        document.person == self.person && is_open && is_due
    }
}

/// How long a person waits for the next try when one of their documents cannot be read, in seconds.
pub const UNREADABLE_SECONDS: i64 = 60 * 60;

/// When a persona that joins later takes a document.
pub fn joins_later_at(sent_at: UnixSeconds) -> UnixSeconds {
    sent_at.plus(JOINS_LATER_SECONDS)
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
        assert_eq!(DueEntries::of(true, Behaviour::JoinsLater, SENT), DueEntries::All);
        assert_eq!(DueEntries::of(false, Behaviour::Ordinary, SENT), DueEntries::All);
        let some = DueEntries::of(false, Behaviour::JoinsLater, joins_later_at(SENT));
        assert_eq!((some, some.sent_by()), (DueEntries::SentBy(SENT), Some(SENT)));
        assert_eq!(DueEntries::All.sent_by(), None);
    }
}
