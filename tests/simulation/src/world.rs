//! A run: the open store, the ledger, and the loop over the steps.

use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use seoham_model::{Clock, UnixSeconds};
use seoham_store::accounts::{Contract, Institution as Account, Product};
use seoham_store::{Store, StoreError};

use crate::chance::Chance;
use crate::faults::{Answer, Faults};
use crate::ledger::{Feed, Hold, Known, Ledger};
use crate::people::{Institution, Person};
use crate::{Broken, Found, Opener, Plan, Report, Took, Violation, demand};

/// Midnight of 2026-11-23 in Seoul.
const START: UnixSeconds = UnixSeconds(1_795_359_600);
/// How many steps a violation lists.
const HISTORY: usize = 30;
/// How many recently touched documents are remembered.
const RECENT: usize = 40;
/// How many people there are at the start.
const PEOPLE: usize = 30;

pub(crate) struct World<'a> {
    opener: &'a dyn Opener,
    /// `None` only between a crash and the next opening.
    store: Option<Arc<dyn Store>>,
    pub(crate) chance: Chance,
    pub(crate) faults: Faults,
    pub(crate) ledger: Ledger,
    /// Recently touched documents, which are checked after a fault.
    pub(crate) recent: VecDeque<usize>,
    /// A fault occurred since the last check.
    pub(crate) disturbed: bool,
    pub(crate) looks: u64,

    /// Claims held by workers.
    pub(crate) hands: Vec<Hold>,
    /// Claims of workers that are delayed for long.
    pub(crate) paused: Vec<Hold>,
    /// Claims whose lease expired before their worker finished.
    pub(crate) late: Vec<Hold>,
    /// Claims that no worker knows, but that are still leased.
    pub(crate) lost: Vec<Hold>,
    /// The messenger accepts nothing.
    pub(crate) outage: bool,
    /// Documents whose notification the messenger accepted, once per acceptance.
    pub(crate) announced: Vec<usize>,

    /// What each institution read of its feed.
    pub(crate) feeds: Vec<Feed>,

    step: u64,
    history: VecDeque<String>,
    fingerprint: DefaultHasher,
}

impl<'a> World<'a> {
    pub(crate) async fn run(opener: &'a dyn Opener, plan: Plan) -> Result<Report, Box<Violation>> {
        let started = Instant::now();
        let store = opener.open(Clock::stopped_at(START)).await;
        let mut world = Self {
            opener,
            store: Some(store),
            chance: Chance::new(plan.seed),
            faults: Faults::default(),
            ledger: Ledger::default(),
            recent: VecDeque::new(),
            disturbed: false,
            looks: 0,
            hands: Vec::new(),
            paused: Vec::new(),
            late: Vec::new(),
            lost: Vec::new(),
            outage: false,
            announced: Vec::new(),
            feeds: Vec::new(),
            step: 0,
            history: VecDeque::new(),
            fingerprint: DefaultHasher::new(),
        };
        match world.live(plan.steps).await {
            Ok(()) => Ok(world.report(plan, started)),
            Err(Broken(broken)) => {
                let history = world.history.into();
                Err(Box::new(Violation { plan, step: world.step, broken, history }))
            }
        }
    }

    async fn live(&mut self, steps: u64) -> Found<()> {
        self.begin().await?;
        let check_all_every = (steps / 4).max(1);
        for step in 1..=steps {
            self.step = step;
            self.one_step().await?;
            // Sometimes other steps run between a fault and its check.
            if self.disturbed && self.chance.percent(75) {
                self.check_after_fault().await?;
            }
            if step % check_all_every == 0 {
                self.say("everything is looked at");
                self.check_everything().await?;
            }
        }
        self.end().await
    }

