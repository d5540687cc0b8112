//! Stores that break one promise each: the simulation must find them all.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use seoham_model::card::Card;
use seoham_model::document::Receiver;
use seoham_model::{
    AccessTokenId, BinderId, Clock, ContractUuid, InstitutionId, PersonId, PlanId, SeoulDay, UnixSeconds,
};
use seoham_simulation::{Opener, Traits};
use seoham_store::accounts::{AccessTokenRecord, Caller, Contract, Institution, InstitutionOverview};
use seoham_store::boxes::{BoxDocument, OpenVerdict, Opener as OpenedBy, Shelf};
use seoham_store::deliveries::{Claimed, Finished, Outcome, QueueDepth, Receipt};
use seoham_store::documents::{
    Acceptance, Accepted, DocumentRecord, DocumentStatus, ReadVerdict, TokenVerdict,
};
use seoham_store::idempotency::{IdempotencyKey, KeyHistory, KeyedItem};
use seoham_store::people::{Agreement, Identified, Registered, Registration};
use seoham_store::restore::WorkOrder;
use seoham_store::retention::Tidied;
use seoham_store::undelivered::{Kind, Page, Undelivered};
use seoham_store::visits::{Attempt, BirthdayAttempt, LoginLink, Secret, Visitor};
use seoham_store::volumes::{DayVolume, PlanState, VolumeAlert, VolumePlan};
use seoham_store::{
    Accounts, Boxes, Callers, Deliveries, Deployment, Documents, Health, Lane, Links, Marks, Mode, Notices,
    Overviews, People, QueueDepths, Receipts, Records, Result, Retention, Secrets, Sessions, Store,
    Unlocking, Volumes,
};
use seoham_vault::{PinHash, TokenHash};

use crate::openers::Sqlite;

/// The promise that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// The last document of a batch is not accepted.
    LosesTheLast,
    /// The day's documents are counted twice.
    CountsTwice,
    /// Claims are held by nobody.
    HoldsNothing,
    /// Reports of arrivals are thrown away.
    ForgetsReports,
    /// Read times are told anew each time.
    RewritesReads,
    /// A joining is acknowledged and not done.
    ForgetsJoins,
    /// Every institution is told every document.
    TellsStrangers,
    /// What may still be opened is removed.
    RemovesTooEarly,
    /// A token that was used is verified again.
    VerifiesTwice,
    /// A notification that was taken is sent again.
    AnnouncesAgain,
}

impl Sabotage {
    pub(crate) const ALL: [Self; 10] = [
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
    ];
}

/// Opens sabotaged stores.
pub(crate) struct Saboteur {
    pub(crate) within: Sqlite,
    pub(crate) sabotage: Sabotage,
}

#[async_trait]
impl Opener for Saboteur {
    async fn open(&self, clock: Clock) -> Arc<dyn Store> {
        Arc::new(Sabotaged { store: self.within.open(clock).await, sabotage: self.sabotage })
    }

    fn traits(&self) -> Traits {
        self.within.traits()
    }
}

struct Sabotaged {
    store: Arc<dyn Store>,
    sabotage: Sabotage,
}

impl Sabotaged {
    fn is(&self, sabotage: Sabotage) -> bool {
        self.sabotage == sabotage
    }
}

#[async_trait]
impl Accounts for Sabotaged {
    async fn create_institution(&self, institution: Institution) -> Result<()> {
        self.store.create_institution(institution).await
    }

    async fn institutions(&self, after: Option<InstitutionId>, limit: usize) -> Result<Vec<Institution>> {
        self.store.institutions(after, limit).await
    }

    async fn create_contract(&self, institution: InstitutionId, contract: Contract) -> Result<bool> {
        self.store.create_contract(institution, contract).await
    }

    async fn close_contract(
        &self,
        institution: InstitutionId,
        uuid: ContractUuid,
        now: UnixSeconds,
    ) -> Result<bool> {
        self.store.close_contract(institution, uuid, now).await
    }

    async fn set_card(&self, contract: ContractUuid, card: Option<Card>) -> Result<bool> {
        self.store.set_card(contract, card).await
    }

    async fn set_mark(&self, institution: InstitutionId, picture: Option<Vec<u8>>) -> Result<bool> {
        self.store.set_mark(institution, picture).await
    }

    async fn create_token(
        &self,
        institution: InstitutionId,
        token: AccessTokenRecord,
        hash: TokenHash,
    ) -> Result<bool> {
        self.store.create_token(institution, token, hash).await
    }

    async fn revoke_token(
        &self,
        institution: InstitutionId,
        id: AccessTokenId,
        now: UnixSeconds,
    ) -> Result<bool> {
        self.store.revoke_token(institution, id, now).await
    }
}

