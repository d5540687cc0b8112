//! The state of a store after it was restored from a backup, for any store.
//!
//! A backup is the past: it may resend what was sent since, and sessions that have ended since are valid in
//! it. So deliveries are held until the operator decides, sign-in data is void, and the generation identifies
//! processes that still run on the previous data.

use seoham_model::{BinderId, UnixSeconds};

/// The deployment values that a restore sets.
pub mod names {
    /// The generation of the data; a process that started in another one no longer writes.
    pub const GENERATION: &str = "generation";
    /// The epoch of its feeds (SPEC 15): absent, which means 1, or the second of the last restore.
    pub const FEED_EPOCH: &str = "feed_epoch";
    /// The work order: [`WorkOrder`](super::WorkOrder).
    pub const WORK_ORDER: &str = "work_order";
    /// Links in notifications of documents accepted before this time are void.
    pub const LINKS_VOID_BEFORE: &str = "links_void_before";
}

/// What workers should do with queued deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkOrder {
    /// Deliver them.
    #[default]
    Go,
    /// Hold them until the operator decides.
    Held,
    /// Put documents accepted before this time into their boxes without a notification, and deliver the rest.
    DropBefore(UnixSeconds),
}

impl WorkOrder {
    /// The stored form; `None` if nothing needs to be stored.
    pub fn to_stored(self) -> Option<String> {
        match self {
            Self::Go => None,
            Self::Held => Some("held".to_owned()),
            Self::DropBefore(moment) => Some(format!("drop:{moment}")),
        }
    }

    /// Parses the stored form. An unreadable value means held, so that nothing is sent by mistake.
    pub fn from_stored(stored: Option<&str>) -> Self {
        let Some(stored) = stored else { return Self::Go };
        let moment = stored.strip_prefix("drop:").and_then(|moment| moment.parse().ok());
        moment.map_or(Self::Held, |moment| Self::DropBefore(UnixSeconds(moment)))
    }

    /// Whether the notification of `document` is dropped. If its first attempt was after the decision, the
    /// operator requested it again, and it is sent.
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

/// The epoch of the feeds, from its stored form.
pub fn feed_epoch(stored: Option<&str>) -> u64 {
    stored.and_then(|stored| stored.parse().ok()).unwrap_or(1)
}

/// The epoch of the feeds of a store that is restored from a backup with `epoch`: one that the store had not reached,
/// even if it was restored from this backup before.
pub fn next_epoch(epoch: u64, now: UnixSeconds) -> u64 {
    (epoch + 1).max(now.0.unsigned_abs())
}

/// An access token as in the backup, for review: a token that was revoked since is valid again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoredToken {
    /// The institution's name.
    pub institution: String,
    /// The operator's label.
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