    /// Creates the institutions, each with a contract, and some people.
    async fn begin(&mut self) -> Found<()> {
        for name in ["가상시청", "가상은행", "가상병원", "가상전력"] {
            let now = self.now();
            let (id, uuid) = (self.chance.institution(now), self.chance.contract(now));
            let store = self.store();
            let account = Account::new(id, name.to_owned(), now);
            let contract = Contract::new(uuid, Product::default());
            answered("an institution", store.create_institution(account).await)?;
            let made = answered("a contract", store.create_contract(id, contract).await)?;
            demand!(made, "a contract of an institution that was just made");
            self.feeds.push(Feed::default());
            self.ledger.institutions.push(Institution { id, contract: uuid, name: name.to_owned() });
        }
        self.ledger.add_person(Person::who_joins_later());
        for _ in 0..PEOPLE {
            self.register().await?;
        }
        Ok(())
    }

    /// The store, as a caller holds it.
    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(self.store.as_ref().expect("the store is open but in the middle of a crash"))
    }

    pub(crate) fn now(&self) -> UnixSeconds {
        self.store().clock().now()
    }

    /// Makes a call with possible faults.
    pub(crate) async fn call<T>(
        &mut self,
        what: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Found<Answer<T>> {
        let answer = self.faults.between(&mut self.chance, what, work).await?;
        match &answer {
            Answer::Given(_) => {}
            Answer::NotDone => self.disturb(format!("  {what}: refused")),
            Answer::Unknown(None) => self.disturb(format!("  {what}: the request is lost")),
            Answer::Unknown(Some(_)) => self.disturb(format!("  {what}: the reply is lost")),
        }
        Ok(answer)
    }

    fn disturb(&mut self, said: impl Into<String>) {
        self.disturbed = true;
        self.say(said);
    }

    /// Drops all handles and opens the store again.
    pub(crate) async fn crash(&mut self) -> Found<()> {
        let before = self.now();
        self.faults.crashes += 1;
        self.disturb("  crash");
        let store = self.store.take();
        let alone = store.as_ref().is_some_and(|store| Arc::strong_count(store) == 1);
        assert!(alone, "a step that crashes has let go of the store");
        let dropped = tokio::task::spawn_blocking(move || drop(store)).await;
        demand!(dropped.is_ok(), "the store panicked when it was dropped");
        self.store = Some(self.opener.open(Clock::stopped_at(START)).await);
        let now = self.now();
        demand!(now == before, "the clock stood at {before} before the crash, and at {now} after it");
        if self.opener.traits().claims_outlive_crashes {
            // They stay leased, but no worker knows them any more.
            self.lost.append(&mut self.hands);
            self.lost.append(&mut self.paused);
        } else {
            self.hands.clear();
            self.paused.clear();
            self.late.clear();
            self.lost.clear();
            self.ledger.forget_claims();
        }
        Ok(())
    }

    pub(crate) fn claimed_at_least(&self) -> usize {
        self.opener.traits().claimed_at_least
    }

    pub(crate) fn touch(&mut self, document: usize) {
        self.recent.push_back(document);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    /// Records an event in the history.
    pub(crate) fn say(&mut self, what: impl Into<String>) {
        let what = what.into();
        what.hash(&mut self.fingerprint);
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(format!("{}: {what}", self.step));
    }

    fn report(&self, plan: Plan, started: Instant) -> Report {
        let documents = || self.ledger.documents.iter();
        let accepted = self.ledger.batches.iter().filter(|batch| batch.there == Known::Yes);
        Report {
            steps: plan.steps,
            accepted: accepted.map(|batch| batch.documents.len()).sum(),
            opened: documents().filter(|document| document.authenticated.is_certain()).count(),
            read: documents().filter(|document| document.read.is_certain()).count(),
            removed: documents().filter(|document| document.gone).count(),
            looks: self.looks,
            faults: self.faults,
            fingerprint: self.fingerprint.finish(),
            took: Took(started.elapsed()),
        }
    }
}

/// The result of a call without injected faults.
pub(crate) fn answered<T>(what: &str, result: Result<T, StoreError>) -> Found<T> {
    result.map_err(|error| Broken(format!("{what}: the store failed by itself: {error}")))
}