#[async_trait]
impl Callers for Sabotaged {
    async fn authenticate(
        &self,
        lane: Lane,
        hash: TokenHash,
        contract: Option<ContractUuid>,
        now: UnixSeconds,
    ) -> Result<Option<Caller>> {
        self.store.authenticate(lane, hash, contract, now).await
    }

    async fn token_used(&self, hash: TokenHash, at: UnixSeconds) -> Result<()> {
        self.store.token_used(hash, at).await
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
impl Marks for Sabotaged {
    async fn mark(&self, institution: InstitutionId) -> Result<Option<Vec<u8>>> {
        self.store.mark(institution).await
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

    async fn set_refusal(&self, person: PersonId, institution: InstitutionId, refused: bool) -> Result<()> {
        self.store.set_refusal(person, institution, refused).await
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
    ) -> Result<Vec<Option<DocumentStatus>>> {
        let mut reported = self.store.statuses(lane, institution, ids.clone()).await?;
        for (id, reported) in ids.into_iter().zip(&mut reported) {
            if self.is(Sabotage::TellsStrangers) && reported.is_none() {
                *reported = self.store.describe(id).await?.map(|record| record.status);
            }
            let read_at = reported.as_mut().and_then(|reported| reported.times.read_at.as_mut());
            if self.is(Sabotage::RewritesReads)
                && let Some(read_at) = read_at
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
        let status = reported.into_iter().flatten().next();
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
}

#[async_trait]
impl Records for Sabotaged {
    async fn describe(&self, document: BinderId) -> Result<Option<DocumentRecord>> {
        self.store.describe(document).await
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
impl QueueDepths for Sabotaged {
    async fn queue_depths(&self) -> Result<Vec<QueueDepth>> {
        self.store.queue_depths().await
    }
}

#[async_trait]
impl Notices for Sabotaged {
    async fn undelivered(&self, kind: Kind, page: Page) -> Result<Vec<Undelivered>> {
        self.store.undelivered(kind, page).await
    }

    async fn undelivered_one(&self, document: BinderId) -> Result<Option<Undelivered>> {
        self.store.undelivered_one(document).await
    }

    async fn send_again(&self, documents: Vec<BinderId>, now: UnixSeconds) -> Result<usize> {
        self.store.send_again(documents, now).await
    }
}

#[async_trait]
impl Boxes for Sabotaged {
    async fn shelf(
        &self,
        person: PersonId,
        shelf: Shelf,
        before: Option<BinderId>,
        limit: usize,
        now: UnixSeconds,
    ) -> Result<Vec<BoxDocument>> {
        self.store.shelf(person, shelf, before, limit, now).await
    }

    async fn box_document(&self, person: PersonId, document: BinderId) -> Result<Option<BoxDocument>> {
        self.store.box_document(person, document).await
    }

    async fn unread(&self, person: PersonId, limit: usize, now: UnixSeconds) -> Result<usize> {
        self.store.unread(person, limit, now).await
    }

    async fn refused_institutions(&self, person: PersonId) -> Result<Vec<Institution>> {
        self.store.refused_institutions(person).await
    }

    async fn open(
        &self,
        opener: OpenedBy,
        document: BinderId,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<OpenVerdict> {
        self.store.open(opener, document, token, now).await
    }
}

#[async_trait]
impl Links for Sabotaged {
    async fn use_notification_link(
        &self,
        token: &SecretString,
        now: UnixSeconds,
    ) -> Result<Option<(PersonId, BinderId)>> {
        self.store.use_notification_link(token, now).await
    }

    async fn ask_link(
        &self,
        phone_number: &SecretString,
        now: UnixSeconds,
    ) -> Result<std::result::Result<(), UnixSeconds>> {
        self.store.ask_link(phone_number, now).await
    }

    async fn notified(&self, token: &SecretString, now: UnixSeconds) -> Result<Option<(PersonId, BinderId)>> {
        self.store.notified(token, now).await
    }

    async fn add_login_link(&self, link: LoginLink) -> Result<()> {
        self.store.add_login_link(link).await
    }

    async fn use_login_link(
        &self,
        token: TokenHash,
        now: UnixSeconds,
    ) -> Result<Option<(PersonId, Option<BinderId>)>> {
        self.store.use_login_link(token, now).await
    }

    async fn new_pin_link(&self, token: TokenHash, now: UnixSeconds) -> Result<Option<PersonId>> {
        self.store.new_pin_link(token, now).await
    }

    async fn renew_pin(&self, token: TokenHash, hash: PinHash, now: UnixSeconds) -> Result<bool> {
        self.store.renew_pin(token, hash, now).await
    }
}

#[async_trait]
impl Sessions for Sabotaged {
    async fn start_session(
        &self,
        person: PersonId,
        session: TokenHash,
        expires_at: UnixSeconds,
    ) -> Result<()> {
        self.store.start_session(person, session, expires_at).await
    }

    async fn session(&self, session: TokenHash, now: UnixSeconds) -> Result<Option<Visitor>> {
        self.store.session(session, now).await
    }

    async fn end_session(&self, session: TokenHash) -> Result<()> {
        self.store.end_session(session).await
    }

    async fn end_sessions(&self, person: PersonId) -> Result<()> {
        self.store.end_sessions(person).await
    }
}

#[async_trait]
impl Secrets for Sabotaged {
    async fn try_birthday(
        &self,
        person: PersonId,
        birthday: &SecretString,
        now: UnixSeconds,
    ) -> Result<BirthdayAttempt> {
        self.store.try_birthday(person, birthday, now).await
    }

    async fn change_secret(
        &self,
        person: PersonId,
        secret: Secret,
        before: Option<PinHash>,
        after: PinHash,
    ) -> Result<bool> {
        self.store.change_secret(person, secret, before, after).await
    }

    async fn begin_attempt(&self, person: PersonId, secret: Secret, now: UnixSeconds) -> Result<Attempt> {
        self.store.begin_attempt(person, secret, now).await
    }

    async fn attempt_succeeded(&self, person: PersonId, secret: Secret) -> Result<()> {
        self.store.attempt_succeeded(person, secret).await
    }

    async fn set_first_pin(&self, person: PersonId, hash: PinHash) -> Result<bool> {
        self.store.set_first_pin(person, hash).await
    }

    async fn has_secret(&self, person: PersonId, secret: Secret) -> Result<bool> {
        self.store.has_secret(person, secret).await
    }
}

#[async_trait]
impl Unlocking for Sabotaged {
    async fn unlock(&self, person: PersonId, forget_pin: bool) -> Result<()> {
        self.store.unlock(person, forget_pin).await
    }
}

#[async_trait]
impl Volumes for Sabotaged {
    async fn announce_plan(&self, plan: VolumePlan) -> Result<bool> {
        self.store.announce_plan(plan).await
    }

    async fn decide_plan(
        &self,
        institution: InstitutionId,
        plan: PlanId,
        state: PlanState,
        now: UnixSeconds,
    ) -> Result<Option<VolumePlan>> {
        self.store.decide_plan(institution, plan, state, now).await
    }

    async fn plans(&self, institution: InstitutionId, limit: usize) -> Result<Vec<VolumePlan>> {
        self.store.plans(institution, limit).await
    }

    async fn waiting_plans(&self, limit: usize) -> Result<Vec<VolumePlan>> {
        self.store.waiting_plans(limit).await
    }

    async fn volumes(
        &self,
        institution: InstitutionId,
        from: SeoulDay,
        to: SeoulDay,
    ) -> Result<Vec<DayVolume>> {
        self.store.volumes(institution, from, to).await
    }

    async fn raise_alerts(
        &self,
        day: SeoulDay,
        unannounced: u64,
        now: UnixSeconds,
    ) -> Result<Vec<VolumeAlert>> {
        self.store.raise_alerts(day, unannounced, now).await
    }

    async fn watched_to(&self) -> Result<Option<SeoulDay>> {
        self.store.watched_to().await
    }

    async fn set_watched_to(&self, day: SeoulDay) -> Result<()> {
        self.store.set_watched_to(day).await
    }

    async fn unsent_alerts(&self, since: UnixSeconds, limit: usize) -> Result<Vec<VolumeAlert>> {
        self.store.unsent_alerts(since, limit).await
    }

    async fn alert_sent(&self, institution: InstitutionId, day: SeoulDay, now: UnixSeconds) -> Result<()> {
        self.store.alert_sent(institution, day, now).await
    }
}

#[async_trait]
impl Deployment for Sabotaged {
    fn clock(&self) -> &Clock {
        self.store.clock()
    }

    fn mode(&self) -> Mode {
        self.store.mode()
    }

    async fn advance_clock(&self, seconds: u32) -> Result<Option<UnixSeconds>> {
        self.store.advance_clock(seconds).await
    }

    fn health(&self) -> &Health {
        self.store.health()
    }

    async fn work_order(&self) -> Result<WorkOrder> {
        self.store.work_order().await
    }

    async fn set_work_order(&self, order: WorkOrder) -> Result<()> {
        self.store.set_work_order(order).await
    }

    async fn examine(&self) -> Result<()> {
        self.store.examine().await
    }

    async fn confirm_clock(&self) -> Result<UnixSeconds> {
        self.store.confirm_clock().await
    }

    async fn ready(&self) -> Result<()> {
        self.store.ready().await
    }
}

#[async_trait]
impl Retention for Sabotaged {
    async fn tidy(&self, days: Option<u32>, now: UnixSeconds) -> Result<Tidied> {
        let years = if self.is(Sabotage::RemovesTooEarly) { 2 } else { 0 };
        self.store.tidy(days, now.plus(years * 365 * 24 * 60 * 60)).await
    }
}
