//! Stores that each break one guarantee. The simulation must detect all of them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use ambassador::Delegate;
use async_trait::async_trait;
use secrecy::SecretString;
use seoham_model::card::Card;
use seoham_model::document::Receiver;
use seoham_model::forms::{InstitutionChange, TokenChange};
use seoham_model::message::{MessageKind, MessageTemplate};
use seoham_model::{
    AccessTokenId, AgencyId, BinderId, Clock, ContractUuid, InstitutionId, ParcelId, PersonId, PlanId,
    SeoulDay, UnixSeconds, WebhookId,
};
use seoham_simulation::{Opener as StoreOpener, Traits};
use seoham_store::accounts::{
    AccessTokenRecord, Caller, Contract, Institution, InstitutionOverview, ambassador_impl_Accounts,
    ambassador_impl_Callers, ambassador_impl_Marks,
};
use seoham_store::admins::{
    Action, ActionPage, Admin, AdminCaller, AdminId, AdminKind, ambassador_impl_Admins,
};
use seoham_store::boxes::{
    BoxDocument, BoxQuery, BoxView, OpenVerdict, Opener, RefusedInstitution, Shelf, ambassador_impl_Boxes,
};
use seoham_store::deliveries::{
    Claimed, Finished, Outcome, QueueDepth, Receipt, ambassador_impl_Fallbacks, ambassador_impl_QueueDepths,
};
use seoham_store::deployment::ambassador_impl_Deployment;
use seoham_store::documents::{
    Acceptance, Accepted, DocumentRecord, DocumentStatus, ParcelsWithin, ReadVerdict, TokenVerdict,
    WithdrawVerdict, ambassador_impl_Records,
};
use seoham_store::events::{
    Event, FeedQuery, FeedRead, ambassador_impl_FeedKeeping, ambassador_impl_Timelines,
};
use seoham_store::handovers::{
    BegunHandover, DueHandover, Found, HandoverClaim, HandoverDepth, HandoverId, ProviderState, Uncertain,
    Whose, ambassador_impl_Handovers, ambassador_impl_ProviderViews,
};
use seoham_store::idempotency::{IdempotencyKey, KeyHistory, KeyedItem};
use seoham_store::people::{Agreement, Identified, Registered, Registration};
use seoham_store::restore::WorkOrder;
use seoham_store::retention::Tidied;
use seoham_store::statistics::DayFigures;
use seoham_store::templates::{OwnedTemplate, TemplateOwner, ambassador_impl_Templates};
use seoham_store::undelivered::{Kind, Page, Undelivered, ambassador_impl_Notices};
use seoham_store::visits::{
    Attempt, BirthdayAttempt, LoginLink, Secret, Visitor, ambassador_impl_Links, ambassador_impl_Secrets,
    ambassador_impl_Sessions, ambassador_impl_Unlocking,
};
use seoham_store::volumes::{
    CountedVolume, DayVolume, PlanState, VolumeAlert, VolumePlan, ambassador_impl_Volumes,
};
use seoham_store::webhooks::{
    ClaimedWebhook, Cursor, Disabled, NewWebhook, WebhookAttempt, WebhookView,
    ambassador_impl_WebhookRemoval, ambassador_impl_WebhookServing, ambassador_impl_WebhookViews,
    ambassador_impl_Webhooks,
};
use seoham_store::{
    Accounts, Admins, Boxes, Callers, Deliveries, Deployment, Documents, Fallbacks, FeedKeeping, Feeds,
    Handovers, Health, Lane, Links, Marks, Mode, Notices, Overviews, People, ProviderViews, QueueDepths,
    Receipts, Records, Result, Retention, Secrets, Sessions, Statistics, Store, Templates, Timelines,
    Unlocking, Volumes, WebhookRemoval, WebhookServing, WebhookViews, Webhooks,
};
use seoham_store_sqlite::SqliteStore;
use seoham_vault::{PinHash, TokenHash};
use uuid::Uuid;

use crate::openers::Sqlite;

/// The guarantee that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// The last document of a batch is not accepted.
    LosesTheLast,
    /// A day's documents are counted twice.
    CountsTwice,
    /// Claims are not held.
    HoldsNothing,
    /// Delivery reports are dropped.
    ForgetsReports,
    /// Read times are overwritten each time.
    RewritesReads,
    /// Joining is acknowledged but not done.
    ForgetsJoins,
    /// Every institution can see every document.
    TellsStrangers,
    /// A document that can still be opened is removed.
    RemovesTooEarly,
    /// A used token verifies again.
    VerifiesTwice,
    /// A delivered notification is sent again.
    AnnouncesAgain,
    /// A withdrawal is acknowledged but not done.
    ForgetsWithdrawals,
    /// An event of each page is left out, and the others get its number.
    SkipsEvents,
    /// An event of each page comes twice.
    TellsTwice,
    /// Statistics have a document too many.
    Miscounts,
}

