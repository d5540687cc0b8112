//! The end of a run: ends outages, delivers everything, and checks that nothing is missing.

use std::time::Duration;

use seoham_model::UnixSeconds;
use seoham_store::deliveries::Outcome;
use seoham_store::personas::JOINS_LATER_SECONDS;

use crate::ledger::{Delivery, Known};
use crate::world::{World, answered};
use crate::{Found, demand};

const LEASE: Duration = Duration::from_secs(3_600);
/// The queue must be empty long before this number of rounds.
const ROUNDS_MAX: usize = 100_000;

impl World<'_> {
    pub(crate) async fn end(&mut self) -> Found<()> {
        self.say("the end: everything is delivered");
        self.settle_batches().await?;
        self.finish_what_is_held().await?;
        self.deliver_all().await?;
        self.advance(u32::try_from(JOINS_LATER_SECONDS).unwrap_or(0) + 1).await?;
        while self.join_some(500).await? > 0 {}
        let (store, now) = (self.store(), self.now());
        while answered("tell_expired", store.tell_expired(100, now).await)? > 0 {}
        drop(store);
        self.check_everything().await?;
        self.check_feeds(true).await?;
        self.check_absent().await?;
        self.check_nothing_waits().await?;
        self.check_conservation()?;
        for counted in self.ledger.daily() {
            self.check_count(counted).await?;
        }
        for no in 0..self.ledger.documents.len() {
            if !self.ledger.documents[no].gone {
                self.describe(no).await?;
            }
        }
        Ok(())
    }

    /// Every worker finishes its claims now.
    async fn finish_what_is_held(&mut self) -> Found<()> {
        let now = self.now();
        let mut held = std::mem::take(&mut self.hands);
        held.append(&mut self.paused);
        held.append(&mut self.lost);
        for held in held.chunks(100) {
            let outcome = Outcome::Retry { not_before: now };
            let finished: Vec<_> = held.iter().map(|hold| (*hold, outcome)).collect();
            let given = finished.iter().map(|(hold, outcome)| self.ledger.finish(*hold, *outcome)).collect();
            let counted = answered("finish", self.store().finish(given, now).await)?;
            self.ledger.finished(&finished, Some(counted), false, now)?;
        }
        Ok(())
    }

    async fn deliver_all(&mut self) -> Found<()> {
        for _ in 0..ROUNDS_MAX {
            let (store, now) = (self.store(), self.now());
            let claimed = answered("claim", store.claim(200, LEASE, now).await)?;
            let nothing = claimed.claims.is_empty() && claimed.expired == 0;
            let holds = self.ledger.claimed(&claimed, true, now)?;
            let finished: Vec<_> = holds.iter().map(|hold| (*hold, Outcome::Taken)).collect();
            let given = finished.iter().map(|(hold, outcome)| self.ledger.finish(*hold, *outcome)).collect();
            let counted = answered("finish", store.finish(given, now).await)?;
            self.ledger.finished(&finished, Some(counted), false, now)?;
            if nothing {
                let Some(next) = self.next_retry(now) else { return Ok(()) };
                self.advance(u32::try_from(next.seconds_since(now)).unwrap_or(1)).await?;
            }
        }
        demand!(false, "the queue does not become empty");
        Ok(())
    }

    /// When the next retry is due.
    fn next_retry(&self, now: UnixSeconds) -> Option<UnixSeconds> {
        let due = self.ledger.documents.iter().filter_map(|document| match document.delivery {
            Delivery::Again { not_before } if not_before > now && !document.gone => Some(not_before),
            _ => None,
        });
        due.min()
    }

    async fn advance(&mut self, seconds: u32) -> Found<()> {
        answered("the clock", self.store().advance_clock(seconds).await).map(drop)
    }

    async fn check_nothing_waits(&mut self) -> Found<()> {
        let depths = answered("queue_depths", self.store().queue_depths().await)?;
        demand!(depths.is_empty(), "something waits for delivery at the end: {depths:?}");
        self.ledger.check_delivered(self.now())
    }

    /// Every accepted document is in a box, waits for a join, has expired or was removed.
    fn check_conservation(&self) -> Found<()> {
        let (now, ledger) = (self.now(), &self.ledger);
        let (mut accepted, mut boxed, mut waiting, mut expired, mut removed) = (0, 0, 0, 0, 0);
        for (no, document) in ledger.documents.iter().enumerate() {
            let person = &ledger.people[document.person];
            match ledger.there(no) {
                Known::No => continue,
                Known::Unsure => demand!(false, "{} was never looked at", document.id),
                Known::Yes => accepted += 1,
            }
            if document.gone {
                removed += 1;
            } else if document.received.is_some() {
                boxed += 1;
            } else if !document.is_open_at(now) {
                expired += 1;
            } else {
                demand!(!person.member && !person.later, "{} is not in the box of a member", document.id);
                waiting += 1;
            }
        }
        demand!(
            accepted == boxed + waiting + expired + removed,
            "{accepted} accepted, {boxed} in boxes, {waiting} waiting, {expired} expired, {removed} removed"
        );
        Ok(())
    }
}
