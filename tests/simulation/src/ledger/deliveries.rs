//! Claims, finishes and reports.

use std::collections::HashSet;

use seoham_model::UnixSeconds;
use seoham_store::deliveries::{Claim, Claimed, Finished, Outcome, QueueDepth, Receipt};
use seoham_store::undelivered::Failure;

use super::{Delivery, Document, Known, Ledger};
use crate::{Found, demand};

/// A claim that a worker holds.
#[derive(Clone, Copy)]
pub(crate) struct Hold {
    pub(crate) ticket: u64,
    pub(crate) document: usize,
}

impl Ledger {
    /// Records claims from the store. `lasts`: no other worker may get them until they are finished.
    pub(crate) fn claimed(&mut self, claimed: &Claimed, lasts: bool, now: UnixSeconds) -> Found<Vec<Hold>> {
        // Under a lease that expires immediately, a store may return a document again.
        self.dropped.1 += claimed.expired;
        self.dropped.0 += if lasts { claimed.expired } else { claimed.expired.div_ceil(2) };
        let mut holds = Vec::with_capacity(claimed.claims.len());
        for claim in &claimed.claims {
            let document = self.claimed_one(claim, now)?;
            self.documents[document].held = lasts.then_some(claim.ticket);
            holds.push(Hold { ticket: claim.ticket, document });
        }
        holds.sort_by_key(|hold| hold.document);
        let twice = holds.windows(2).any(|pair| pair[0].document == pair[1].document);
        demand!(!(lasts && twice), "one claim gave out a document twice");
        holds.dedup_by_key(|hold| hold.document);
        Ok(holds)
    }

    fn claimed_one(&mut self, claim: &Claim, now: UnixSeconds) -> Found<usize> {
        let id = claim.document;
        let no = self.document_by_id(id);
        demand!(no.is_some(), "{id} was claimed and never sent");
        let no = no.unwrap_or_default();
        self.appeared(no)?;
        let document = &mut self.documents[no];
        let (person, sender) = (&self.people[document.person], &self.institutions[document.institution]);
        demand!(
            claim.institution == sender.id && claim.sender.institution_name == sender.name,
            "{id}: its sender"
        );
        let number = claim.addresses.number();
        demand!(*number == *person.phone_number, "{id}: goes to somebody else");
        demand!(claim.content.title == document.title, "{id}: says {:?}", claim.content.title);
        demand!(claim.deadline_at == document.deadline_at, "{id}: deadline {}", claim.deadline_at);
        demand!(document.is_open_at(now), "{id} was claimed after its deadline");
        let held = document.held.is_some() && !document.delivery_unsure;
        demand!(!held, "{id} was given to two workers");
        match document.delivery {
            Delivery::Waiting => {}
            Delivery::Again { not_before } => {
                demand!(
                    not_before <= now || document.delivery_unsure,
                    "{id} was to wait until {not_before}, and was claimed at {now}"
                );
            }
            over => demand!(document.delivery_unsure, "{id} was {over:?}, and was claimed again"),
        }
        if document.delivery_unsure {
            document.delivery = Delivery::Waiting;
        } else {
            demand!(claim.attempts == document.attempts, "{id}: attempts {}", claim.attempts);
            let first = document.first_attempt_at;
            demand!(claim.first_attempt_at == first, "{id}: first tried at {:?}", claim.first_attempt_at);
        }
        document.delivery_unsure = false;
        (document.attempts, document.first_attempt_at) = (claim.attempts, claim.first_attempt_at);
        if claim.received {
            let possible = document.must_be_received || person.joined.is_some() || person.later;
            demand!(possible, "{id} is claimed as in the box of one who never joined");
            document.must_be_received = true;
        } else {
            let missing = document.must_be_received || person.member;
            demand!(!missing, "{id} is claimed as not in the box of a member");
        }
        Ok(no)
    }

