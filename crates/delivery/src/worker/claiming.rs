//! Claims deliveries, and decides through which provider each is announced.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use seoham_model::contract::Notice;
use seoham_store::StoreError;
use seoham_store::deliveries::{Claim, Finished, Outcome};
use seoham_store::undelivered::Failure;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::handing::{Announced, room};
use super::settling::{count, finished, later};
use super::{Worker, pause};
use crate::lines::{Line, Sends, Turn};
use crate::message::document_arrived;
use crate::provider::Recovery;

/// How long a call that is not full waits for more documents: a provider counts calls.
const LINGER: Duration = Duration::from_millis(100);
/// How long a loop waits after a claim that emptied the queue. A claim and its outcomes are commits, however few documents
/// they have: what comes meanwhile shares them.
const GATHER: Duration = Duration::from_millis(50);
/// For how long nothing is claimed for a provider after most that was claimed for it had to be put back for others.
const PUT_BACK_PAUSE: Duration = Duration::from_secs(1);

impl Worker {
    /// Claims a batch for whichever provider has a turn, and leaves it to a task of its own: a slow provider holds up
    /// nobody but itself. Several of these loops run concurrently, and the store's group commit combines their writes.
    pub(super) async fn deliver(self, stop: CancellationToken) {
        let mut announcing = JoinSet::new();
        while !stop.is_cancelled() {
            while let Some(ended) = announcing.try_join_next() {
                tell_broken(ended);
            }
            let Some(turn) = self.lines.turn(|line| line.options.sends == Sends::Messages) else {
                self.lines.freed(self.options.idle).await;
                continue;
            };
            // Measured from before the claim, so that the lease never ends later here than in the store.
            let held_until = Instant::now() + self.options.lease;
            let room = room(&turn.line, self.options.batch);
            match self.claim_for(&turn, room, &stop).await {
                Ok(claims) if !claims.is_empty() => {
                    let is_queue_empty = has_emptied_queue(&claims, room);
                    let (worker, stopped) = (self.clone(), stop.clone());
                    announcing
                        .spawn(async move { worker.announce(turn, claims, held_until, &stopped).await });
                    if is_queue_empty {
                        pause(GATHER, &stop).await;
                    }
                    continue;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "could not claim deliveries");
                    pause(self.options.idle, &stop).await;
                }
            }
            drop(turn);
            tokio::select! {
                () = self.store.wait_for_work(self.options.idle) => {}
                () = stop.cancelled() => {}
            }
        }
        while let Some(ended) = announcing.join_next().await {
            tell_broken(ended);
        }
    }

    /// Claims as many documents as the provider takes in one call, which has room for `room`.
    async fn claim_for(
        &self,
        turn: &Turn,
        room: usize,
        stop: &CancellationToken,
    ) -> Result<Vec<Claim>, StoreError> {
        let mut claims = self.claim(room).await?;
        let abilities = turn.line.abilities();
        let is_worth_it = abilities.recovery != Recovery::Deduplicates && room > 1;
        if is_worth_it && !claims.is_empty() && claims.len() < room {
            pause(LINGER, stop).await;
            match self.claim(room - claims.len()).await {
                Ok(more) => claims.extend(more),
                // What was claimed is sent all the same.
                Err(error) => tracing::warn!(%error, "could not claim deliveries"),
            }
        }
        Ok(claims)
    }

    async fn claim(&self, limit: usize) -> Result<Vec<Claim>, StoreError> {
        // While the clock or the store is in doubt, this process sends nothing and gives nothing up. Expired
        // documents are dropped with the claim, which uses the certain time.
        self.store.health().check()?;
        if self.order.is_held(&*self.store).await? {
            return Ok(Vec::new());
        }
        let now = self.store.clock().certain_now();
        let claimed = self.store.claim(limit, self.options.lease, now).await?;
        metrics::counter!("seoham_deliveries_total", "outcome" => "expired")
            .increment(claimed.expired as u64);
        Ok(claimed.claims)
    }

    /// Hands claimed documents to their providers, and records what becomes of them. What cannot be sent is recorded
    /// first.
    async fn announce(&self, turn: Turn, claims: Vec<Claim>, held_until: Instant, stop: &CancellationToken) {
        let line = Arc::clone(&turn.line);
        let routed = self.route(&line, claims);
        self.finish(routed.done, held_until, stop).await;
        let own = routed.main.len();
        let main = self.hand_over(turn, routed.main, held_until, stop);
        let others = async {
            let mut put_back = 0;
            for (name, group) in routed.others {
                if let Some(turn) = self.lines.turn(|line| line.name() == name) {
                    self.hand_over(turn, group, held_until, stop).await;
                } else {
                    self.put_back(&group, held_until, stop).await;
                    put_back += group.len();
                }
            }
            if put_back > own {
                // Otherwise it would go through the whole queue for a provider that is busy.
                line.is_used_up_for(PUT_BACK_PAUSE);
            }
        };
        tokio::join!(main, others);
    }

    fn route(&self, line: &Line, claims: Vec<Claim>) -> Routed {
        let now = self.store.clock().certain_now();
        let mut routed = Routed::default();
        for claim in claims {
            if claim.sender.notice == Notice::None {
                // The claim has put it into the box, and there is nothing to send.
                routed.done.push(finished(&claim, Outcome::Taken, None));
                continue;
            }
            if claim.as_fallback && !self.lines.have(Sends::Fallbacks) {
                // This worker does not know of the provider, or it was removed from the configuration.
                routed.done.push(later(&claim, Failure::NoProvider, now));
                continue;
            }
            if let Err(failure) = self.reachable(&claim) {
                count(&claim, Outcome::GivenUp, Some(failure));
                routed.done.push(finished(&claim, Outcome::GivenUp, Some(failure)));
                continue;
            }
            let message = document_arrived(&claim, &self.options.box_url);
            let message = if claim.as_fallback { message.into_fallback() } else { Some(message) };
            let Some(message) = message else {
                // Its template has no fallback any more.
                let failure = Some(Failure::NoTemplate);
                count(&claim, Outcome::GivenUp, failure);
                routed.done.push(finished(&claim, Outcome::GivenUp, failure));
                continue;
            };
            if line.suits(&message) {
                routed.main.push(Announced { claim, message });
                continue;
            }
            let other = self.lines.choose(&message, &[]);
            let Some(other) = other else {
                count(&claim, Outcome::Later { not_before: now }, Some(Failure::NoProvider));
                routed.done.push(later(&claim, Failure::NoProvider, now));
                continue;
            };
            routed.others.entry(other.name().to_owned()).or_default().push(Announced { claim, message });
        }
        routed
    }

    /// Why a claimed document is not announced at all, if it is not.
    fn reachable(&self, claim: &Claim) -> Result<(), Failure> {
        if self.order.drops(claim) {
            return Err(Failure::Dropped);
        }
        if claim.sender.notice == Notice::Institution && claim.sender.template.is_none() {
            return Err(Failure::NoTemplate);
        }
        let sends = if claim.as_fallback { Sends::Fallbacks } else { Sends::Messages };
        if self.lines.reach(sends, &claim.addresses) { Ok(()) } else { Err(Failure::NoNumber) }
    }
}

