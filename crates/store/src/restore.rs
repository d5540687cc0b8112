//! What a store is after it was restored from a backup, whichever store it is.
//!
//! A backup is the past: what was sent since then may be sent again from it, and what was signed out since
//! then is signed in in it. So deliveries are held until the operator decides, what lets a person in is void, and
//! a process that still runs on the store before is told apart by the generation.

use seoham_model::{BinderId, UnixSeconds};

/// The deployment's values that a restore sets.
pub mod names {
    /// Which life of the data this is; a process that began in another one writes no more.
    pub const GENERATION: &str = "generation";
    /// What workers are to do: [`WorkOrder`](super::WorkOrder).
    pub const WORK_ORDER: &str = "work_order";
    /// Links in notifications of documents that were accepted until then lead to nothing.
    pub const LINKS_VOID_BEFORE: &str = "links_void_before";
}

/// What workers are to do with what is queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkOrder {
    /// Deliver it.
    #[default]
    Go,
    /// Nothing, until the operator decides.
    Held,
    /// Put what was accepted before this into its box without telling anybody, and deliver the rest.
    DropBefore(UnixSeconds),
}

impl WorkOrder {
    /// As a store keeps it; `None` is nothing to keep.
    pub fn to_stored(self) -> Option<String> {
        match self {
            Self::Go => None,
            Self::Held => Some("held".to_owned()),
            Self::DropBefore(moment) => Some(format!("drop:{moment}")),
        }
    }

    /// From what a store kept. What does not read holds: nothing is sent by mistake.
    pub fn from_stored(stored: Option<&str>) -> Self {
        let Some(stored) = stored else { return Self::Go };
        let moment = stored.strip_prefix("drop:").and_then(|moment| moment.parse().ok());
        moment.map_or(Self::Held, |moment| Self::DropBefore(UnixSeconds(moment)))
    }

    /// Whether the recipient of `document` is not to be told of it any more. What was tried first after the
    /// decision is what the operator had sent again: of that they are told.
    pub fn drops(self, document: BinderId, first_attempt_at: Option<UnixSeconds>) -> bool {
        match self {
            Self::DropBefore(moment) => {
                let accepted_at = document.unix_millis() / 1000;
                accepted_at < u64::try_from(moment.0).unwrap_or(0)
                    && first_attempt_at.is_none_or(|first| first < moment)
            }
            Self::Go | Self::Held => false,
        }
    }
}

/// An access token that is as it was in the backup, for review: one that was revoked since then is valid again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredToken {
    /// The institution's name.
    pub institution: String,
    /// What the operator called it.
    pub label: String,
    /// When it was revoked, if it was.
    pub revoked_at: Option<UnixSeconds>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_reads_as_it_was_kept_and_holds_when_it_does_not() {
        for order in [WorkOrder::Go, WorkOrder::Held, WorkOrder::DropBefore(UnixSeconds(1_800_000_000))] {
            assert_eq!(WorkOrder::from_stored(order.to_stored().as_deref()), order);
        }
        for unread in ["", "go", "drop:", "drop:x"] {
            assert_eq!(WorkOrder::from_stored(Some(unread)), WorkOrder::Held, "{unread}");
        }
        let document = BinderId::first_at(1_800_000_000_000);
        let after = WorkOrder::DropBefore(UnixSeconds(1_800_000_001));
        assert!(after.drops(document, None) && after.drops(document, Some(UnixSeconds(1_800_000_000))));
        assert!(!after.drops(document, Some(UnixSeconds(1_800_000_001))), "sent again after the decision");
        assert!(!WorkOrder::DropBefore(UnixSeconds(1_800_000_000)).drops(document, None));
        assert!(!WorkOrder::Go.drops(document, None) && !WorkOrder::Held.drops(document, None));
    }
}
