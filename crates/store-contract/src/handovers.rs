//! Hand-overs: what is given to a provider in one call.

use std::collections::HashSet;
use std::time::Duration;

use seoham_model::{BinderId, UnixSeconds};
use seoham_store::deliveries::{Arrival, Claim, Receipt};
use seoham_store::documents::{Notification, WithdrawVerdict};
use seoham_store::handovers::{
    BegunHandover, DueHandover, Found, Handed, HandoverClaim, HandoverId, ProviderState, Settled, Whose,
};
use seoham_store::undelivered::{Failure, Kind, Page};
use uuid::Uuid;

use crate::world::{LEASE, World};

const PROVIDER: &str = "nhn";

async fn claims(world: &World, count: usize) -> Vec<Claim> {
    world.person("01011112222", true).await;
    let person = world.recipient("01011112222", "19800229").await;
    world.send(world.city, &person, count).await;
    let claims = world.claim(100).await;
    assert_eq!(claims.len(), count);
    claims
}

async fn begin(world: &World, claims: &[Claim], lease: Duration) -> (HandoverId, Option<BegunHandover>) {
    let claim = |claim: &Claim| HandoverClaim {
        ticket: claim.ticket,
        handed: Handed {
            document: claim.document,
            institution: claim.institution,
            attempts: claim.attempts,
            first_attempt_at: claim.first_attempt_at,
        },
    };
    let id = HandoverId(Uuid::now_v7());
    let claims = claims.iter().map(claim).collect();
    let begun = world.store.begin_handover(id, PROVIDER, claims, lease, world.now()).await;
    (id, begun.expect("begins"))
}

async fn due(world: &World) -> Vec<DueHandover> {
    let due =
        world.store.due_handovers(Whose::Providers(&[PROVIDER.to_owned()]), 10, LEASE, world.now()).await;
    due.expect("answers")
}

fn found(world: &World, settled: Vec<(BinderId, Settled)>) -> Found {
    Found { settled, still_awaited: None, goes_on: false, look_at: world.now() }
}

async fn notification(world: &World, document: BinderId) -> Notification {
    world.store.describe(document).await.expect("answers").expect("there").notification
}

/// What was handed over is in no queue, and nobody else is given it until its outcome is known.
pub async fn a_handover_takes_its_documents_off_the_queue(world: World) {
    let all = claims(&world, 5).await;
    let (id, begun) = begin(&world, &all[..4], LEASE).await;
    let begun = begun.expect("held");
    let has: HashSet<_> = begun.documents.iter().copied().collect();
    assert_eq!(has, all[..4].iter().map(|claim| claim.document).collect());
    assert_eq!(begin(&world, &all[..4], LEASE).await.1, None, "they are taken");
    assert!(due(&world).await.is_empty(), "the worker holds it");
    assert!(world.claim(10).await.is_empty());
    assert_eq!(notification(&world, all[0].document).await, Notification::Pending, "its outcome is open");
    let reference = Some("REQ/1".to_owned());
    let retry = Settled::Retry {
        not_before: world.now(),
        counts: true,
        failure: Failure::Provider,
        said: Some("-1 busy".to_owned()),
    };
    let settled = vec![
        (all[0].document, Settled::Taken { reference }),
        (all[1].document, Settled::Taken { reference: None }),
        (all[2].document, retry),
        (all[3].document, Settled::GivenUp { failure: Failure::Provider, said: Some("-2 no".to_owned()) }),
    ];
    let stale =
        world.store.settle_handover(id, begun.ticket + 1, found(&world, settled.clone()), world.now());
    assert!(!stale.await.expect("answers"), "another's ticket");
    let settle =
        || world.store.settle_handover(id, begun.ticket, found(&world, settled.clone()), world.now());
    assert!(settle().await.expect("settles"));
    assert!(settle().await.expect("answers"), "what is awaited is still there; nothing happens twice");
    assert_eq!(notification(&world, all[1].document).await, Notification::Taken);
    let waiting = world.store.undelivered(Kind::Waiting, Page { limit: 10, ..Page::default() }).await;
    let [waiting] = &waiting.expect("lists")[..] else { panic!("one waits") };
    assert_eq!((waiting.document, waiting.attempts), (all[2].document, Some(1)));
    assert_eq!(waiting.said.as_deref(), Some("-1 busy"));
    let given_up = world.store.undelivered_one(all[3].document).await.expect("answers").expect("there");
    assert_eq!((given_up.failure, given_up.said.as_deref()), (Some(Failure::Provider), Some("-2 no")));
    let again = world.claim(10).await;
    assert_eq!(
        again.iter().map(|claim| (claim.document, claim.attempts)).collect::<Vec<_>>(),
        [(all[2].document, 1)]
    );
}