impl Sabotage {
    pub(crate) const ALL: [Self; 14] = [
        Self::LosesTheLast,
        Self::CountsTwice,
        Self::HoldsNothing,
        Self::ForgetsReports,
        Self::RewritesReads,
        Self::ForgetsJoins,
        Self::TellsStrangers,
        Self::RemovesTooEarly,
        Self::VerifiesTwice,
        Self::AnnouncesAgain,
        Self::ForgetsWithdrawals,
        Self::SkipsEvents,
        Self::TellsTwice,
        Self::Miscounts,
    ];
}

/// Opens sabotaged stores.
pub(crate) struct Saboteur {
    pub(crate) within: Sqlite,
    pub(crate) sabotage: Sabotage,
}

#[async_trait]
impl StoreOpener for Saboteur {
    async fn open(&self, clock: Clock) -> Arc<dyn Store> {
        Arc::new(Sabotaged { store: self.within.open_store(clock).await, sabotage: self.sabotage })
    }

    fn traits(&self) -> Traits {
        self.within.traits()
    }
}

#[derive(Delegate)]
#[allow(clippy::duplicated_attributes, reason = "the same target for each trait")]
#[delegate(Accounts, target = "store")]
#[delegate(Admins, target = "store")]
#[delegate(Callers, target = "store")]
#[delegate(Marks, target = "store")]
#[delegate(Records, target = "store")]
#[delegate(QueueDepths, target = "store")]
#[delegate(Notices, target = "store")]
#[delegate(Boxes, target = "store")]
#[delegate(Links, target = "store")]
#[delegate(Sessions, target = "store")]
#[delegate(Secrets, target = "store")]
#[delegate(Unlocking, target = "store")]
#[delegate(Volumes, target = "store")]
#[delegate(Deployment, target = "store")]
#[delegate(Templates, target = "store")]
#[delegate(Fallbacks, target = "store")]
#[delegate(Handovers, target = "store")]
#[delegate(ProviderViews, target = "store")]
#[delegate(FeedKeeping, target = "store")]
#[delegate(Timelines, target = "store")]
#[delegate(Webhooks, target = "store")]
#[delegate(WebhookViews, target = "store")]
#[delegate(WebhookRemoval, target = "store")]
#[delegate(WebhookServing, target = "store")]
struct Sabotaged {
    store: SqliteStore,
    sabotage: Sabotage,
}

impl Sabotaged {
    fn is(&self, sabotage: Sabotage) -> bool {
        self.sabotage == sabotage
    }
}

#[async_trait]
impl Statistics for Sabotaged {
    async fn statistics(
        &self,
        institution: InstitutionId,
        from: SeoulDay,
        to: SeoulDay,
    ) -> Result<Vec<DayFigures>> {
        let mut reported = self.store.statistics(institution, from, to).await?;
        let first = reported.first_mut().and_then(|figures| figures.documents.values_mut().next());
        if let Some(documents) = first.filter(|_| self.is(Sabotage::Miscounts)) {
            *documents += 1;
        }
        Ok(reported)
    }
}

#[async_trait]
impl Overviews for Sabotaged {
    async fn institution(&self, id: InstitutionId, day: SeoulDay) -> Result<Option<InstitutionOverview>> {
        let reported = self.store.institution(id, day).await?;
        let twice = if self.is(Sabotage::CountsTwice) { 2 } else { 1 };
        Ok(reported.map(|reported| InstitutionOverview {
            accepted_on_day: reported.accepted_on_day * twice,
            ..reported
        }))
    }
}

#[async_trait]
impl People for Sabotaged {
    async fn register(&self, people: Vec<Registration>, now: UnixSeconds) -> Result<Vec<Registered>> {
        self.store.register(people, now).await
    }

    async fn identify(
        &self,
        lane: Lane,
        institution: InstitutionId,
        receivers: Vec<Receiver>,
    ) -> Result<Vec<Identified>> {
        self.store.identify(lane, institution, receivers).await
    }

    async fn person_by_phone(&self, phone_number: &SecretString) -> Result<Option<PersonId>> {
        self.store.person_by_phone(phone_number).await
    }

    async fn person_by_ci(&self, ci: &SecretString) -> Result<Option<PersonId>> {
        self.store.person_by_ci(ci).await
    }

    async fn phone_number(&self, person: PersonId) -> Result<Option<SecretString>> {
        self.store.phone_number(person).await
    }

    async fn agreed(&self, person: PersonId, texts: Vec<String>, now: UnixSeconds) -> Result<()> {
        self.store.agreed(person, texts, now).await
    }

    async fn agreements(&self, person: PersonId) -> Result<Vec<Agreement>> {
        self.store.agreements(person).await
    }

    async fn join(&self, person: PersonId, now: UnixSeconds) -> Result<()> {
        if self.is(Sabotage::ForgetsJoins) { Ok(()) } else { self.store.join(person, now).await }
    }

    async fn set_refusal(
        &self,
        person: PersonId,
        institution: InstitutionId,
        refused: bool,
        now: UnixSeconds,
    ) -> Result<()> {
        self.store.set_refusal(person, institution, refused, now).await
    }
}

#[async_trait]
impl Documents for Sabotaged {
    async fn accept(&self, acceptance: Acceptance) -> Result<Accepted> {
        let mut acceptance = acceptance;
        if self.is(Sabotage::LosesTheLast) && acceptance.documents.len() > 1 {
            acceptance.documents.pop();
        }
        self.store.accept(acceptance).await
    }

