//! Checks the statistics against the feed, and what was refused against the ledger.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use seoham_model::{SeoulDay, UnixSeconds};
use seoham_store::events::Step;
use seoham_store::statistics::Counted;

use crate::checks::read_on;
use crate::ledger::Known;
use crate::world::{World, answered};
use crate::{Found, demand};

/// How long a store may take to count what was written.
const COUNTED_WITHIN: Duration = Duration::from_secs(30);

/// How many steps of each kind, by day. The feed tells when a notification arrived, and statistics when that was recorded:
/// notifications are compared without their days.
type Figures = BTreeMap<(Counted, Option<SeoulDay>), u64>;

/// What each request of the simulation refuses.
pub(crate) const REFUSED: (Counted, u64) = (Counted::NotFound, 1);

fn key(counted: Counted, day: SeoulDay) -> (Counted, Option<SeoulDay>) {
    (counted, (counted != Counted::Notified).then_some(day))
}

impl World<'_> {
    /// Checks that the figures of an institution are those of its feed, which was read to its end before.
    pub(crate) async fn check_figures(&mut self, institution: usize) -> Found<()> {
        let store = self.store();
        let id = self.ledger.institutions[institution].id;
        let days = (SeoulDay::of(UnixSeconds(0)), SeoulDay::of(self.now()).plus_days(2));
        let begun = Instant::now();
        loop {
            let counted = answered("statistics", store.statistics(id, days.0, days.1).await)?;
            let (mut figures, mut refused) = (Figures::new(), 0);
            let contract = self.ledger.institutions[institution].contract;
            demand!(counted.iter().all(|of| of.contract == contract), "counted under another contract");
            for (day, (counted, documents)) in
                counted.into_iter().flat_map(|of| of.documents.into_iter().map(move |count| (of.day, count)))
            {
                if counted.is_refusal() {
                    refused += documents;
                } else {
                    *figures.entry(key(counted, day)).or_default() += documents;
                }
            }
            // What was numbered meanwhile.
            read_on(&*store, id, &mut self.feeds[institution], u64::MAX).await?;
            let mut told = Figures::new();
            for (event_type, document, at) in self.feeds[institution].steps() {
                let Some(document) = document else { continue };
                let step = Step::of_document(id, event_type, at, document);
                if let Some((day, counted, documents)) = Counted::of_step(&step) {
                    *told.entry(key(counted, day)).or_default() += documents;
                }
            }
            let batches = |known: Known| self.ledger.batches_of(institution, known);
            let possible = batches(Known::Yes)..=batches(Known::Yes) + batches(Known::Unsure);
            demand!(possible.contains(&refused), "{refused} of {possible:?} refusals are counted");
            if figures == told {
                return Ok(());
            }
            demand!(begun.elapsed() < COUNTED_WITHIN, "counted {figures:?}, and the feed has {told:?}");
            store.wait_for_events(Duration::from_millis(20)).await;
        }
    }
}
