//! Institutions read their feeds, and the worker tells of deadlines that passed.

use seoham_store::events::FeedQuery;

use crate::Found;
use crate::faults::Answer;
use crate::world::World;

impl World<'_> {
    /// Reads the next page of a feed, of any size.
    pub(super) async fn read_feed(&mut self) -> Found<()> {
        let institution = self.chance.below(self.ledger.institutions.len());
        let limit = self.chance.below(300) + 1;
        self.say(format!("institution {institution} reads its feed"));
        let (store, id) = (self.store(), self.ledger.institutions[institution].id);
        let query = FeedQuery { after: self.feeds[institution].through(), limit, types: None };
        match self.call("read_feed", store.read_feed(id, query)).await? {
            Answer::Given(read) => self.feeds[institution].read(&read),
            Answer::NotDone | Answer::Unknown(_) => Ok(()),
        }
    }

    pub(super) async fn tell_expired(&mut self) -> Found<()> {
        self.say("deadlines that passed are told of");
        let limit = self.chance.below(20) + 1;
        let (store, now) = (self.store(), self.now());
        self.call("tell_expired", store.tell_expired(limit, now)).await.map(drop)
    }
}
