//! Request processing of a send: validates, identifies and stores its documents, and replies. Single and bulk sends
//! share this code (SPEC 5 and 10).

use std::sync::Arc;
use std::time::Duration;

use seoham_http::ApiError;
use seoham_model::document::{CheckContext, Document, ReadItem};
use seoham_model::violation::{Place, Rule, Violation};
use seoham_model::{BinderId, ParcelId, Text, UnixSeconds};
use seoham_store::Lane;
use seoham_store::documents::{Acceptance, Accepted, IdentifiedDocument};
use seoham_store::idempotency::{
    BYTES_MAX, ITEMS_MAX, IdempotencyKey, KeyHistory, KeyedItem, PriorOutcome, Remember, Verdict,
};

use seoham_store::statistics::{Counted, Refusals};

use super::Additions;
use super::verdict::Refusal;
use crate::admission::FairPermit;
use crate::caller::Sender;
use crate::state::Gateway;

/// How often the key may move during processing; each time, another request with the same key has committed.
const ATTEMPTS_MAX: usize = 12;
/// The maximum pause before a retry, multiplied by the attempt number.
const PAUSE: Duration = Duration::from_millis(20);

/// A document of a request.
pub(super) struct Item {
    place: Place,
    pub(super) checked: Result<Document, Refusal>,
    /// The idempotency record, if the item has one.
    keyed: Option<Arc<KeyedItem>>,
}

impl Item {
    /// Validates an item on its own.
    pub(super) fn check(read: &ReadItem<'_>, place: Place, context: CheckContext) -> Self {
        let checked = read.check(context).map_err(Refusal::Broken);
        Self { place, checked, keyed: None }
    }

    /// Makes the item's decision recorded under its external id.
    pub(super) fn key_by(&mut self, read: &ReadItem<'_>, external_document_uuid: &str, sender: &Sender) {
        let mut content = read.canonical();
        // The same document under another contract is a different one.
        content.extend_from_slice(sender.contract.uuid.as_bytes());
        let external_document_uuid = external_document_uuid.to_owned();
        self.keyed = Some(Arc::new(KeyedItem { external_document_uuid, content }));
    }
}

/// The decision on a document: the id under which it was accepted, or none after a dry run.
pub(super) struct Decision {
    pub(super) verdict: Result<Option<BinderId>, Refusal>,
    /// The decision is replayed from an earlier request with the same key.
    pub(super) replayed: bool,
    /// The key had a decision on the item's external id: this is no refusal of another document.
    recorded: bool,
}

impl Decision {
    fn of_prior(prior: PriorOutcome) -> Self {
        let verdict = match prior {
            PriorOutcome::Same(Verdict::Accepted(id)) => Ok(Some(id)),
            PriorOutcome::Same(Verdict::Refused(code, text)) => Err(Refusal::Prior(code, text)),
            PriorOutcome::Different => {
                let member = "property.external_document_uuid";
                Err(Refusal::Broken(vec![Violation::new(member, Rule::AnotherUnderTheKey)]))
            }
        };
        let replayed = !matches!(verdict, Err(Refusal::Broken(_)));
        Self { verdict, replayed, recorded: true }
    }

    fn new(verdict: Result<Option<BinderId>, Refusal>) -> Self {
        Self { verdict, replayed: false, recorded: false }
    }
}

/// Processes the documents that `check` returns; `check` is called again whenever the key has moved. The
/// permit is released before waiting for the store.
pub(super) async fn process(
    gateway: &Gateway,
    sender: &Sender,
    lane: Lane,
    additions: &Additions,
    mut permit: Option<FairPermit>,
    check: impl Fn(UnixSeconds) -> Vec<Item>,
) -> Result<Vec<Decision>, ApiError> {
    for attempt in 0..ATTEMPTS_MAX {
        if attempt > 1 {
            // Other requests with this key committed first. Jitter keeps the remaining ones from retrying
            // together.
            let pause = PAUSE.mul_f64(rand::random::<f64>()) * u32::try_from(attempt).unwrap_or(u32::MAX);
            tokio::time::sleep(pause).await;
        }
        let at = gateway.now();
        let items = check(at);
        // Optimistically treat the key as new on the first attempt: that is free, and usually correct.
        let known = match &additions.key {
            Some(key) if attempt > 0 => recall(gateway, sender, lane, key, &items, at).await?,
            _ => KeyHistory::default(),
        };
        let run = SendRun { gateway, sender, lane, additions, at, attempt };
        if let Some(decisions) = run.process(items, known, permit.take()).await? {
            return Ok(decisions);
        }
    }
    Err(ApiError::unavailable())
}

async fn recall(
    gateway: &Gateway,
    sender: &Sender,
    lane: Lane,
    key: &IdempotencyKey,
    items: &[Item],
    now: UnixSeconds,
) -> Result<KeyHistory, ApiError> {
    let keyed = items.iter().filter_map(|item| item.keyed.clone()).collect();
    let known = gateway.store.recall(lane, sender.institution, key, keyed, now).await?;
    let new = known.prior_outcomes.iter().filter(|first| first.is_none()).count();
    if new > 0 && (known.items + new > ITEMS_MAX || known.bytes > BYTES_MAX) {
        return Err(ApiError::invalid(Text::made(
            format!("Idempotency-Key: 이 키는 가득 찼습니다(최대 {ITEMS_MAX}건). 새 키를 쓰십시오"),
            format!("Idempotency-Key: is full (it holds {ITEMS_MAX} documents at most); use a new one"),
        )));
    }
    Ok(known)
}

