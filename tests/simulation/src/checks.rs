//! Checks the store against the ledger.

use std::time::Duration;

use secrecy::ExposeSecret;
use seoham_model::{InstitutionId, SeoulDay};
use seoham_store::documents::{DocumentRecord, Notification};
use seoham_store::events::FeedQuery;
use seoham_store::{Lane, Store};

use crate::ledger::{Delivery, Feed, Known};
use crate::world::{World, answered};
use crate::{Broken, Found, demand};

/// How long a store may take to number the steps that were written.
const NUMBERED_WITHIN: Duration = Duration::from_secs(30);
/// Documents per query.
const AT_ONCE: usize = 100;
/// The number of random documents checked after a fault, besides the recently touched ones.
const SAMPLE: usize = 15;

/// Reads on in a feed, through the event `through` or to its end.
pub(crate) async fn read_on(
    store: &dyn Store,
    institution: InstitutionId,
    feed: &mut Feed,
    through: u64,
) -> Found<()> {
    let mut more = true;
    while more && feed.through() < through {
        let query = FeedQuery { after: feed.through(), limit: 1_000, types: None };
        let read = answered("a feed", store.read_feed(institution, query).await)?;
        feed.read(&read)?;
        more = read.page.more;
    }
    Ok(())
}

impl World<'_> {
    /// After a fault: checks the recently touched documents and a random sample.
    pub(crate) async fn check_after_fault(&mut self) -> Found<()> {
        self.disturbed = false;
        let mut documents: Vec<usize> = self.recent.iter().copied().collect();
        let count = self.ledger.documents.len();
        if count > 0 {
            documents.extend((0..SAMPLE).map(|_| self.chance.below(count)));
        }
        documents.sort_unstable();
        documents.dedup();
        self.look_at(&documents).await?;
        if let Some(document) = self.chance.pick(&documents) {
            self.describe(document).await?;
            self.ask_as_strangers(&[document]).await?;
        }
        Ok(())
    }

    /// Checks all documents that may exist, the queue, and the counts.
    pub(crate) async fn check_everything(&mut self) -> Found<()> {
        self.disturbed = false;
        let there: Vec<usize> =
            (0..self.ledger.documents.len()).filter(|no| !self.ledger.documents[*no].gone).collect();
        self.look_at(&there).await?;
        self.ledger.check_removed()?;
        self.settle_batches().await?;
        self.check_feeds(false).await?;
        self.check_queue().await?;
        let daily: Vec<_> = self.ledger.daily().into_iter().collect();
        for _ in 0..daily.len().min(20) {
            let one = self.chance.below(daily.len());
            self.check_count(daily[one]).await?;
        }
        Ok(())
    }

    /// Checks that every institution's feed has every step exactly once. Everything was looked at before.
    pub(crate) async fn check_feeds(&mut self, all_told: bool) -> Found<()> {
        let (store, now) = (self.store(), self.now());
        for institution in 0..self.feeds.len() {
            let id = self.ledger.institutions[institution].id;
            let begun = std::time::Instant::now();
            loop {
                read_on(&*store, id, &mut self.feeds[institution], u64::MAX).await?;
                if self.ledger.check_feed(institution, &self.feeds[institution], all_told, now)? {
                    break;
                }
                demand!(begun.elapsed() < NUMBERED_WITHIN, "steps are missing in the feed of {institution}");
                store.wait_for_events(Duration::from_millis(20)).await;
            }
            let mut again = Feed::default();
            read_on(&*store, id, &mut again, self.feeds[institution].through()).await?;
            // It may go on by now: what nobody waits for, such as a deadline that passed, is numbered later.
            if let Some(no) = again.first_difference(&self.feeds[institution]) {
                demand!(false, "event {no} of the feed of {institution} reads otherwise than before");
            }
            self.check_figures(institution).await?;
        }
        Ok(())
    }

    /// Queries the statuses of documents for their institutions.
    pub(crate) async fn look_at(&mut self, documents: &[usize]) -> Found<()> {
        let (store, now) = (self.store(), self.now());
        for institution in 0..self.ledger.institutions.len() {
            let own: Vec<usize> = documents
                .iter()
                .copied()
                .filter(|no| self.ledger.documents[*no].institution == institution)
                .collect();
            for own in own.chunks(AT_ONCE) {
                let ids = own.iter().map(|no| self.ledger.documents[*no].id).collect();
                let asker = self.ledger.institutions[institution].id;
                let statuses = answered("statuses", store.statuses(Lane::Bulk, asker, ids).await)?;
                demand!(
                    statuses.len() == own.len(),
                    "{} asked about, {} answered",
                    own.len(),
                    statuses.len()
                );
                for (no, status) in own.iter().zip(statuses) {
                    let status = answered("a status", status)?;
                    self.ledger.observe(*no, status.as_ref(), now)?;
                    self.looks += 1;
                }
            }
        }
        Ok(())
    }

    /// Queries documents as every other institution.
    pub(crate) async fn ask_as_strangers(&mut self, documents: &[usize]) -> Found<()> {
        let store = self.store();
        for (no, stranger) in self.ledger.institutions.iter().enumerate() {
            let others = documents.iter().map(|document| &self.ledger.documents[*document]);
            let ids: Vec<_> = others.filter(|other| other.institution != no).map(|other| other.id).collect();
            let statuses = answered("statuses", store.statuses(Lane::Interactive, stranger.id, ids).await)?;
            let nothing = statuses.iter().all(|status| matches!(status, Ok(None)));
            demand!(nothing, "{} is told another institution's documents", stranger.name);
        }
        Ok(())
    }

    /// Checks the operator's view of a document.
    pub(crate) async fn describe(&mut self, no: usize) -> Found<()> {
        let (store, now) = (self.store(), self.now());
        let record = answered("describe", store.describe(self.ledger.documents[no].id).await)?;
        self.ledger.observe(no, record.as_ref().map(|record| &record.status), now)?;
        let Some(record) = record else { return Ok(()) };
        self.check_record(no, &record)
            .map_err(|broken| Broken(format!("{}: {}", self.ledger.documents[no].id, broken.0)))
    }

    fn check_record(&self, no: usize, record: &DocumentRecord) -> Found<()> {
        let document = &self.ledger.documents[no];
        let sender = &self.ledger.institutions[document.institution];
        let person = &self.ledger.people[document.person];
        demand!(
            record.institution == sender.id && record.contract == sender.contract,
            "described: its sender"
        );
        let number = record.recipient.phone_number.as_ref().map_or("", |number| number.expose_secret());
        demand!(*number == *person.phone_number, "described: it is for somebody else");
        let member = record.recipient.member_since;
        demand!(member.is_none() || person.joined.is_some(), "described: its recipient never joined");
        demand!(member.is_some() || !person.member, "described: its recipient's joining is forgotten");
        demand!(record.content.title == document.title, "described: says {:?}", record.content.title);
        demand!(record.own.external_document_uuid.as_ref() == Some(&document.external), "described: its id");

        let notification = record.notification;
        let delivered = record.status.times.notified_at.is_some();
        demand!((notification == Notification::Delivered) == delivered, "{notification:?}, {delivered}");
        let possible = match notification {
            Notification::Delivered => true,
            Notification::Failed => document.reported_failed,
            Notification::GivenUp => document.may_be_given_up,
            Notification::Expired => !document.is_open_at(self.now()),
            Notification::Taken => document.delivery == Delivery::Taken || document.delivery_unsure,
            Notification::Pending => !document.delivery.is_over() || document.delivery_unsure,
            // Its contracts notify by the platform, and its messenger by no other way.
            Notification::None | Notification::Fallback => false,
        };
        demand!(possible, "notification {notification:?}, and the delivery is {:?}", document.delivery);
        Ok(())
    }

    pub(crate) async fn check_queue(&mut self) -> Found<()> {
        self.settle_batches().await?;
        let store = self.store();
        let depths = answered("queue_depths", store.queue_depths().await)?;
        self.ledger.observe_queue(&depths, self.now())
    }

    /// Determines for every unanswered batch whether it exists.
    pub(crate) async fn settle_batches(&mut self) -> Found<()> {
        for batch in self.ledger.unsure_batches() {
            let documents = self.ledger.batches[batch].documents.clone();
            self.look_at(&documents).await?;
        }
        Ok(())
    }

    /// Checks the store's count of an institution on a day.
    pub(crate) async fn check_count(&mut self, counted: ((usize, SeoulDay), u64)) -> Found<()> {
        let ((institution, day), accepted) = counted;
        let sender = &self.ledger.institutions[institution];
        let overview = answered("an institution", self.store().institution(sender.id, day).await)?;
        let counted = overview.map_or(0, |overview| overview.accepted_on_day);
        let (name, day) = (&sender.name, day.as_yyyymmdd());
        demand!(counted == accepted, "{name} is said to have sent {counted} on {day}, and sent {accepted}");
        Ok(())
    }

    /// Checks that a document that was certainly not accepted, or was removed, does not exist.
    pub(crate) async fn check_absent(&mut self) -> Found<()> {
        let ledger = &self.ledger;
        let absent = |no: &usize| ledger.there(*no) == Known::No || ledger.documents[*no].gone;
        let absent: Vec<usize> = (0..ledger.documents.len()).filter(absent).collect();
        self.look_at(&absent).await
    }
}
