//! Our own fallback (SPEC 13): to whom a provider refuses to send, where it sends no SMS or LMS itself.

use std::collections::HashSet;

use super::Worker;
use crate::lines::{Line, Sends};
use crate::message::Message;
use crate::provider::{LookedUp, Sent};

impl Worker {
    /// The places of refused messages whose fallback begins: they go back to the queue, and are claimed as that. If that could
    /// not be recorded they go back all the same, and are refused again.
    pub(super) async fn begin_fallbacks(
        &self,
        line: &Line,
        messages: &[Message],
        refused: impl Iterator<Item = usize>,
    ) -> HashSet<usize> {
        if !self.lines.fall_back_for(line) {
            return HashSet::new();
        }
        let can_fall_back = |place: &usize| {
            let message = messages.get(*place);
            message.is_some_and(|one| one.fallback.is_some() && self.lines.reach(Sends::Fallbacks, &one.to))
        };
        let places: HashSet<usize> = refused.filter(can_fall_back).collect();
        let documents: Vec<_> =
            places.iter().filter_map(|place| messages.get(*place)).filter_map(Message::document).collect();
        if !documents.is_empty() {
            let now = self.store.clock().certain_now();
            if let Err(error) = self.store.begin_fallbacks(documents, now).await {
                tracing::warn!(%error, "fallbacks could not be begun: the messages are sent again");
            }
        }
        places
    }
}

/// The places of answers that refuse.
pub(super) fn refused(sent: &[(usize, Sent)]) -> impl Iterator<Item = usize> {
    sent.iter().filter(|(_, sent)| matches!(sent, Sent::Refused(_))).map(|(place, _)| *place)
}

/// The places of messages that were looked up and are refused.
pub(super) fn found_refused(found: &[LookedUp]) -> impl Iterator<Item = usize> {
    let is_refused = |(_, found): &(usize, &LookedUp)| matches!(found, LookedUp::Refused(_));
    found.iter().enumerate().filter(is_refused).map(|(place, _)| place)
}