    async fn recall(
        &self,
        lane: Lane,
        institution: InstitutionId,
        key: &IdempotencyKey,
        items: Vec<Arc<KeyedItem>>,
        now: UnixSeconds,
    ) -> Result<KeyHistory> {
        self.store.recall(lane, institution, key, items, now).await
    }

    async fn statuses(
        &self,
        lane: Lane,
        institution: InstitutionId,
        ids: Vec<BinderId>,
    ) -> Result<Vec<Result<Option<DocumentStatus>>>> {
        let mut reported = self.store.statuses(lane, institution, ids.clone()).await?;
        for (id, reported) in ids.into_iter().zip(&mut reported) {
            if self.is(Sabotage::TellsStrangers) && matches!(reported, Ok(None)) {
                *reported = Ok(self.store.describe(id).await?.map(|record| record.status));
            }
            if self.is(Sabotage::RewritesReads)
                && let Ok(Some(reported)) = reported
                && let Some(read_at) = &mut reported.times.read_at
            {
                *read_at = self.store.clock().now();
            }
        }
        Ok(reported)
    }

    async fn verify_token(
        &self,
        institution: InstitutionId,
        document: BinderId,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<TokenVerdict> {
        let verdict = self.store.verify_token(institution, document, token, now).await?;
        if !self.is(Sabotage::VerifiesTwice) || verdict != TokenVerdict::Used {
            return Ok(verdict);
        }
        let reported = self.store.statuses(Lane::Interactive, institution, vec![document]).await?;
        let status = reported.into_iter().flatten().flatten().next();
        Ok(status.map_or(TokenVerdict::Used, |status| TokenVerdict::Verified {
            token_expires_at: now.plus(1),
            token_used_at: now,
            status,
        }))
    }

    async fn mark_read(
        &self,
        institution: InstitutionId,
        document: BinderId,
        now: UnixSeconds,
    ) -> Result<ReadVerdict> {
        self.store.mark_read(institution, document, now).await
    }

    async fn withdraw(
        &self,
        institution: InstitutionId,
        document: BinderId,
        now: UnixSeconds,
    ) -> Result<WithdrawVerdict> {
        if self.is(Sabotage::ForgetsWithdrawals) {
            return Ok(WithdrawVerdict::Withdrawn);
        }
        self.store.withdraw(institution, document, now).await
    }
}

#[async_trait]
impl Feeds for Sabotaged {
    async fn read_feed(&self, institution: InstitutionId, query: FeedQuery) -> Result<FeedRead> {
        let mut read = self.store.read_feed(institution, query).await?;
        let events = &mut read.page.events;
        if events.len() > 2 {
            // The numbers stay dense: only what is known from elsewhere tells.
            let (one, next) = (events[1].clone(), events[2].clone());
            if self.is(Sabotage::SkipsEvents) {
                events[1] = Event { seq: one.seq, ..next };
            } else if self.is(Sabotage::TellsTwice) {
                events[2] = Event { seq: next.seq, ..one };
            }
        }
        Ok(read)
    }

    async fn feed_lasts(&self, institutions: Vec<InstitutionId>) -> Result<HashMap<InstitutionId, u64>> {
        self.store.feed_lasts(institutions).await
    }

    async fn wait_for_events(&self, at_most: Duration) {
        self.store.wait_for_events(at_most).await;
    }
}

#[async_trait]
impl Deliveries for Sabotaged {
    async fn claim(&self, limit: usize, lease: Duration, now: UnixSeconds) -> Result<Claimed> {
        let lease = if self.is(Sabotage::HoldsNothing) { Duration::ZERO } else { lease };
        self.store.claim(limit, lease, now).await
    }

    async fn finish(&self, finished: Vec<Finished>, now: UnixSeconds) -> Result<usize> {
        let mut finished = finished;
        for one in &mut finished {
            if self.is(Sabotage::AnnouncesAgain) && one.outcome == Outcome::Taken {
                one.outcome = Outcome::Retry { not_before: now };
            }
        }
        self.store.finish(finished, now).await
    }

    async fn join_due(&self, limit: usize, now: UnixSeconds) -> Result<usize> {
        self.store.join_due(limit, now).await
    }

    async fn wait_for_work(&self, at_most: Duration) {
        self.store.wait_for_work(at_most).await;
    }
}

#[async_trait]
impl Receipts for Sabotaged {
    async fn record_receipts(&self, receipts: Vec<Receipt>, now: UnixSeconds) -> Result<()> {
        let receipts = if self.is(Sabotage::ForgetsReports) { Vec::new() } else { receipts };
        self.store.record_receipts(receipts, now).await
    }
}

#[async_trait]
impl Retention for Sabotaged {
    async fn tidy(&self, days: Option<u32>, now: UnixSeconds) -> Result<Tidied> {
        let years = if self.is(Sabotage::RemovesTooEarly) { 2 } else { 0 };
        self.store.tidy(days, now.plus(years * 365 * 24 * 60 * 60)).await
    }
}
