//! The messenger: its replies to messages, and its reports, in any order.

use seoham_model::UnixSeconds;
use seoham_store::deliveries::{Arrival, Outcome, Receipt};

use crate::Found;
use crate::faults::Answer;
use crate::ledger::Hold;
use crate::world::World;

const GIVE_UP_AFTER_SECONDS: i64 = 24 * 60 * 60;

impl World<'_> {
    /// Hands the notification of a document to the messenger.
    pub(super) fn announce(&mut self, hold: Hold, now: UnixSeconds) -> Outcome {
        let document = &self.ledger.documents[hold.document];
        let first = document.first_attempt_at.unwrap_or(now);
        match self.chance.below(100) {
            0..80 if !self.outage => {
                self.announced.push(hold.document);
                Outcome::Taken
            }
            80..84 => Outcome::GivenUp,
            _ if now.seconds_since(first) >= GIVE_UP_AFTER_SECONDS => Outcome::GivenUp,
            _ => Outcome::Retry { not_before: now.plus(self.chance.between(0, 900)) },
        }
    }

    /// Reports that are late, duplicated, in any order, and also for unknown documents.
    pub(super) async fn report_arrivals(&mut self) -> Found<()> {
        let now = self.now();
        let mut receipts = Vec::new();
        for _ in 0..self.chance.between(1, 15) {
            let announced = match self.chance.recent(self.announced.len(), 200) {
                Some(at) if !self.chance.percent(10) => Some(self.announced[at]),
                _ => self.some_document(),
            };
            let document = match announced {
                Some(no) if !self.chance.percent(3) => {
                    self.touch(no);
                    self.ledger.documents[no].id
                }
                _ => self.chance.parcel(now).document(0),
            };
            let at = now.plus(self.chance.between(-500_000, 100_000));
            let at = if self.chance.percent(70) { now.plus(-self.chance.between(0, 60)) } else { at };
            let receipt = Receipt { document, arrival: Arrival::of_messenger(!self.chance.percent(20)), at };
            receipts.push(receipt);
            if self.chance.percent(10) {
                receipts.push(Receipt {
                    arrival: Arrival::of_messenger(!receipt.arrival.is_delivered()),
                    ..receipt
                });
            }
        }
        self.say(format!("the messenger reports on {}", receipts.len()));
        let store = self.store();
        match self.call("record_receipts", store.record_receipts(receipts.clone(), now)).await? {
            Answer::Given(()) => self.ledger.reported(&receipts, true, now),
            Answer::Unknown(_) => self.ledger.reported(&receipts, false, now),
            Answer::NotDone => {}
        }
        Ok(())
    }
}
