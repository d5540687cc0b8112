//! Which documents may be removed, and how many were.

use seoham_model::UnixSeconds;
use seoham_store::retention::{RETENTION_DAYS_MIN, Tidied};

use super::{Known, Ledger};
use crate::{Found, demand};

const DAY_SECONDS: i64 = 24 * 60 * 60;

impl Ledger {
    /// The store tidied, or may have: documents past their retention and deadline may be gone.
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

    /// After all documents were checked: as many are gone as the store reported.
    pub(crate) fn check_removed(&self) -> Found<()> {
        let gone = self.documents.iter().filter(|document| document.gone).count() as u64;
        let removed = self.removed;
        demand!(gone == removed, "{gone} documents are gone, and {removed} were said to be removed");
        Ok(())
    }

    /// The queue is empty: every delivery must have ended in one of the known ways.
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