/// Whether a claim took everything that is new. One with retries says nothing about that: they have a share of the room
/// alone, however many are due.
fn has_emptied_queue(claims: &[Claim], room: usize) -> bool {
    claims.len() < room && claims.iter().all(|claim| claim.first_attempt_at.is_none())
}

fn tell_broken(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a batch of the worker broke off; leases bring back what it held");
    }
}

/// Claimed documents by what happens to them.
#[derive(Default)]
struct Routed {
    /// Without a message.
    done: Vec<Finished>,
    /// Through the provider that they were claimed for.
    main: Vec<Announced>,
    /// Through others, by name.
    others: HashMap<String, Vec<Announced>>,
}

#[cfg(test)]
mod tests {
    use seoham_model::UnixSeconds;

    use super::*;
    use crate::worker::settling::tests::claim;

    #[test]
    fn a_claim_of_new_documents_that_is_not_full_has_emptied_the_queue() {
        let (new, retry) = (|| claim(0, None), || claim(0, Some(UnixSeconds(1))));
        assert!(has_emptied_queue(&[new()], 2));
        assert!(!has_emptied_queue(&[new(), new()], 2));
        assert!(!has_emptied_queue(&[retry()], 4), "more of them may be due");
        assert!(!has_emptied_queue(&[new(), retry()], 4));
    }
}
