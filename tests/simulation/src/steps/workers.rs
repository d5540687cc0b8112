//! Workers claim, notify and finish, and sometimes crash in between.

use std::time::Duration;

use seoham_store::deliveries::Outcome;

use crate::faults::Answer;
use crate::ledger::Hold;
use crate::world::World;
use crate::{Found, demand};

/// Leases use real time: this one outlives any run.
const LEASE: Duration = Duration::from_secs(3_600);
const AT_MOST: usize = 60;

impl World<'_> {
    pub(super) async fn claim(&mut self) -> Found<()> {
        let least = self.claimed_at_least();
        let limit = least + self.chance.below(AT_MOST - least + 1);
        // The lease has expired when the worker gets the claim: the next worker gets the same one.
        let late = self.chance.percent(15);
        let lease = if late { Duration::ZERO } else { LEASE };
        let (store, now) = (self.store(), self.now());
        let (claimed, heard) = match self.call("claim", store.claim(limit, lease, now)).await? {
            Answer::Given(claimed) => (claimed, true),
            Answer::NotDone | Answer::Unknown(None) => return Ok(()),
            Answer::Unknown(Some(claimed)) => (claimed, false),
        };
        drop(store);
        demand!(claimed.claims.len() + claimed.expired <= limit, "more than {limit} were claimed");
        let holds = self.ledger.claimed(&claimed, !late, now)?;
        self.say(format!("a worker claims {} of {limit}, too late: {late}", holds.len()));
        for hold in &holds {
            self.touch(hold.document);
        }
        match (heard, late) {
            (true, false) if self.chance.percent(15) => self.paused.extend(holds),
            (true, false) => self.hands.extend(holds),
            (true, true) => self.late.extend(holds),
            (false, false) => self.lost.extend(holds),
            (false, true) => {}
        }
        if self.chance.percent(1) {
            self.crash().await?;
        }
        Ok(())
    }

    /// A worker notifies for some of its claims, and finishes them.
    pub(super) async fn finish(&mut self) -> Found<()> {
        let now = self.now();
        if self.chance.percent(4) {
            self.hands.append(&mut self.paused);
        }
        let most = self.hands.len().min(AT_MOST);
        let mut finished: Vec<(Hold, Outcome)> = Vec::new();
        for _ in 0..self.chance.below(most + 1) {
            let Some(hold) = self.chance.take(&mut self.hands) else { break };
            finished.push((hold, self.announce(hold, now)));
        }
        if self.chance.percent(20)
            && let Some(hold) = self.chance.take(&mut self.late)
        {
            finished.push((hold, Outcome::Taken));
        }
        self.say(format!("a worker is done with {}", finished.len()));
        for (hold, _) in &finished {
            self.touch(hold.document);
        }
        if self.chance.percent(1) {
            let held = finished.iter().map(|(hold, _)| *hold);
            self.lost
                .extend(held.filter(|hold| self.ledger.documents[hold.document].held == Some(hold.ticket)));
            return self.crash().await;
        }
        self.finish_all(&finished).await
    }

    async fn finish_all(&mut self, finished: &[(Hold, Outcome)]) -> Found<()> {
        let mut unanswered = false;
        loop {
            let (store, now) = (self.store(), self.now());
            let given = finished.iter().map(|(hold, outcome)| self.ledger.finish(*hold, *outcome)).collect();
            let answer = self.call("finish", store.finish(given, now)).await?;
            drop(store);
            match answer {
                Answer::Given(counted) => {
                    return self.ledger.finished(finished, Some(counted), unanswered, now);
                }
                Answer::NotDone => {}
                Answer::Unknown(_) => {
                    unanswered = true;
                    if self.chance.percent(20) {
                        self.crash_before_the_answer(finished).await?;
                        return Ok(());
                    }
                }
            }
        }
    }

    /// The worker crashes, and it is unknown whether its finish was counted.
    async fn crash_before_the_answer(&mut self, finished: &[(Hold, Outcome)]) -> Found<()> {
        let now = self.now();
        let held = finished
            .iter()
            .filter(|(hold, _)| self.ledger.documents[hold.document].held == Some(hold.ticket));
        let held: Vec<(Hold, Outcome)> = held.copied().collect();
        self.ledger.finished(&held, None, true, now)?;
        // If claims survive a crash, they are still held if the finish was not counted.
        for (hold, _) in held {
            self.ledger.documents[hold.document].held = Some(hold.ticket);
            self.lost.push(hold);
        }
        self.crash().await
    }

    /// Workers finish claims that they no longer hold, which must have no effect.
    pub(super) async fn finish_late(&mut self) -> Found<()> {
        let mut finished = Vec::new();
        for _ in 0..=self.chance.below(10) {
            if let Some(hold) = self.chance.take(&mut self.late) {
                let outcome = if self.chance.percent(50) { Outcome::Taken } else { Outcome::GivenUp };
                finished.push((hold, outcome));
            }
        }
        self.say(format!("a worker is done too late with {}", finished.len()));
        self.finish_all(&finished).await
    }
}