/// When a worker is lost during its call, another finds the hand-over with all that is unknown, once.
pub async fn a_lost_handover_is_found_once(world: World) {
    let all = claims(&world, 3).await;
    let (id, begun) = begin(&world, &all, Duration::ZERO).await;
    let (a, b) = tokio::join!(due(&world), due(&world));
    let [lost] = &a.iter().chain(&b).collect::<Vec<_>>()[..] else { panic!("one finds it") };
    assert_eq!((lost.id, lost.unknown.len(), lost.awaited.len()), (id, 3, 0));
    assert_eq!(lost.unknown[0].content.title, "안내문");
    let late =
        world.store.settle_handover(id, begun.expect("held").ticket, found(&world, Vec::new()), world.now());
    assert!(!late.await.expect("answers"), "who lost it changes nothing any more");
    let outcomes = vec![
        (all[0].document, Settled::Uncertain { again_at: Some(world.now()) }),
        (all[1].document, Settled::Uncertain { again_at: None }),
    ];
    assert!(
        world
            .store
            .settle_handover(id, lost.ticket, found(&world, outcomes), world.now())
            .await
            .expect("settles")
    );
    let listed = world.store.uncertain(None, 10).await.expect("lists");
    let listed: HashSet<_> = listed.iter().map(|one| (one.document, one.sent_again)).collect();
    assert_eq!(listed, HashSet::from([(all[0].document, true), (all[1].document, false)]));
    assert_eq!(world.claim(10).await.len(), 1, "one is sent again");
    let rest = due(&world).await;
    assert_eq!(rest[0].unknown.iter().map(|claim| claim.document).collect::<Vec<_>>(), [all[2].document]);
    assert_eq!(rest[0].looks, 2);
}

/// Messages whose reports are awaited are asked about until there is a report, which says by which way it came.
pub async fn awaited_reports_are_asked_for(world: World) {
    let all = claims(&world, 3).await;
    let (id, begun) = begin(&world, &all, LEASE).await;
    let taken = |claim: &Claim| {
        (claim.document, Settled::Taken { reference: Some(format!("REQ/{}", claim.document)) })
    };
    let outcomes = found(&world, all.iter().map(taken).collect());
    let ticket = begun.expect("held").ticket;
    assert!(world.store.settle_handover(id, ticket, outcomes, world.now()).await.expect("settles"));
    let receipt = |claim: &Claim, arrival| Receipt { document: claim.document, arrival, at: world.now() };
    let receipts = vec![receipt(&all[0], Arrival::Fallback), receipt(&all[1], Arrival::Failed)];
    world.store.record_receipts(receipts, world.now()).await.expect("records");
    assert_eq!(notification(&world, all[0].document).await, Notification::Fallback);
    let status = world.status(world.city, all[0].document).await.expect("there");
    assert!(status.times.notified_at.is_some(), "either way counts");
    let [handover] = &due(&world).await[..] else { panic!("one is due") };
    let [open] = &handover.awaited[..] else { panic!("one is awaited") };
    assert_eq!((open.document, &open.reference), (all[2].document, &format!("REQ/{}", all[2].document)));
    let depths = world.store.handover_depths().await.expect("counts");
    assert_eq!((depths[0].provider.as_str(), depths[0].unsettled), (PROVIDER, 0));
    let done = Found { still_awaited: Some(Vec::new()), ..found(&world, Vec::new()) };
    assert!(world.store.settle_handover(id, handover.ticket, done, world.now()).await.expect("settles"));
    assert!(due(&world).await.is_empty() && world.store.handover_depths().await.expect("counts").is_empty());
}

/// A report on a message of unknown outcome says that it was taken, and what has expired is not looked up.
pub async fn a_handover_ends_with_its_documents(world: World) {
    world.person("01011112222", true).await;
    let person = world.recipient("01011112222", "19800229").await;
    let short = world.send_until(world.city, &person, 1, world.now().plus(50)).await[0];
    let long = world.send(world.city, &person, 1).await[0];
    let all = world.claim(10).await;
    begin(&world, &all, Duration::ZERO).await;
    let at = world.now();
    let receipt = Receipt { document: long, arrival: Arrival::Messenger, at };
    world.store.record_receipts(vec![receipt], at).await.expect("records");
    world.advance(60).await;
    let found = due(&world).await;
    assert!(found.iter().all(|handover| handover.unknown.is_empty()));
    assert_eq!(notification(&world, short).await, Notification::Expired);
    assert_eq!(notification(&world, long).await, Notification::Delivered);
    assert!(world.store.handover_depths().await.expect("counts").is_empty());
}

