//! What an institution read of its feed, and whether that is every step exactly once.

use std::collections::HashMap;

use seoham_model::{BinderId, EventType, UnixSeconds};
use seoham_store::events::{EXPIRY_GRACE_SECONDS, FeedRead};

use super::{Document, Known, Ledger};
use crate::{Found, demand};

/// What a reader has of a feed, from its first event on.
#[derive(Default)]
pub(crate) struct Feed {
    events: Vec<(EventType, Option<BinderId>, UnixSeconds)>,
}

impl Feed {
    /// The number of the last event that was read.
    pub(crate) fn through(&self) -> u64 {
        self.events.len() as u64
    }

    /// What was read: steps, documents and times.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (EventType, Option<BinderId>, UnixSeconds)> {
        self.events.iter().copied()
    }

    /// The number of the first event of an earlier reading that is missing here, or is of another step or document. A
    /// removed document takes its times with it.
    pub(crate) fn first_difference(&self, earlier: &Self) -> Option<u64> {
        let step = |feed: &Self, no| {
            feed.events.get(no).map(|(event_type, document, _): &(EventType, _, _)| (*event_type, *document))
        };
        (0..earlier.events.len()).find(|no| step(self, *no) != step(earlier, *no)).map(|no| no as u64 + 1)
    }

    /// A page that follows on what was read.
    pub(crate) fn read(&mut self, read: &FeedRead) -> Found<()> {
        for event in &read.page.events {
            let expected = self.through() + 1;
            demand!(event.seq == expected, "event {} follows on {}", event.seq, expected - 1);
            self.events.push((event.event_type, event.document, event.at));
        }
        let (through, last) = (read.page.through, self.through());
        demand!(through == last, "a page goes through {through}, and its last event is {last}");
        demand!(read.page.more == (through < read.ends.last), "there is more after {through}, or not");
        Ok(())
    }
}

impl Ledger {
    /// Whether a feed has every step of the documents of an institution, exactly once and in order. `Ok(false)` if steps
    /// are missing, which a store may number a little later. Everything was looked at before, and every deadline that passed
    /// was told of if `all_told`.
    pub(crate) fn check_feed(
        &self,
        institution: usize,
        feed: &Feed,
        all_told: bool,
        now: UnixSeconds,
    ) -> Found<bool> {
        let mut of_documents: HashMap<BinderId, Vec<(EventType, UnixSeconds)>> = HashMap::new();
        for (event_type, document, at) in &feed.events {
            if let Some(document) = document {
                of_documents.entry(*document).or_default().push((*event_type, *at));
            } else {
                let of_a_person =
                    matches!(event_type, EventType::RecipientRefused | EventType::RecipientAccepted);
                demand!(of_a_person, "{event_type:?} of no document");
            }
        }
        for id in of_documents.keys() {
            let no = self.document_by_id(*id);
            demand!(no.is_some(), "the feed tells of {id}, which was never sent");
            let no = no.unwrap_or_default();
            demand!(self.documents[no].institution == institution, "{id} is told to another institution");
            demand!(self.there(no) != Known::No, "the feed tells of {id}, which was not accepted");
        }
        let mut is_whole = true;
        for (no, document) in self.documents.iter().enumerate() {
            if document.institution == institution && self.there(no) == Known::Yes {
                let told = of_documents.get(&document.id).map_or(&[][..], Vec::as_slice);
                is_whole &= document.check_events(told, all_told, now)?;
            }
        }
        Ok(is_whole)
    }
}

impl Document {
    fn check_events(
        &self,
        told: &[(EventType, UnixSeconds)],
        all_told: bool,
        now: UnixSeconds,
    ) -> Found<bool> {
        let id = self.id;
        let mut is_whole = true;
        let chain = [
            (EventType::Accepted, Some(self.sent_at)),
            (EventType::Received, self.received),
            (EventType::Authenticated, self.authenticated.seen()),
            (EventType::TokenUsed, self.token_used.seen()),
            (EventType::Read, self.read.seen()),
        ];
        let others = [(EventType::Notified, self.notified.seen()), (EventType::Withdrawn, self.withdrawn_at)];
        let mut last_place = None;
        for (event_type, time) in chain {
            let place = told.iter().position(|(told, _)| *told == event_type);
            if place.is_some() {
                demand!(last_place < place, "{id}: {event_type:?} comes too early: {told:?}");
                last_place = place;
            }
            is_whole &= self.check_step(told, event_type, time)?;
        }
        for (event_type, time) in others {
            is_whole &= self.check_step(told, event_type, time)?;
        }
        for (event_type, at) in told {
            match event_type {
                EventType::NoticeFailed => {
                    demand!(
                        self.may_be_given_up || self.reported_failed,
                        "{id}: its notification never failed"
                    );
                }
                EventType::Expired => {
                    let count = told.iter().filter(|(told, _)| told == event_type).count();
                    demand!(count == 1, "{id}: it is told {count} times to have expired");
                    demand!(*at == self.deadline_at && *at < now, "{id}: it expired at {at}");
                }
                _ => {}
            }
        }
        let expires = self.withdrawn_at.is_none() && !self.read.is_possible();
        let is_due = self.deadline_at.plus(EXPIRY_GRACE_SECONDS) <= now;
        let is_told = told.iter().any(|(told, _)| *told == EventType::Expired);
        Ok(is_whole && (is_told || !(all_told && expires && is_due)))
    }

    /// Whether a step that happened at `time`, if it did, is told exactly once. What is known of a removed document ends
    /// with it.
    fn check_step(
        &self,
        told: &[(EventType, UnixSeconds)],
        event_type: EventType,
        time: Option<UnixSeconds>,
    ) -> Found<bool> {
        let id = self.id;
        let times: Vec<UnixSeconds> =
            told.iter().filter(|(told, _)| *told == event_type).map(|(_, at)| *at).collect();
        demand!(times.len() <= 1, "{id}: {event_type:?} is told {} times", times.len());
        match (time, times.first()) {
            (Some(time), Some(at)) => {
                // The ledger alone says when the messenger's report was recorded, and not when it arrived.
                let is_its = time == *at || (self.gone && event_type == EventType::Notified);
                demand!(is_its, "{id}: {event_type:?} at {time} is told as {at}");
            }
            (None, Some(at)) => {
                demand!(
                    self.gone || self.may_be_gone,
                    "{id}: {event_type:?} is told at {at}, and did not happen"
                );
            }
            (Some(_), None) => return Ok(false),
            (None, None) => {}
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_that_goes_on_reads_as_before() {
        let feed = |types: &[EventType]| Feed {
            events: types.iter().map(|event_type| (*event_type, None, UnixSeconds(0))).collect(),
        };
        let (refused, accepted) = (EventType::RecipientRefused, EventType::RecipientAccepted);
        let cases: [(&[EventType], &[EventType], Option<u64>); 5] = [
            (&[refused, accepted], &[refused, accepted], None),
            (&[refused, accepted], &[refused], None),
            (&[refused], &[refused, accepted], Some(2)),
            (&[accepted, refused], &[refused, accepted], Some(1)),
            (&[refused, refused], &[refused, accepted], Some(2)),
        ];
        for (now, earlier, expected) in cases {
            assert_eq!(feed(now).first_difference(&feed(earlier)), expected, "{now:?} after {earlier:?}");
        }
    }
}
