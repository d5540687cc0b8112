//! Advances the time, and removes old documents.

use crate::faults::Answer;
use crate::world::World;
use crate::{Found, demand};

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;

impl World<'_> {
    pub(super) async fn move_clock(&mut self) -> Found<()> {
        let (low, high) = match self.chance.below(1_000) {
            0..800 => (1, 40),
            800..920 => (40, 2 * HOUR),
            920..985 => (2 * HOUR, 3 * DAY),
            _ => (7 * DAY, 90 * DAY),
        };
        let seconds = self.chance.between(low, high);
        self.say(format!("{seconds} s pass"));
        let (store, before) = (self.store(), self.now());
        let by = u32::try_from(seconds).unwrap_or(0);
        let answer = self.call("advance_clock", store.advance_clock(by)).await?;
        let now = self.now();
        let moved = now == before.plus(seconds);
        let right = match answer {
            Answer::Given(reported) => moved && reported == Some(now),
            Answer::NotDone => now == before,
            Answer::Unknown(_) => moved || now == before,
        };
        demand!(right, "the clock went from {before} to {now} when it was moved by {seconds}");
        Ok(())
    }

    pub(super) async fn tidy(&mut self) -> Found<()> {
        // After a removal, it can no longer be determined whether a document was accepted.
        self.settle_batches().await?;
        let days = match self.chance.below(10) {
            0 => None,
            1 => Some(2),
            _ => u32::try_from(self.chance.between(3, 400)).ok(),
        };
        let steps = self.chance.between(1, 40);
        self.say(format!("tidying, {days:?} days"));
        for _ in 0..steps {
            let (store, now) = (self.store(), self.now());
            let reported = match self.call("tidy", store.tidy(days, now)).await? {
                Answer::Given(reported) | Answer::Unknown(Some(reported)) => Some(reported),
                Answer::NotDone | Answer::Unknown(None) => None,
            };
            demand!(
                days.is_some() || reported.is_none_or(|reported| reported.documents == 0),
                "removed what is kept"
            );
            self.ledger.tidied(days, reported, now);
            if !reported.is_some_and(|reported| reported.more) {
                return Ok(());
            }
        }
        Ok(())
    }
}