struct SendRun<'a> {
    gateway: &'a Gateway,
    sender: &'a Sender,
    lane: Lane,
    additions: &'a Additions,
    at: UnixSeconds,
    attempt: usize,
}

impl SendRun<'_> {
    /// Processes everything, or finds that the key has a record that was not recalled.
    async fn process(
        &self,
        items: Vec<Item>,
        known: KeyHistory,
        permit: Option<FairPermit>,
    ) -> Result<Option<Vec<Decision>>, ApiError> {
        let Self { gateway, sender, additions, .. } = self;
        let next = known.next;
        let mut prior_outcomes = known.prior_outcomes.into_iter();
        let mut decisions: Vec<Option<Decision>> = Vec::with_capacity(items.len());
        let mut keyed = Vec::with_capacity(items.len());
        let (mut receivers, mut checked) = (Vec::new(), Vec::new());
        for (i, item) in items.into_iter().enumerate() {
            let first = if item.keyed.is_some() { prior_outcomes.next().flatten() } else { None };
            let place = item.place;
            if let Some(first) = first {
                decisions.push(Some(Decision::of_prior(first)));
                keyed.push((place, None));
                continue;
            }
            keyed.push((place, item.keyed));
            decisions.push(match item.checked {
                Ok(Document { content, own, hash, deadline_at, receiver }) => {
                    receivers.push(receiver);
                    checked.push((i, content, own, hash, deadline_at));
                    None
                }
                Err(refusal) => Some(Decision::new(Err(refusal))),
            });
        }

        let identified = gateway.store.identify(self.lane, sender.institution, receivers).await?;
        let parcel = ParcelId::generate(gateway.store.clock());
        let mut documents = Vec::with_capacity(checked.len());
        for ((i, content, own, hash, deadline_at), identified) in checked.into_iter().zip(identified) {
            let verdict = match Refusal::of(identified) {
                Ok(_) if additions.dry_run => Ok(None),
                Ok(recipient) => match u8::try_from(documents.len()) {
                    Ok(position) => {
                        documents.push(IdentifiedDocument { recipient, content, own, hash, deadline_at });
                        Ok(Some(parcel.document(position)))
                    }
                    Err(_) => Err(Refusal::Internal),
                },
                Err(refusal) => Err(refusal),
            };
            decisions[i] = Some(Decision::new(verdict));
        }
        let decisions: Vec<Decision> = decisions
            .into_iter()
            .map(|decision| decision.unwrap_or_else(|| Decision::new(Err(Refusal::Internal))))
            .collect();
        drop(permit);
        Ok(self.accept(parcel, documents, keyed, next, &decisions).await?.then_some(decisions))
    }

    /// The refused documents that count (SPEC 11). A request that is sent again under its key must count nothing again: an
    /// item that the key cannot have recorded counts with the first decision on one that it can.
    fn refused(&self, keyed: &[(Place, Option<Arc<KeyedItem>>)], decisions: &[Decision]) -> Refusals {
        let is_first = self.additions.key.is_none()
            || keyed.iter().any(|(_, keyed)| keyed.is_some())
            || decisions.iter().all(|decision| !decision.recorded);
        let mut refused = Refusals::new();
        for decision in decisions.iter().filter(|decision| is_first && !decision.recorded) {
            if let Err(refusal) = &decision.verdict {
                *refused.entry(Counted::of_refusal(refusal.item_code())).or_default() += 1;
            }
        }
        refused
    }

    /// Stores the documents; returns `false`, storing nothing, if the key has moved.
    async fn accept(
        &self,
        parcel: ParcelId,
        documents: Vec<IdentifiedDocument>,
        keyed: Vec<(Place, Option<Arc<KeyedItem>>)>,
        next: i32,
        decisions: &[Decision],
    ) -> Result<bool, ApiError> {
        if self.additions.dry_run {
            return Ok(true);
        }
        let (mut remember, refused) = (None, self.refused(&keyed, decisions));
        if let Some(key) = &self.additions.key {
            let mut items = Vec::with_capacity(keyed.len());
            for ((place, keyed), decision) in keyed.into_iter().zip(decisions) {
                let Some(keyed) = keyed else { continue };
                match &decision.verdict {
                    Ok(Some(id)) => items.push((keyed, Verdict::Accepted(*id))),
                    Err(Refusal::Internal) | Ok(None) => {
                        // There is no decision to record. But the key may have one, and the first attempt did
                        // not look it up.
                        if self.attempt == 0 {
                            return Ok(false);
                        }
                    }
                    Err(refusal) => {
                        items.push((keyed, Verdict::Refused(refusal.item_code(), refusal.text(place))));
                    }
                }
            }
            if !items.is_empty() {
                remember = Some(Remember { key: key.clone(), next, items });
            }
        }
        if documents.is_empty() && remember.is_none() && refused.is_empty() {
            return Ok(true);
        }
        let (institution, contract) = (self.sender.institution, self.sender.contract.uuid);
        let acceptance =
            Acceptance { parcel, institution, contract, accepted_at: self.at, documents, remember, refused };
        Ok(self.gateway.store.accept(acceptance).await? == Accepted::Whole)
    }
}