/// What a provider tells by the way to have is taken, whoever holds its hand-over.
pub async fn a_provider_tells_what_it_has(world: World) {
    let all = claims(&world, 3).await;
    let (id, begun) = begin(&world, &all, LEASE).await;
    let ticket = begun.expect("held").ticket;
    let tell = async |provider, documents: &[BinderId]| {
        world.store.handed_were_taken(provider, documents, world.now()).await.expect("records");
    };
    tell("another", &[all[0].document]).await;
    assert_eq!(notification(&world, all[0].document).await, Notification::Pending, "of another provider");
    let elsewhere = seoham_model::ParcelId::generate(world.store.clock()).document(0);
    tell(PROVIDER, &[all[0].document, elsewhere, all[1].document]).await;
    tell(PROVIDER, &[all[0].document]).await;
    for (claim, expected) in all.iter().zip([Notification::Taken, Notification::Taken, Notification::Pending])
    {
        assert_eq!(notification(&world, claim.document).await, expected);
    }
    assert!(due(&world).await.is_empty(), "it is still held");
    let not_taken = Settled::GivenUp { failure: Failure::Provider, said: None };
    let outcomes = all.iter().map(|claim| (claim.document, not_taken.clone())).collect();
    assert!(
        world.store.settle_handover(id, ticket, found(&world, outcomes), world.now()).await.expect("settles")
    );
    assert_eq!(notification(&world, all[0].document).await, Notification::Taken, "who held it knew less");
    assert_eq!(notification(&world, all[2].document).await, Notification::GivenUp);
}

/// Hand-overs of a provider that nobody knows any more are found by everybody, and only then.
pub async fn abandoned_handovers_are_found(world: World) {
    let all = claims(&world, 1).await;
    begin(&world, &all, Duration::ZERO).await;
    let state = ProviderState { provider: PROVIDER.to_owned(), ..ProviderState::default() };
    world.store.report_providers(Uuid::now_v7(), vec![state], world.now()).await.expect("reports");
    let abandoned = async |besides: &[&str], since| {
        let besides: Vec<String> = besides.iter().map(|name| (*name).to_owned()).collect();
        let whose = Whose::Abandoned { besides: &besides, since };
        world.store.due_handovers(whose, 10, Duration::ZERO, world.now()).await.expect("answers").len()
    };
    assert_eq!(abandoned(&[], world.now().plus(-60)).await, 0, "a worker knows it");
    assert_eq!(abandoned(&[PROVIDER], world.now().plus(60)).await, 0, "it is one's own");
    assert_eq!(abandoned(&["another"], world.now().plus(60)).await, 1);
}

/// A rate limit is one for all that ask, and the states of providers are shown as they were reported.
pub async fn providers_are_limited_and_shown(world: World) {
    let reserve = async |at_most| {
        let at_most = Duration::from_secs(at_most);
        world.store.reserve(PROVIDER, 100, 50.0, at_most).await.expect("reserves")
    };
    assert!(reserve(10).await.expect("at once") < Duration::from_millis(100));
    let wait = reserve(10).await.expect("soon enough");
    assert!(wait > Duration::from_secs(1) && wait <= Duration::from_secs(2), "{wait:?}");
    assert_eq!(reserve(2).await, None, "too late");
    assert!(reserve(4).await.is_some(), "what is refused takes no time");
    let state = |weight| ProviderState {
        provider: PROVIDER.to_owned(),
        weight,
        last_success_at: Some(5),
        last_error: Some("-1 busy".to_owned()),
        ..ProviderState::default()
    };
    let (a, b) = (Uuid::now_v7(), Uuid::now_v7());
    for (worker, weight) in [(a, 1.0), (b, 2.0), (a, 0.5)] {
        world.store.report_providers(worker, vec![state(weight)], world.now()).await.expect("reports");
    }
    let shown = async |since| world.store.provider_states(since).await.expect("answers");
    let sum: f64 = shown(UnixSeconds(0)).await.iter().map(|state| state.weight).sum();
    assert!((sum - 2.5).abs() < f64::EPSILON, "{sum}");
    assert!(shown(world.now().plus(60)).await.is_empty());
}

/// What was withdrawn since it was claimed is not handed over, and nobody is told of it.
pub async fn what_is_withdrawn_is_not_handed_over(world: World) {
    let all = claims(&world, 3).await;
    let withdraw = async |document| {
        let verdict = world.store.withdraw(world.city.institution, document, world.now()).await;
        assert_eq!(verdict.expect("answers"), WithdrawVerdict::Withdrawn);
    };
    withdraw(all[1].document).await;
    let begun = begin(&world, &all[..2], LEASE).await.1.expect("the other one is left");
    assert_eq!(begun.documents, [all[0].document]);
    assert_eq!(notification(&world, all[1].document).await, Notification::Expired);
    withdraw(all[2].document).await;
    assert_eq!(begin(&world, &all[2..], LEASE).await.1, None, "none is left");
    world.advance(3_600).await;
    assert!(world.claim(10).await.is_empty(), "neither is in a queue");
}
