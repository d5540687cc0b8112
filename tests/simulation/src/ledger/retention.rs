//! What may be removed, and how much was.

use seoham_model::UnixSeconds;
use seoham_store::retention::{RETENTION_DAYS_MIN, Tidied};

use super::{Known, Ledger};
use crate::{Found, demand};

const DAY_SECONDS: i64 = 24 * 60 * 60;

impl Ledger {
    /// The store tidied, or perhaps: what is past its retention and its deadline may be gone.
    pub(crate) fn tidied(&mut self, days: Option<u32>, reported: Option<Tidied>, now: UnixSeconds) {
        let Some(days) = days else { return };
        let kept_since = now.plus(-DAY_SECONDS * i64::from(days.max(RETENTION_DAYS_MIN)));
        for document in &mut self.documents {
            if !document.gone && document.sent_at < kept_since && !document.is_open_at(now) {
                document.may_be_gone = true;
            }
        }
        self.removed += reported.map_or(0, |reported| reported.documents);
    }

    /// Everything was looked at: as much is gone as the store said it removed.
    pub(crate) fn check_removed(&self) -> Found<()> {
        let gone = self.documents.iter().filter(|document| document.gone).count() as u64;
        let removed = self.removed;
        demand!(gone == removed, "{gone} documents are gone, and {removed} were said to be removed");
        Ok(())
    }

    /// The queue is empty: every delivery ended in one of the ways that there are.
    pub(crate) fn check_delivered(&self, now: UnixSeconds) -> Found<()> {
        let (mut surely_dropped, mut perhaps_dropped) = (0, 0);
        for (no, document) in self.documents.iter().enumerate() {
            if self.there(no) != Known::Yes {
                continue;
            }
            if document.delivery_unsure || (document.gone && !document.delivery.is_over()) {
                perhaps_dropped += 1;
            } else if !document.delivery.is_over() {
                demand!(!document.is_open_at(now), "{} was never announced", document.id);
                surely_dropped += 1;
            }
        }
        let ((said_least, said_most), most) = (self.dropped, surely_dropped + perhaps_dropped);
        demand!(
            surely_dropped <= said_most && said_least <= most,
            "{said_least} to {said_most} deliveries were said to have expired, and {surely_dropped} to {most} did"
        );
        Ok(())
    }
}