    /// Records how many of `finished` counted; `None` if the reply was lost.
    pub(crate) fn finished(
        &mut self,
        finished: &[(Hold, Outcome)],
        counted: Option<usize>,
        earlier_unanswered: bool,
        now: UnixSeconds,
    ) -> Found<()> {
        let holds = |document: &Document, hold: &Hold| document.held == Some(hold.ticket);
        let valid = finished.iter().filter(|(hold, _)| holds(&self.documents[hold.document], hold));
        let valid: Vec<(Hold, Outcome)> = valid.copied().collect();
        if let Some(counted) = counted {
            // If the document was removed meanwhile, a store may or may not count the claim.
            let unsure = |hold: &Hold| {
                let document = &self.documents[hold.document];
                document.gone || document.may_be_gone || document.delivery_unsure
            };
            let least = valid.iter().filter(|(hold, _)| !unsure(hold)).count();
            let again = earlier_unanswered && counted == 0;
            demand!(
                again || (least..=valid.len()).contains(&counted),
                "{counted} of {} finishes counted, and {least} to {} of the tickets held",
                finished.len(),
                valid.len()
            );
        }
        for (hold, outcome) in valid {
            let document = &mut self.documents[hold.document];
            document.held = None;
            document.delivery_unsure |= counted.is_none();
            match outcome {
                Outcome::Taken => document.delivery = Delivery::Taken,
                Outcome::GivenUp => {
                    document.delivery = Delivery::GivenUp;
                    document.may_be_given_up = true;
                }
                Outcome::Retry { not_before } => {
                    document.delivery = Delivery::Again { not_before };
                    document.attempts += 1;
                    document.first_attempt_at.get_or_insert(now);
                }
                // No attempt, and the day of attempts begins anew.
                Outcome::Later { not_before } => {
                    document.delivery = Delivery::Again { not_before };
                    document.first_attempt_at = Some(now);
                }
            }
        }
        Ok(())
    }

    /// The finish of a claim, in the store's form.
    pub(crate) fn finish(&self, hold: Hold, outcome: Outcome) -> Finished {
        let document = &self.documents[hold.document];
        let institution = self.institutions[document.institution].id;
        let failure = (outcome != Outcome::Taken).then_some(Failure::Unreachable);
        Finished { ticket: hold.ticket, document: document.id, institution, outcome, failure }
    }

    /// Drops the claims of a process that ended.
    pub(crate) fn forget_claims(&mut self) {
        for document in &mut self.documents {
            document.held = None;
        }
    }

    /// The messenger's reports were recorded, or may have been unless `surely`.
    pub(crate) fn reported(&mut self, receipts: &[Receipt], surely: bool, now: UnixSeconds) {
        let mut delivered = HashSet::new();
        for receipt in receipts {
            let Some(no) = self.document_by_id(receipt.document) else { continue };
            let document = &mut self.documents[no];
            if !receipt.arrival.is_delivered() {
                document.reported_failed = true;
                continue;
            }
            let at = receipt.at.min(now).max(document.sent_at);
            // The first report in a call counts.
            if delivered.insert(no) {
                if surely {
                    document.notified.happened(at);
                } else {
                    document.notified.may_have_happened(at);
                }
            }
        }
    }

    /// Checks the queue depths that the store reports.
    pub(crate) fn observe_queue(&self, depths: &[QueueDepth], now: UnixSeconds) -> Found<()> {
        for (institution, sender) in self.institutions.iter().enumerate() {
            let (mut surely, mut perhaps) = (0, 0);
            let (mut oldest_surely, mut oldest_perhaps) = (None, None);
            for (no, document) in self.documents.iter().enumerate() {
                let over = document.delivery.is_over() && !document.delivery_unsure;
                if document.institution != institution || over || document.gone || self.there(no) == Known::No
                {
                    continue;
                }
                perhaps += 1;
                oldest_perhaps.get_or_insert(document.sent_at);
                let unsure = document.delivery_unsure || document.may_be_gone || self.there(no) != Known::Yes;
                if document.is_open_at(now) && !unsure {
                    surely += 1;
                    oldest_surely.get_or_insert(document.sent_at);
                }
            }
            let reported = depths.iter().find(|depth| depth.institution == sender.id);
            let waiting = reported.map_or(0, |reported| reported.waiting);
            let name = &sender.name;
            demand!(
                (surely..=perhaps).contains(&waiting),
                "{name}: {waiting} wait in the queue, and {surely} to {perhaps} must"
            );
            if let Some(reported) = reported {
                let at = reported.oldest_accepted_at;
                demand!(
                    oldest_perhaps.is_some_and(|oldest| oldest <= at)
                        && oldest_surely.is_none_or(|oldest| at <= oldest),
                    "{name}: the oldest that waits was accepted at {at}, not {oldest_perhaps:?} to {oldest_surely:?}"
                );
            }
        }
        Ok(())
    }
}
